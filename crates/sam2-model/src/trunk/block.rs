//! One transformer block of a trunk. Meta: `sam2/modeling/backbones/hieradet.py`, classes
//! `MultiScaleBlock` and `MultiScaleAttention`; without pooling it is also the block of ViTDet (EfficientTAM:
//! `vitdet.py`, class `Block`).
//!
//! H, W map · w window side · C channels · N = H·W tokens.
//!
//! Windows are gathered after the first norm. The reference zero-pads those at the bottom and right to whole
//! windows: the query, key and value of a padded token are the biases of `qkv`, and its key and value take
//! part in the softmax of its window. Here one padded token stands for all of a window's, weighted by their
//! number.

use std::ops::Range;

use kernels::attention::{self, Shape, attention_block};
use kernels::gemm::{Activation, Rows};
use kernels::{Isa, image, parallel, rows};

use super::windows::{Size, Windows};
use crate::error::LoadError;
use crate::nn::{FeedForward, LayerNorm, Linear};
use crate::precision::Precision;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

const EPS: f32 = 1e-6;
/// Tokens of the windows processed together: their queries, keys and values fit in L2.
const TASK: usize = 512;
/// Upper bound on buffered attention output, in floats, if there are enough windows: the map of stage 1 is 25
/// MB.
const BAND: usize = 1 << 21;

/// Attention of a block.
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
    /// Projection of the shortcut, where the channels change.
    shortcut: Option<Linear>,
    feed_forward: FeedForward,
    heads: usize,
    kind: Kind,
    /// Precision of the scores of global attention; windowed attention gains little from 8 bits.
    precision: Precision,
}

impl Block {
    pub fn load(
        loader: &Loader,
        dim_in: usize,
        dim: usize,
        heads: usize,
        kind: Kind,
    ) -> Result<Self, LoadError> {
        let attn = loader.at("attn");
        let layers = loader.at("mlp").at("layers");
        Ok(Self {
            norm1: LayerNorm::load(&loader.at("norm1"), dim_in, EPS)?,
            qkv: Linear::load(&attn.at("qkv"), 3 * dim, dim_in)?,
            proj: Linear::load(&attn.at("proj"), dim, dim)?,
            shortcut: (dim_in != dim).then(|| Linear::load(&loader.at("proj"), dim, dim_in)).transpose()?,
            feed_forward: FeedForward {
                norm: LayerNorm::load(&loader.at("norm2"), dim, EPS)?,
                first: Linear::load(&layers.at(0), 4 * dim, dim)?,
                second: Linear::load(&layers.at(1), dim, 4 * dim)?,
                activation: Activation::Gelu,
            },
            heads,
            kind,
            precision: attn.precision(),
        })
    }

    /// `x`, `[H, W, Cin]`, to `[H', W', C]` with its size; `index` names the block on the tap.
    pub fn forward(&self, run: &mut Run, mut x: Buffer, size: Size, index: usize) -> (Buffer, Size) {
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
        // Source of the windows, if it is not the stream itself.
        let mut source = None;
        if let Some(layer) = &self.shortcut {
            let pooled = self.pooled_shortcut(run, layer, &x, size);
            source = Some(std::mem::replace(&mut x, pooled));
        }
        let (out_h, out_w) = if matches!(self.kind, Kind::Pooled { .. }) { (h / 2, w / 2) } else { size };
        run.tap.tap(name(".shortcut"), &[out_h, out_w, c], &x);
        let mut alone = if run.tap.enabled() { vec![0.0; x.len()] } else { Vec::new() };
        match self.kind {
            Kind::Global => {
                let attention = self.attend_globally(run, source.as_deref().unwrap_or(&x), index);
                if run.tap.enabled() {
                    alone.copy_from_slice(&attention);
                }
                rows::add(isa, &mut x, &attention);
                run.give(attention);
            }
            Kind::Windowed { window } | Kind::Pooled { window } => {
                let windows = Windows::new(size, window);
                self.add_windows(run, source.as_deref(), windows, &mut x, &mut alone, index);
            }
        }
        source.into_iter().for_each(|source| run.give(source));
        if run.tap.enabled() {
            run.tap.tap(name(".attn"), &[out_h, out_w, c], &alone);
            self.feed_forward.branch(isa, &x, &mut alone);
            run.tap.tap(name(".mlp"), &[out_h, out_w, c], &alone);
        }
        self.feed_forward.forward(isa, &mut x);
        run.tap.tap(name(""), &[out_h, out_w, c], &x);
        (x, (out_h, out_w))
    }

    /// Adds windowed attention over `source` (or `x`) to the residual stream `x`, one band of windows at a
    /// time. `alone` also gets it, for the tap.
    fn add_windows(
        &self,
        run: &mut Run,
        source: Option<&[f32]>,
        windows: Windows,
        x: &mut [f32],
        alone: &mut [f32],
        index: usize,
    ) {
        let isa = run.isa;
        let (c_in, c) = (self.norm1.weight.len(), self.proj.bias.len());
        let pool = matches!(self.kind, Kind::Pooled { .. });
        if run.tap.enabled() {
            self.tap_windows(run, source.unwrap_or(x), windows, pool, index);
        }
        let after = if pool { windows.halved() } else { windows };
        let bands = (after.count() * after.side * after.side * c).div_ceil(BAND);
        for (from, to) in windows.bands(bands).zip(after.bands(bands)) {
            let seen = &source.unwrap_or(x)[windows.of_rows(&from, c_in)];
            let attention = self.attend_in_windows(run, seen, windows.band(&from), pool);
            let (place, after) = (after.of_rows(&to, c), after.band(&to));
            if run.tap.enabled() {
                after.add(isa, &attention, c, &mut alone[place.clone()]);
            }
            after.add(isa, &attention, c, &mut x[place]);
            run.give(attention);
        }
    }

    fn attend_globally(&self, run: &mut Run, x: &[f32], index: usize) -> Buffer {
        let (isa, c) = (run.isa, self.proj.bias.len());
        let n = x.len() / c;
        let mut qkv = run.take(n * 3 * c);
        let mut normed = run.take(x.len());
        self.norm1.forward(isa, x, &mut normed);
        self.qkv.forward(isa, &normed, n, &mut qkv);
        run.tap.tap(|| format!("image_encoder.trunk.blocks.{index}.attn.qkv"), &[1, n, 3 * c], &qkv);
        let (q, kv) = (Rows::new(&qkv, 3 * c), Rows::new(&qkv, 3 * c));
        let (shape, scale) = self.shape(1, n, n);
        let attend = match self.precision {
            Precision::F32 | Precision::Bf16 => attention::attention,
            Precision::Int8 => attention::int8::attention,
        };
        // Each is read for the last time before the other is written.
        let mut mixed = normed;
        attend(isa, shape, scale, q, kv.columns(c), kv.columns(2 * c), &mut mixed);
        let mut out = qkv;
        out.truncate(n * c);
        self.proj.forward(isa, &mixed, n, &mut out);
        run.give(mixed);
        out
    }

    /// Sizes and scale of `batch` problems of `nq` queries over `nk` keys.
    fn shape(&self, batch: usize, nq: usize, nk: usize) -> (Shape, f32) {
        let d = self.proj.bias.len() / self.heads;
        (Shape { batch, heads: self.heads, nq, nk, d, dv: d }, 1.0 / (d as f32).sqrt())
    }

    /// Attention output in window order, without padded tokens. Each thread processes a few windows at a
    /// time, from norm to projection.
    fn attend_in_windows(&self, run: &mut Run, x: &[f32], windows: Windows, pool: bool) -> Buffer {
        let isa = run.isa;
        let c = self.proj.bias.len();
        let after = if pool { windows.halved() } else { windows };
        let mut out = run.take(after.size.0 * after.size.1 * c);
        let per_task = (TASK / (windows.side * windows.side)).max(1);
        let per_task = parallel::rows_per_task(windows.count(), 1, per_task);
        let mut tasks = Vec::with_capacity(windows.count().div_ceil(per_task));
        let mut rest = &mut out[..];
        for first in (0..windows.count()).step_by(per_task) {
            let range = first..windows.count().min(first + per_task);
            let len = (after.start(range.end) - after.start(range.start)) * c;
            let (part, others) = rest.split_at_mut(len);
            rest = others;
            tasks.push((range, part));
        }
        parallel::for_each_mut(&mut tasks, |_, (range, out)| {
            self.attend_in_some(isa, x, windows, range.clone(), pool, out);
        });
        out
    }

    /// Attention output of some of the windows.
    fn attend_in_some(
        &self,
        isa: Isa,
        x: &[f32],
        windows: Windows,
        range: Range<usize>,
        pool: bool,
        out: &mut [f32],
    ) {
        let (c_in, c) = (self.norm1.weight.len(), self.proj.bias.len());
        let tokens: usize = range.clone().map(|i| windows.keys(i)).sum();
        parallel::with_scratch(tokens * (c_in + 3 * c) + 2 * out.len(), |scratch| {
            let (gathered, scratch) = scratch.split_at_mut(tokens * c_in);
            let (qkv, scratch) = scratch.split_at_mut(tokens * 3 * c);
            let (mixed, pooled) = scratch.split_at_mut(out.len());
            let mut place = &mut gathered[..];
            for i in range.clone() {
                let (window, rest) = place.split_at_mut(windows.keys(i) * c_in);
                self.gather(isa, x, windows, i, windows.inside(i).1, window);
                window[windows.tokens(i) * c_in..].fill(0.0);
                place = rest;
            }
            self.qkv.apply_block(isa, gathered, tokens, qkv, &self.qkv.epilogue());
            let (mut qkv, mut queries, mut part) = (&qkv[..], &mut pooled[..], &mut mixed[..]);
            for i in range {
                let (nq, nk) = (windows.tokens(i) / if pool { 4 } else { 1 }, windows.keys(i));
                let kv = Rows::new(qkv, 3 * c);
                let (pooled, others) = queries.split_at_mut(nq * c);
                let q = if pool {
                    pool_queries(qkv, windows.inside(i), c, pooled);
                    Rows::new(pooled, c)
                } else {
                    kv
                };
                let (out, rest) = part.split_at_mut(nq * c);
                let (shape, scale) = self.shape(1, nq, nk);
                let operands = (q, kv.columns(c), kv.columns(2 * c));
                attention_block(isa, shape, scale, operands, windows.padded(i).max(1), out);
                (qkv, queries, part) = (&qkv[nk * 3 * c..], others, rest);
            }
            self.proj.apply_block(isa, mixed, out.len() / c, out, &self.proj.epilogue());
        });
    }

    /// Normalised tokens of window `i` inside the map, in rows `stride` tokens apart; the gaps are not
    /// written.
    fn gather(&self, isa: Isa, x: &[f32], windows: Windows, i: usize, stride: usize, out: &mut [f32]) {
        let LayerNorm { weight, bias, eps } = &self.norm1;
        let c = weight.len();
        let ((top, left), (h, w)) = (windows.corner(i), windows.inside(i));
        for (y, row) in out.chunks_exact_mut(stride * c).take(h).enumerate() {
            let start = ((top + y) * windows.size.1 + left) * c;
            rows::layer_norm_block(isa, &x[start..start + w * c], weight, bias, *eps, &mut row[..w * c]);
        }
    }

    /// Queries, keys and values of all windows with their padding, for the tap.
    fn tap_windows(&self, run: &mut Run, x: &[f32], windows: Windows, pool: bool, index: usize) {
        let (c_in, c, count, side) =
            (self.norm1.weight.len(), self.proj.bias.len(), windows.count(), windows.side);
        let nk = side * side;
        let mut gathered = run.take(count * nk * c_in);
        gathered.fill(0.0);
        for (i, out) in gathered.chunks_exact_mut(nk * c_in).enumerate() {
            self.gather(run.isa, x, windows, i, side, out);
        }
        let mut qkv = run.take(count * nk * 3 * c);
        self.qkv.forward(run.isa, &gathered, count * nk, &mut qkv);
        let name = |part: &str| format!("image_encoder.trunk.blocks.{index}.attn.{part}");
        run.tap.tap(|| name("qkv"), &[count, nk, 3 * c], &qkv);
        if pool {
            let mut pooled = run.take(count * nk / 4 * c);
            let windows = pooled.chunks_exact_mut(nk / 4 * c).zip(qkv.chunks_exact(nk * 3 * c));
            windows.for_each(|(pooled, qkv)| pool_queries(qkv, (side, side), c, pooled));
            run.tap.tap(|| name("q_pooled"), &[count, nk / 4, c], &pooled);
            run.give(pooled);
        }
        run.give(gathered);
        run.give(qkv);
    }

    /// The shortcut where the channels change: norm, projection and 2×2 maximum, two rows of the map at a
    /// time.
    fn pooled_shortcut(&self, run: &mut Run, layer: &Linear, x: &[f32], (h, w): Size) -> Buffer {
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

/// The queries in `qkv`, `[H·W, 3C]` of one window, max-pooled 2×2.
fn pool_queries(qkv: &[f32], (h, w): Size, c: usize, out: &mut [f32]) {
    for (j, out) in out.chunks_exact_mut(c).take(h / 2 * (w / 2)).enumerate() {
        let at = |dy: usize, dx: usize| {
            let token = (j / (w / 2) * 2 + dy) * w + j % (w / 2) * 2 + dx;
            &qkv[token * 3 * c..][..c]
        };
        let (a, b, d, e) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
        for (x, out) in out.iter_mut().enumerate() {
            *out = a[x].max(b[x]).max(d[x].max(e[x]));
        }
    }
}
