//! Compares a kernel with NumPy: reads an `.npz`, runs the kernel on its inputs and compares with its result.
//!
//! `cargo run -p sam2 --example npz_fixture [FIXTURE.npz]`; by default `layer_norm.npz` beside this file,
//! made by
//!
//! ```python
//! x = rng.standard_normal((16, 96)).astype(np.float32)   # weight and bias likewise, (96,)
//! mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)  # in float64
//! y = (x - mean) / np.sqrt(var + 1e-6) * weight + bias
//! np.savez("layer_norm.npz", x=x, weight=weight, bias=bias, expected=y.astype(np.float32))
//! ```

use std::error::Error;

use kernels::{Isa, rows};
use tensor::compare::{Tolerance, compare};
use tensor::npz;

const EPS: f32 = 1e-6;

fn main() -> Result<(), Box<dyn Error>> {
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/layer_norm.npz");
    let path = std::env::args().nth(1).unwrap_or_else(|| bundled.to_owned());
    let mut arrays = npz::read(&path)?;
    let mut take = |name: &str| {
        let array = arrays.remove(name).ok_or_else(|| format!("{path} has no array {name}"))?;
        Ok::<_, Box<dyn Error>>(array.into_f32()?)
    };
    let (x, weight, bias, expected) = (take("x")?, take("weight")?, take("bias")?, take("expected")?);
    let channels = *x.shape().last().ok_or("x has no axis")?;
    let shapes = [weight.shape() == [channels], bias.shape() == [channels], expected.shape() == x.shape()];
    if shapes.contains(&false) {
        return Err(format!("{path}: weight and bias must be [{channels}], expected as x").into());
    }
    for isa in Isa::available() {
        let mut out = vec![0.0; x.data().len()];
        rows::layer_norm(isa, x.data(), weight.data(), bias.data(), EPS, &mut out);
        let comparison = compare(&out, expected.data());
        println!("{:9} {comparison}", isa.name());
        if !Tolerance::rel_l2(1e-6).accepts(&comparison) {
            return Err(format!("{} differs from NumPy", isa.name()).into());
        }
    }
    Ok(())
}
