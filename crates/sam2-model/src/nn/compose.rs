//! Composition of two linear maps.

use kernels::parallel;

use super::Linear;
use crate::error::LoadError;
use crate::weights::Loader;

/// `outer ∘ inner` of two linear maps (weight and bias), summed in double precision and stored as the layer
/// at the loader's path.
pub(crate) fn compose(loader: &Loader, outer: (&[f32], &[f32]), inner: (&[f32], &[f32])) -> Linear {
    let (n, d) = (outer.1.len(), inner.1.len());
    let k = inner.0.len() / d;
    let mut weight = vec![0.0; n * k];
    let mut bias = vec![0.0; n];
    parallel::for_each_chunk_mut2(&mut weight, k, &mut bias, 1, |i, out, bias| {
        let mut row = vec![0.0_f64; k];
        let mut sum = f64::from(outer.1[i]);
        let weights = &outer.0[i * d..(i + 1) * d];
        for ((&w, inner_row), &inner_bias) in weights.iter().zip(inner.0.chunks_exact(k)).zip(inner.1) {
            sum += f64::from(w) * f64::from(inner_bias);
            for (x, &v) in row.iter_mut().zip(inner_row) {
                *x += f64::from(w) * f64::from(v);
            }
        }
        for (x, &v) in out.iter_mut().zip(&row) {
            *x = v as f32;
        }
        bias[0] = sum as f32;
    });
    Linear::pack(loader, &weight, bias, k)
}

/// `out_proj ∘ v_proj` of an attention between `width` channels outside and `d` inside. The weights of a
/// softmax sum to one, so this map of averaged inputs equals the averaged values, projected.
pub(crate) fn fold_values(loader: &Loader, d: usize, width: usize) -> Result<Linear, LoadError> {
    let (value, value_bias) = loader.at("v_proj").linear(d, width)?;
    let (out, out_bias) = loader.at("out_proj").linear(d, d)?;
    Ok(compose(loader, (&out, &out_bias), (&value, &value_bias)))
}
