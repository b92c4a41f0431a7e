//! One transformer block of the trunk. Meta: `sam2/modeling/backbones/hieradet.py`, classes
//! `MultiScaleBlock` and `MultiScaleAttention`.
//!
//! H, W map · w window side · C channels · N = H·W tokens.
//!
//! Windows are gathered after the first norm, zero-padded at the bottom and right to whole windows. A
//! padded token's query, key and value are therefore the biases of `qkv`, and its key and value take part in the
//! softmax of its window.

use kernels::attention::{self, Shape, attention_block};
use kernels::gemm::{Activation, Rows};
use kernels::{Isa, image, parallel, rows};

use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear, Mlp};
use crate::precision::Precision;
use crate::weights::Scope;
use crate::workspace::Run;

const EPS: f32 = 1e-6;
/// Tokens of the windows that go through attention together: few enough that their queries, keys and values stay in L2.
const TASK: usize = 512;

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
    /// Of the scores of global attention. Windows gain little.
    precision: Precision,
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
            qkv: Linear::load_quantized(&attn.at("qkv"), isa, 3 * dim, dim_in)?,
            proj: Linear::load_quantized(&attn.at("proj"), isa, dim, dim)?,
            shortcut: (dim_in != dim)
                .then(|| Linear::load_quantized(&scope.at("proj"), isa, dim, dim_in))
                .transpose()?,
            mlp: Mlp {
                norm: LayerNorm::load(&scope.at("norm2"), dim, EPS)?,
                first: Linear::load_quantized(&layers.at(0), isa, 4 * dim, dim)?,
                second: Linear::load_quantized(&layers.at(1), isa, dim, 4 * dim)?,
                activation: Activation::Gelu,
            },
            heads,
            kind,
            precision: scope.precision(),
        })
    }

    /// `x`, `[H, W, Cin]`, to `[H', W', C]` with its size; `index` names the block on the tap.
    pub fn forward(&self, run: &mut Run, x: Vec<f32>, size: Size, index: usize) -> (Vec<f32>, Size) {
        let isa = run.isa;
        let (h, w) = size;
        let (c_in, c) = (self.norm1.weight.len(), self.proj.bias.len());
        let name = |part: &'static str| move || format!("image_encoder.trunk.blocks.{index}{part}");
        if run.tap.enabled() {
            let mut normed = run.take(x.len());
            self.norm1.forward(isa, &x, &mut normed);
            run.tap.tap(name(".norm1"), &[h, w, c_in], &normed);
            run.give(normed);
        }
        let (out_h, out_w) = if matches!(self.kind, Kind::Pooled { .. }) { (h / 2, w / 2) } else { size };
        let (attention, layout) = match self.kind {
            Kind::Global => (self.attend_globally(run, &x, index), Windows::whole(size)),
            Kind::Windowed { window } => {
                let windows = Windows::new(size, window);
                (self.attend_in_windows(run, &x, windows, false, index), windows)
            }
            Kind::Pooled { window } => {
                let attention = self.attend_in_windows(run, &x, Windows::new(size, window), true, index);
                (attention, Windows::new((out_h, out_w), window / 2))
            }
        };
        if run.tap.enabled() {
            let mut alone = vec![0.0; out_h * out_w * c];
            layout.add(isa, &attention, c, &mut alone);
            run.tap.tap(name(".attn"), &[out_h, out_w, c], &alone);
        }
        let mut stream = match &self.shortcut {
            None => x,
            Some(layer) => {
                let pooled = self.pooled_shortcut(run, layer, &x, size);
                run.give(x);
                pooled
            }
        };
        run.tap.tap(name(".shortcut"), &[out_h, out_w, c], &stream);
        layout.add(isa, &attention, c, &mut stream);
        run.give(attention);

        let mut out = run.take(out_h * out_w * c);
        if run.tap.enabled() {
            self.mlp.branch(isa, &stream, &mut out);
            run.tap.tap(name(".mlp"), &[out_h, out_w, c], &out);
        }
        self.mlp.forward(isa, &stream, &mut out);
        run.give(stream);
        run.tap.tap(name(""), &[out_h, out_w, c], &out);
        (out, (out_h, out_w))
    }

    fn attend_globally(&self, run: &mut Run, x: &[f32], index: usize) -> Vec<f32> {
        let (isa, c) = (run.isa, self.proj.bias.len());
        let n = x.len() / c;
        let mut normed = run.take(x.len());
        let mut qkv = run.take(n * 3 * c);
        let mut mixed = run.take(n * c);
        self.norm1.forward(isa, x, &mut normed);
        self.qkv.forward(isa, &normed, n, &mut qkv);
        run.tap.tap(|| format!("image_encoder.trunk.blocks.{index}.attn.qkv"), &[1, n, 3 * c], &qkv);
        let (q, kv) = (Rows::new(&qkv, 3 * c), Rows::new(&qkv, 3 * c));
        let (shape, scale) = self.shape(1, n, n);
        let attend = match self.precision {
            Precision::F32 => attention::attention,
            Precision::Int8 => attention::int8::attention,
        };
        attend(isa, shape, scale, q, kv.columns(c), kv.columns(2 * c), &mut mixed);
        self.proj.forward(isa, &mixed, n, &mut normed);
        run.give(qkv);
        run.give(mixed);
        normed
    }

    /// Sizes and scale of `batch` problems of `nq` queries over `nk` keys.
    fn shape(&self, batch: usize, nq: usize, nk: usize) -> (Shape, f32) {
        let d = self.proj.bias.len() / self.heads;
        (Shape { batch, heads: self.heads, nq, nk, d, dv: d }, 1.0 / (d as f32).sqrt())
    }

    /// The attention in the order of the windows, `[windows, nq, C]`. A few windows at a time go through everything on one
    /// thread.
    fn attend_in_windows(
        &self,
        run: &mut Run,
        x: &[f32],
        windows: Windows,
        pool: bool,
        index: usize,
    ) -> Vec<f32> {
        let isa = run.isa;
        let (c_in, c) = (self.norm1.weight.len(), self.proj.bias.len());
        let nk = windows.side * windows.side;
        let nq = if pool { nk / 4 } else { nk };
        if run.tap.enabled() {
            self.tap_windows(run, x, windows, pool, index);
        }
        let mut out = run.take(windows.count() * nq * c);
        let per_task = parallel::rows_per_task(windows.count(), 1, (TASK / nk).max(1));
        parallel::for_each_chunk_mut(&mut out, per_task * nq * c, |i, out| {
            let count = out.len() / (nq * c);
            let tokens = count * nk;
            parallel::with_scratch(tokens * (c_in + 3 * c) + 2 * out.len(), |scratch| {
                let (gathered, scratch) = scratch.split_at_mut(tokens * c_in);
                let (qkv, scratch) = scratch.split_at_mut(tokens * 3 * c);
                let (mixed, pooled) = scratch.split_at_mut(out.len());
                self.gather(isa, x, windows, i * per_task, gathered);
                self.qkv.apply_block(isa, gathered, tokens, qkv, &self.qkv.epilogue());
                let kv = Rows::new(qkv, 3 * c);
                let q = if pool {
                    pool_queries(qkv, windows.side, c, pooled);
                    Rows::new(pooled, c)
                } else {
                    kv
                };
                let (shape, scale) = self.shape(count, nq, nk);
                attention_block(isa, shape, scale, q, kv.columns(c), kv.columns(2 * c), mixed);
                self.proj.apply_block(isa, mixed, count * nq, out, &self.proj.epilogue());
            });
        });
        out
    }

    /// Windows from `first` on, through the first norm, `[windows, w·w, C]`, zero where they leave the map.
    fn gather(&self, isa: Isa, x: &[f32], windows: Windows, first: usize, out: &mut [f32]) {
        let LayerNorm { weight, bias, eps } = &self.norm1;
        let (c, side, (h, w)) = (weight.len(), windows.side, windows.size);
        for (i, out) in out.chunks_exact_mut(side * side * c).enumerate() {
            let (top, left) = windows.corner(first + i);
            let width = side.min(w.saturating_sub(left)) * c;
            for (y, row) in out.chunks_exact_mut(side * c).enumerate() {
                let inside = if top + y < h { width } else { 0 };
                if inside > 0 {
                    let start = ((top + y) * w + left) * c;
                    let x = &x[start..start + inside];
                    rows::layer_norm_block(isa, x, weight, bias, *eps, &mut row[..inside]);
                }
                row[inside..].fill(0.0);
            }
        }
    }

    /// Queries, keys and values of all windows, for whoever looks at them.
    fn tap_windows(&self, run: &mut Run, x: &[f32], windows: Windows, pool: bool, index: usize) {
        let (c_in, c, count) = (self.norm1.weight.len(), self.proj.bias.len(), windows.count());
        let nk = windows.side * windows.side;
        let mut gathered = run.take(count * nk * c_in);
        let mut qkv = run.take(count * nk * 3 * c);
        self.gather(run.isa, x, windows, 0, &mut gathered);
        self.qkv.forward(run.isa, &gathered, count * nk, &mut qkv);
        let name = |part: &str| format!("image_encoder.trunk.blocks.{index}.attn.{part}");
        run.tap.tap(|| name("qkv"), &[count, nk, 3 * c], &qkv);
        if pool {
            let mut pooled = run.take(count * nk / 4 * c);
            pool_queries(&qkv, windows.side, c, &mut pooled);
            run.tap.tap(|| name("q_pooled"), &[count, nk / 4, c], &pooled);
            run.give(pooled);
        }
        run.give(gathered);
        run.give(qkv);
    }

    /// The shortcut where the channels change: norm, projection and 2×2 maximum, two rows of the map at a time.
    fn pooled_shortcut(&self, run: &mut Run, layer: &Linear, x: &[f32], (h, w): Size) -> Vec<f32> {
        let isa = run.isa;
        let (c_in, c) = (self.norm1.weight.len(), layer.bias.len());
        let mut out = run.take(h / 2 * (w / 2) * c);
        parallel::for_each_chunk_mut(&mut out, w / 2 * c, |y, out| {
            let x = &x[2 * y * w * c_in..][..2 * w * c_in];
            parallel::with_scratch(x.len() + 2 * w * c, |scratch| {
                let (normed, projected) = scratch.split_at_mut(x.len());
                let LayerNorm { weight, bias, eps } = &self.norm1;
                rows::layer_norm_block(isa, x, weight, bias, *eps, normed);
                layer.apply_block(isa, normed, 2 * w, projected, &layer.epilogue());
                image::max_pool_2x2(isa, projected, (2, w), c, out);
            });
        });
        out
    }
}

/// A map cut into square windows, row by row; those at the right and bottom may reach beyond it.
#[derive(Clone, Copy)]
struct Windows {
    size: Size,
    side: usize,
    across: usize,
    down: usize,
}

impl Windows {
    fn new(size: Size, side: usize) -> Self {
        Self { size, side, across: size.1.div_ceil(side), down: size.0.div_ceil(side) }
    }

    /// One window of any shape: the order of its tokens is that of the map.
    fn whole(size: Size) -> Self {
        Self { size, side: size.1, across: 1, down: size.0.div_ceil(size.1) }
    }

    fn count(&self) -> usize {
        self.across * self.down
    }

    /// Top and left of window `i`.
    fn corner(&self, i: usize) -> (usize, usize) {
        (i / self.across * self.side, i % self.across * self.side)
    }

    /// `windows`, `[windows, side·side, C]`, back in their places and added to `map`, `[H, W, C]`.
    fn add(&self, isa: Isa, windows: &[f32], c: usize, map: &mut [f32]) {
        let (side, w) = (self.side, self.size.1);
        parallel::for_each_chunk_mut(map, w * c, |y, row| {
            for (i, part) in row.chunks_mut(side * c).enumerate() {
                let from = ((y / side * self.across + i) * side + y % side) * side * c;
                rows::add_block(isa, part, &windows[from..from + part.len()]);
            }
        });
    }
}

/// The queries in `qkv`, `[windows, w·w, 3C]`, max-pooled 2×2 inside each window: `[windows, w·w/4, C]`.
fn pool_queries(qkv: &[f32], window: usize, c: usize, out: &mut [f32]) {
    let half = window / 2;
    let windows = out.chunks_exact_mut(half * half * c).zip(qkv.chunks_exact(window * window * 3 * c));
    for (out, qkv) in windows {
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
    }
}
