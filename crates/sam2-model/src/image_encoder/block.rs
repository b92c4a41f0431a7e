//! One transformer block of the trunk. Meta: `sam2/modeling/backbones/hieradet.py`, classes
//! `MultiScaleBlock` and `MultiScaleAttention`.
//!
//! H, W map · w window side · C channels · N = H·W tokens.
//!
//! Windows are gathered after the first norm, zero-padded at the bottom and right to whole windows. A
//! padded token's query, key and value are therefore the biases of `qkv`, and its key and value take part in the
//! softmax of its window.

use kernels::attention::{Shape, attention};
use kernels::gemm::{Activation, Rows};
use kernels::{Isa, image, parallel, rows};

use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear, Mlp};
use crate::weights::Scope;
use crate::workspace::Run;

const EPS: f32 = 1e-6;
/// Tokens of a strip of windows that goes through attention together: enough to keep the threads busy, few
/// enough that its queries, keys and values stay in the cache.
const STRIP: usize = 4096;

/// What a block attends over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The whole map.
    Global,
    /// Square windows.
    Windowed { window: usize },
    /// Square windows, queries max-pooled 2×2: the map halves, the channels double.
    Pooled { window: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    /// Of the shortcut, where the channels change.
    shortcut: Option<Linear>,
    mlp: Mlp,
    heads: usize,
    kind: Kind,
}

type Size = (usize, usize);

impl Block {
    pub fn load(
        scope: &Scope,
        isa: Isa,
        dim_in: usize,
        dim: usize,
        heads: usize,
        kind: Kind,
    ) -> Result<Self, LoadError> {
        let attn = scope.at("attn");
        let layers = scope.at("mlp").at("layers");
        Ok(Self {
            norm1: LayerNorm::load(&scope.at("norm1"), dim_in, EPS)?,
            qkv: Linear::load(&attn.at("qkv"), isa, 3 * dim, dim_in)?,
            proj: Linear::load(&attn.at("proj"), isa, dim, dim)?,
            shortcut: (dim_in != dim)
                .then(|| Linear::load(&scope.at("proj"), isa, dim, dim_in))
                .transpose()?,
            mlp: Mlp {
                norm: LayerNorm::load(&scope.at("norm2"), dim, EPS)?,
                first: Linear::load(&layers.at(0), isa, 4 * dim, dim)?,
                second: Linear::load(&layers.at(1), isa, dim, 4 * dim)?,
                activation: Activation::Gelu,
            },
            heads,
            kind,
        })
    }

    /// `x`, `[H, W, Cin]`, to `[H', W', C]` with its size; `index` names the block on the tap.
    pub fn forward(&self, run: &mut Run, x: Vec<f32>, size: Size, index: usize) -> (Vec<f32>, Size) {
        let isa = run.isa;
        let (h, w) = size;
        let c = self.proj.bias.len();
        let name = |part: &'static str| move || format!("image_encoder.trunk.blocks.{index}{part}");
        let mut normed = run.take(x.len());
        self.norm1.forward(isa, &x, &mut normed);
        run.tap.tap(name(".norm1"), &[h, w, self.norm1.weight.len()], &normed);

        let (out_h, out_w) = if matches!(self.kind, Kind::Pooled { .. }) { (h / 2, w / 2) } else { size };
        let mut attended = run.take(out_h * out_w * c);
        match self.kind {
            Kind::Global => self.attend_globally(run, &normed, h * w, &mut attended, index),
            Kind::Windowed { window } => {
                self.attend_in_windows(run, &normed, size, window, false, &mut attended, index)
            }
            Kind::Pooled { window } => {
                self.attend_in_windows(run, &normed, size, window, true, &mut attended, index)
            }
        }
        run.tap.tap(name(".attn"), &[out_h, out_w, c], &attended);

        let shortcut = match &self.shortcut {
            None => x,
            Some(layer) => {
                run.give(x);
                let mut projected = run.take(h * w * c);
                layer.forward(isa, &normed, h * w, &mut projected);
                let mut pooled = run.take(out_h * out_w * c);
                image::max_pool_2x2(isa, &projected, size, c, &mut pooled);
                run.give(projected);
                pooled
            }
        };
        run.give(normed);
        run.tap.tap(name(".shortcut"), &[out_h, out_w, c], &shortcut);
        rows::add(isa, &mut attended, &shortcut);
        run.give(shortcut);

        let mut out = run.take(out_h * out_w * c);
        if run.tap.enabled() {
            self.mlp.branch(isa, &attended, &mut out);
            run.tap.tap(name(".mlp"), &[out_h, out_w, c], &out);
        }
        self.mlp.forward(isa, &attended, &mut out);
        run.give(attended);
        run.tap.tap(name(""), &[out_h, out_w, c], &out);
        (out, (out_h, out_w))
    }

    fn attend_globally(&self, run: &mut Run, normed: &[f32], n: usize, out: &mut [f32], index: usize) {
        let c = self.proj.bias.len();
        let mut qkv = run.take(n * 3 * c);
        let mut mixed = run.take(n * c);
        self.qkv.forward(run.isa, normed, n, &mut qkv);
        run.tap.tap(|| format!("image_encoder.trunk.blocks.{index}.attn.qkv"), &[1, n, 3 * c], &qkv);
        self.attend(run.isa, 1, Rows::new(&qkv, 3 * c), n, &qkv, n, &mut mixed);
        self.proj.forward(run.isa, &mixed, n, out);
        run.give(qkv);
        run.give(mixed);
    }

    /// `batch` problems of `nq` queries over the `nk` keys and values in `qkv`.
    #[allow(clippy::too_many_arguments)]
    fn attend(&self, isa: Isa, batch: usize, q: Rows, nq: usize, qkv: &[f32], nk: usize, out: &mut [f32]) {
        let c = self.proj.bias.len();
        let d = c / self.heads;
        let kv = Rows::new(qkv, 3 * c);
        let shape = Shape { batch, heads: self.heads, nq, nk, d, dv: d };
        attention(isa, shape, 1.0 / (d as f32).sqrt(), q, kv.columns(c), kv.columns(2 * c), out);
    }

    #[allow(clippy::too_many_arguments)]
    fn attend_in_windows(
        &self,
        run: &mut Run,
        normed: &[f32],
        size: Size,
        window: usize,
        pool: bool,
        out: &mut [f32],
        index: usize,
    ) {
        let isa = run.isa;
        let (c_in, c) = (self.norm1.weight.len(), self.proj.bias.len());
        let (down, across) = (size.0.div_ceil(window), size.1.div_ceil(window));
        let nk = window * window;
        let (side_out, nq) = if pool { (window / 2, nk / 4) } else { (window, nk) };
        // The tap wants whole tensors, so with it there is one strip. Results do not depend on the split.
        let per_strip = if run.tap.enabled() { down } else { (STRIP / (across * nk)).clamp(1, down) };
        let mut gathered = run.take(per_strip * across * nk * c_in);
        let mut qkv = run.take(per_strip * across * nk * 3 * c);
        let mut pooled = run.take(if pool { per_strip * across * nq * c } else { 0 });
        let mut mixed = run.take(per_strip * across * nq * c);
        let mut projected = run.take(per_strip * across * nq * c);
        let (out_h, out_w) = if pool { (size.0 / 2, size.1 / 2) } else { size };

        for first in (0..down).step_by(per_strip) {
            let windows = per_strip.min(down - first) * across;
            let gathered = &mut gathered[..windows * nk * c_in];
            let qkv = &mut qkv[..windows * nk * 3 * c];
            let mixed = &mut mixed[..windows * nq * c];
            let projected = &mut projected[..windows * nq * c];
            gather(normed, size, c_in, window, across, first, gathered);
            self.qkv.forward(isa, gathered, windows * nk, qkv);
            run.tap.tap(
                || format!("image_encoder.trunk.blocks.{index}.attn.qkv"),
                &[windows, nk, 3 * c],
                qkv,
            );
            if pool {
                let pooled = &mut pooled[..windows * nq * c];
                pool_queries(qkv, window, c, pooled);
                let name = || format!("image_encoder.trunk.blocks.{index}.attn.q_pooled");
                run.tap.tap(name, &[windows, nq, c], pooled);
                self.attend(isa, windows, Rows::new(pooled, c), nq, qkv, nk, mixed);
            } else {
                self.attend(isa, windows, Rows::new(qkv, 3 * c), nq, qkv, nk, mixed);
            }
            self.proj.forward(isa, mixed, windows * nq, projected);
            scatter(projected, side_out, across, (first * side_out, out_h), out_w, c, out);
        }
        for buffer in [gathered, qkv, pooled, mixed, projected] {
            run.give(buffer);
        }
    }
}

/// Windows of the rows of windows from `first` on, `[windows, w·w, C]`, zero where they leave the map.
fn gather(x: &[f32], (h, w): Size, c: usize, window: usize, across: usize, first: usize, out: &mut [f32]) {
    parallel::for_each_chunk_mut(out, window * window * c, |i, out| {
        let (top, left) = ((first + i / across) * window, i % across * window);
        let inside = window.min(w.saturating_sub(left)) * c;
        for (y, row) in out.chunks_exact_mut(window * c).enumerate() {
            let inside = if top + y < h { inside } else { 0 };
            let start = ((top + y) * w + left) * c;
            row[..inside].copy_from_slice(if inside > 0 { &x[start..start + inside] } else { &[] });
            row[inside..].fill(0.0);
        }
    });
}

/// Windows of side `window` back into the rows of the map that start at `first`, cropped to the map.
fn scatter(
    windows: &[f32],
    window: usize,
    across: usize,
    (first, h): Size,
    w: usize,
    c: usize,
    out: &mut [f32],
) {
    let rows = (windows.len() / (across * window * c)).min(h.saturating_sub(first));
    parallel::for_each_chunk_mut(&mut out[first * w * c..(first + rows) * w * c], w * c, |y, row| {
        for (i, part) in row.chunks_mut(window * c).enumerate() {
            let from = ((y / window * across + i) * window + y % window) * window * c;
            part.copy_from_slice(&windows[from..from + part.len()]);
        }
    });
}

/// The queries in `qkv`, `[windows, w·w, 3C]`, max-pooled 2×2 inside each window: `[windows, w·w/4, C]`.
fn pool_queries(qkv: &[f32], window: usize, c: usize, out: &mut [f32]) {
    let half = window / 2;
    parallel::for_each_chunk_mut(out, half * half * c, |i, out| {
        let qkv = &qkv[i * window * window * 3 * c..];
        for (j, out) in out.chunks_exact_mut(c).enumerate() {
            let at = |dy: usize, dx: usize| {
                let token = (j / half * 2 + dy) * window + j % half * 2 + dx;
                &qkv[token * 3 * c..][..c]
            };
            let (a, b, d, e) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
            for (x, out) in out.iter_mut().enumerate() {
                *out = a[x].max(b[x]).max(d[x].max(e[x]));
            }
        }
    });
}
