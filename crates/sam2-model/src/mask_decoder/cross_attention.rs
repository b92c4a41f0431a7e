//! Attention between a few tokens and the whole image; the image is never projected. Meta:
//! `sam2/modeling/sam/transformer.py`, class `Attention`.
//!
//! T tokens · h heads · D channels · c channels inside · N positions.
//!
//! A score is `(Wq x + bq) · (Wk y + bk)`, per head. The image-side projection is applied to the tokens
//! instead: `T · h` rows of D are multiplied with the unprojected image, instead of projecting N positions.
//! Likewise values are averaged first and projected afterwards. This is less work for up to about 16 tokens.

use kernels::attention::SCORE_SCALE;
use kernels::gemm::{Epilogue, PackedB, gemm, gemm_block};
use kernels::{Isa, attention, parallel, rows};

use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear};
use crate::weights::Loader;
use crate::workspace::Run;

/// Rows of the image per block; fixed, because it determines the order of summation.
const BLOCK: usize = 256;

/// The channels of a head.
fn channels(head: usize, c: usize, heads: usize) -> std::ops::Range<usize> {
    head * c / heads..(head + 1) * c / heads
}

/// Expands `x`, `(T, c)`, to `(rows, c)`: row `t · h + head` holds the channels of its head, zeros elsewhere.
fn spread(x: &[f32], c: usize, heads: usize, rows: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * c];
    for (i, row) in out.chunks_exact_mut(c).take(x.len() / c * heads).enumerate() {
        let channels = channels(i % heads, c, heads);
        row[channels.clone()].copy_from_slice(&x[i / heads * c..][channels]);
    }
    out
}

/// A weight `(c, D)` as the right operand of a product with rows of c, times `scale`.
fn absorbed(isa: Isa, weight: &[f32], c: usize, d: usize, scale: f32) -> PackedB {
    let scaled: Vec<f32> = weight.iter().map(|w| w * scale).collect();
    PackedB::from_kn(isa, &scaled, c, d)
}

fn product(isa: Isa, a: &[f32], b: &PackedB) -> Vec<f32> {
    let m = a.len() / b.k();
    let mut out = vec![0.0; m * b.n()];
    gemm(isa, a, m, b, &mut out, &Epilogue::default());
    out
}

/// Cross-attention of the tokens over the image.
#[derive(Clone, Debug)]
pub(super) struct TokenToImage {
    q_proj: Linear,
    /// `(c, D)`: the key projection without its bias, which a softmax cancels, times the scale.
    keys: PackedB,
    v_proj: Linear,
    out_proj: Linear,
    heads: usize,
}

/// Token queries projected into image space: `(T · h, D)`, padded to the vector width.
pub(super) struct ImageQueries(PackedB);

/// `T · h`, padded to the vector width.
fn filled(tokens: usize, heads: usize) -> usize {
    (tokens * heads).next_multiple_of(attention::QUERY_STEP)
}

impl TokenToImage {
    pub fn load(loader: &Loader, d: usize, c: usize, heads: usize) -> Result<Self, LoadError> {
        let (weight, _) = loader.at("k_proj").linear(c, d)?;
        let scale = SCORE_SCALE / ((c / heads) as f32).sqrt();
        Ok(Self {
            q_proj: Linear::load(&loader.at("q_proj"), c, d)?,
            keys: absorbed(loader.isa(), &weight, c, d, scale),
            v_proj: Linear::load(&loader.at("v_proj"), c, d)?,
            out_proj: Linear::load(&loader.at("out_proj"), d, c)?,
            heads,
        })
    }

    /// Projects the queries of `q`, `(T, D)`, into image space.
    pub fn queries(&self, isa: Isa, q: &[f32]) -> ImageQueries {
        let (c, d) = (self.keys.k(), self.keys.n());
        let q = self.q_proj.rows(isa, q, Default::default());
        let rows = filled(q.len() / c, self.heads);
        let rows_of_image = product(isa, &spread(&q, c, self.heads, rows), &self.keys);
        ImageQueries(PackedB::from_nk(isa, &rows_of_image, rows, d))
    }

    /// Projects the attended image rows to the output and adds `residual`, `(T, D)`.
    pub fn project_out(&self, isa: Isa, attended: &[f32], residual: &[f32]) -> Vec<f32> {
        let (c, d) = (self.keys.k(), self.keys.n());
        let t = residual.len() / d;
        let values = self.v_proj.rows(isa, &attended[..self.heads * t * d], Default::default());
        let mut mixed = vec![0.0; t * c];
        for (i, row) in values.chunks_exact(c).enumerate() {
            let channels = channels(i % self.heads, c, self.heads);
            mixed[i / self.heads * c..][channels.clone()].copy_from_slice(&row[channels]);
        }
        let mut out = vec![0.0; residual.len()];
        self.out_proj.forward_add(isa, &mixed, t, residual, &mut out);
        out
    }
}

/// Cross-attention of the image over the tokens.
#[derive(Clone, Debug)]
pub(super) struct ImageToToken {
    /// `(c, D)`: the query projection times the scale.
    queries: PackedB,
    /// `(c)`, times the scale.
    query_bias: Vec<f32>,
    k_proj: Linear,
    v_proj: Linear,
    /// `(c, D)`, and its bias.
    out: PackedB,
    out_bias: Vec<f32>,
    heads: usize,
}

/// One pass over the image: `norm(x + attention(x))`.
pub(super) struct Update<'a> {
    /// `(D, T · h)`, padded to the vector width.
    keys: PackedB,
    /// `(T · h)`; padding gets weight 0.
    key_bias: Vec<f32>,
    /// `(T · h, D)`.
    values: PackedB,
    bias: &'a [f32],
    norm: &'a LayerNorm,
    heads: usize,
}

impl ImageToToken {
    pub fn load(loader: &Loader, d: usize, c: usize, heads: usize) -> Result<Self, LoadError> {
        let scale = SCORE_SCALE / ((c / heads) as f32).sqrt();
        let (weight, mut query_bias) = loader.at("q_proj").linear(c, d)?;
        query_bias.iter_mut().for_each(|x| *x *= scale);
        let (out, out_bias) = loader.at("out_proj").linear(d, c)?;
        Ok(Self {
            queries: absorbed(loader.isa(), &weight, c, d, scale),
            query_bias,
            k_proj: Linear::load(&loader.at("k_proj"), c, d)?,
            v_proj: Linear::load(&loader.at("v_proj"), c, d)?,
            out: PackedB::from_nk(loader.isa(), &out, d, c),
            out_bias,
            heads,
        })
    }

    /// For keys from `k` and values from `v`, both `(T, D)`, followed by `norm`.
    pub fn update<'a>(&'a self, isa: Isa, k: &[f32], v: &[f32], norm: &'a LayerNorm) -> Update<'a> {
        let (c, d) = (self.queries.k(), self.queries.n());
        let tokens = k.len() / d;
        let rows = filled(tokens, self.heads);
        let keys = spread(&self.k_proj.rows(isa, k, Default::default()), c, self.heads, rows);
        let values = spread(&self.v_proj.rows(isa, v, Default::default()), c, self.heads, rows);
        let dot = |key: &[f32]| key.iter().zip(&self.query_bias).map(|(a, b)| a * b).sum();
        let mut key_bias: Vec<f32> = keys.chunks_exact(c).map(dot).collect();
        key_bias[tokens * self.heads..].fill(f32::NEG_INFINITY);
        Update {
            key_bias,
            keys: PackedB::from_nk(isa, &product(isa, &keys, &self.queries), rows, d),
            values: PackedB::from_kn(isa, &product(isa, &values, &self.out), rows, d),
            bias: &self.out_bias,
            norm,
            heads: self.heads,
        }
    }
}

impl Update<'_> {
    /// Updates rows `x` of the image in place; `x_pe` are the same rows plus their position encoding.
    fn apply(&self, isa: Isa, x: &mut [f32], x_pe: &[f32], scores: &mut [f32], out: &mut [f32]) {
        let m = x.len() / self.bias.len();
        gemm_block(isa, x_pe, m, &self.keys, scores, &Epilogue::bias(&self.key_bias));
        rows::softmax2_interleaved_block(isa, scores, self.key_bias.len() / self.heads, self.heads);
        gemm_block(isa, scores, m, &self.values, out, &Epilogue::bias(self.bias).residual(x));
        let LayerNorm { weight, bias, eps } = self.norm;
        rows::layer_norm_block(isa, out, weight, bias, *eps, x);
    }
}

/// Source of the image rows of a pass.
pub(super) enum Source<'a> {
    /// `(N, D)`, plus another map, or one row `[D]` for all positions.
    Sum(&'a [f32], &'a [f32]),
    /// The rows themselves.
    Update(Update<'a>),
}

/// Writes `image`, `(N, D)`, from `source` and attends over it, with its position encoding `pe`, in one pass.
pub(super) fn pass(
    run: &mut Run,
    image: &mut [f32],
    pe: &[f32],
    source: &Source,
    queries: &ImageQueries,
) -> Vec<f32> {
    let isa = run.isa;
    let (d, count) = (queries.0.k(), queries.0.n());
    let columns = match source {
        Source::Sum(..) => 0,
        Source::Update(update) => update.key_bias.len(),
    };
    let n = image.len() / d;
    let share = attention::share_len(count, d);
    let mut shares = run.take(n.div_ceil(BLOCK) * share);
    parallel::for_each_chunk_mut2(image, BLOCK * d, &mut shares, share, |i, x, share| {
        let (at, rows) = (i * BLOCK * d, x.len() / d);
        let pe = &pe[at..at + x.len()];
        parallel::with_scratch(rows * (2 * d + columns.max(count)), |scratch| {
            let (x_pe, scratch) = scratch.split_at_mut(x.len());
            let (out, scores) = scratch.split_at_mut(x.len());
            match source {
                Source::Sum(a, b) => {
                    let b = if b.len() == d { b } else { &b[at..at + x.len()] };
                    rows::sum_block(isa, &a[at..at + x.len()], b, x);
                }
                Source::Update(update) => {
                    rows::sum_block(isa, x, pe, x_pe);
                    update.apply(isa, x, x_pe, &mut scores[..rows * columns], out);
                }
            }
            rows::sum_block(isa, x, pe, x_pe);
            let scores = &mut scores[..rows * count];
            gemm_block(isa, x_pe, rows, &queries.0, scores, &Epilogue::default());
            attention::pool_block(isa, scores, count, x, d, share);
        });
    });
    let attended = attention::merge_shares(isa, &mut shares, count, d);
    run.give(shares);
    attended
}
