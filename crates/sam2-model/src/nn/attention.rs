//! Multi-head attention with its projections. Meta: `sam2/modeling/sam/transformer.py`, class `Attention`.

use kernels::attention::{Shape, attention};
use kernels::gemm::Rows;

use super::Linear;
use crate::error::LoadError;
use crate::weights::Loader;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    heads: usize,
}

impl Attention {
    /// Between widths `width`, with `internal` channels inside.
    pub fn load(loader: &Loader, width: usize, internal: usize, heads: usize) -> Result<Self, LoadError> {
        Ok(Self {
            q_proj: Linear::load(&loader.at("q_proj"), internal, width)?,
            k_proj: Linear::load(&loader.at("k_proj"), internal, width)?,
            v_proj: Linear::load(&loader.at("v_proj"), internal, width)?,
            out_proj: Linear::load(&loader.at("out_proj"), width, internal)?,
            heads,
        })
    }

    /// Attends with `q`, `(nq, C)`, over `k` and `v`, `(nk, C)`; writes `out`, `(nq, C)`, plus `residual` if
    /// given.
    pub fn forward(
        &self,
        run: &mut Run,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let isa = run.isa;
        let (width, internal) = (self.q_proj.inputs(), self.q_proj.bias.len());
        let (nq, nk) = (q.len() / width, k.len() / width);
        let mut queries = run.take(nq * internal);
        let mut keys = run.take(nk * internal);
        let mut values = run.take(nk * internal);
        let mut mixed = run.take(nq * internal);
        self.q_proj.forward(isa, q, nq, &mut queries);
        self.k_proj.forward(isa, k, nk, &mut keys);
        self.v_proj.forward(isa, v, nk, &mut values);
        let d = internal / self.heads;
        let shape = Shape { batch: 1, heads: self.heads, nq, nk, d, dv: d };
        let rows = |x| Rows::new(x, internal);
        attention(
            isa,
            shape,
            1.0 / (d as f32).sqrt(),
            rows(&queries),
            rows(&keys),
            rows(&values),
            &mut mixed,
        );
        match residual {
            Some(residual) => self.out_proj.forward_add(isa, &mixed, nq, residual, out),
            None => self.out_proj.forward(isa, &mixed, nq, out),
        }
        for buffer in [queries, keys, values, mixed] {
            run.give(buffer);
        }
    }
}
