//! Spatial perceiver: EdgeTAM reduces a spatial memory to 512 tokens. EdgeTAM: `sam2/modeling/perceiver.py`,
//! class `PerceiverResampler`.
//!
//! N = grid² positions of the memory · m = `mem_dim` channels · L latents of each kind.
//!
//! Two sets of latents pass the same layers: the first ones attend to the whole memory, the second ones, on a
//! grid, each to its own square of it. No linear layer has a bias.

use kernels::attention::{Shape, attention};
use kernels::gemm::{Activation, Rows};
use kernels::{Isa, parallel, rows};

use crate::config::{Config, PERCEIVER_SIDE as SIDE};
use crate::error::LoadError;
use crate::nn::position::sine_2d;
use crate::nn::{FeedForward, LayerNorm, Linear};
use crate::weights::Loader;
use crate::workspace::Run;

const EPS: f32 = 1e-5;
/// Layers.
const DEPTH: usize = 2;
/// Latents of each kind.
const LATENTS: usize = SIDE * SIDE;

#[derive(Clone, Debug)]
pub(crate) struct Perceiver {
    /// `(L, m)`: attend to the whole memory.
    latents: Vec<f32>,
    /// `(L, m)`: attend to their own square.
    latents_2d: Vec<f32>,
    layers: Vec<Layer>,
    norm: LayerNorm,
    /// `(N, m)`: position of the memory, added to keys and values of the first latents.
    position: Vec<f32>,
    grid: usize,
}

#[derive(Clone, Debug)]
struct Layer {
    norm_x: LayerNorm,
    norm_latents: LayerNorm,
    cross: Projections,
    feed_forward: FeedForward,
    norm: LayerNorm,
    own: Projections,
    own_feed_forward: FeedForward,
}

/// The projections of an attention with one head.
#[derive(Clone, Debug)]
struct Projections {
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
}

impl Projections {
    fn load(loader: &Loader, m: usize) -> Result<Self, LoadError> {
        let linear = |name: &str| Linear::load_unbiased(&loader.at(name), m, m);
        Ok(Self { q: linear("to_q")?, k: linear("to_k")?, v: linear("to_v")?, out: linear("to_out")? })
    }

    /// Adds the attention of `batch` problems to `z`: equally many rows of the queries `q` over equally many
    /// of `k` and of `v`.
    fn add(&self, isa: Isa, batch: usize, (q, k, v): (&[f32], &[f32], &[f32]), z: &mut [f32]) {
        let m = self.out.bias.len();
        let (nq, nk) = (q.len() / m / batch, k.len() / m / batch);
        let shape = Shape { batch, heads: 1, nq, nk, d: m, dv: m };
        let mut mixed = vec![0.0; q.len()];
        let scale = 1.0 / (m as f32).sqrt();
        attention(isa, shape, scale, Rows::new(q, m), Rows::new(k, m), Rows::new(v, m), &mut mixed);
        let before = z.to_vec();
        self.out.forward_add(isa, &mixed, z.len() / m, &before, z);
    }
}

fn feed_forward(loader: &Loader, m: usize) -> Result<FeedForward, LoadError> {
    Ok(FeedForward {
        norm: LayerNorm::load(&loader.at(0), m, EPS)?,
        first: Linear::load_unbiased(&loader.at(1), 4 * m, m)?,
        second: Linear::load_unbiased(&loader.at(3), m, 4 * m)?,
        activation: Activation::Gelu,
    })
}

impl Layer {
    fn load(loader: &Loader, m: usize) -> Result<Self, LoadError> {
        let (cross, own) = (loader.at("attn"), loader.at("self_attn"));
        Ok(Self {
            norm_x: LayerNorm::load(&cross.at("norm_x"), m, EPS)?,
            norm_latents: LayerNorm::load(&cross.at("norm_latents"), m, EPS)?,
            cross: Projections::load(&cross, m)?,
            feed_forward: feed_forward(&loader.at("ff"), m)?,
            norm: LayerNorm::load(&own.at("norm"), m, EPS)?,
            own: Projections::load(&own, m)?,
            own_feed_forward: feed_forward(&loader.at("self_ff"), m)?,
        })
    }

    /// The latents `z` of `batch` problems, in place, over the keys `k` and the values `v` of each.
    fn forward(&self, isa: Isa, batch: usize, z: &mut [f32], (k, v): (&[f32], &[f32])) {
        let q = self.cross.q.rows(isa, &self.norm_latents.rows(isa, z), Activation::None);
        self.cross.add(isa, batch, (&q, k, v), z);
        self.feed_forward.forward(isa, z);
        let normed = self.norm.rows(isa, z);
        let project = |layer: &Linear| layer.rows(isa, &normed, Activation::None);
        let (q, k, v) = (project(&self.own.q), project(&self.own.k), project(&self.own.v));
        self.own.add(isa, batch, (&q, &k, &v), z);
        self.own_feed_forward.forward(isa, z);
    }
}

impl Perceiver {
    /// From the section `spatial_perceiver`.
    pub fn load(loader: &Loader, config: &Config) -> Result<Self, LoadError> {
        let (m, grid) = (config.mem_dim, config.grid());
        let layer = |i| Layer::load(&loader.at("layers").at(i), m);
        Ok(Self {
            latents: loader.tensor("latents", &[LATENTS, m])?,
            latents_2d: loader.tensor("latents_2d", &[LATENTS, m])?,
            layers: (0..DEPTH).map(layer).collect::<Result<_, _>>()?,
            norm: LayerNorm::load(&loader.at("norm"), m, EPS)?,
            position: sine_2d(grid, m),
            grid,
        })
    }

    /// `memory`, `[g, g, m]`, to its tokens, `(2L, m)`: the first latents, then those on the grid.
    pub fn forward(&self, run: &mut Run, memory: &[f32]) -> Vec<f32> {
        let (isa, m) = (run.isa, self.norm.weight.len());
        let n = memory.len() / m;
        let (mut whole, mut squares) = (self.latents.clone(), self.latents_2d.clone());
        let mut buffer = run.take(5 * memory.len());
        let (normed, rest) = buffer.split_at_mut(memory.len());
        let (k, rest) = rest.split_at_mut(memory.len());
        let (v, rest) = rest.split_at_mut(memory.len());
        let (k_squares, v_squares) = rest.split_at_mut(memory.len());
        for (i, layer) in self.layers.iter().enumerate() {
            layer.norm_x.forward(isa, memory, normed);
            layer.cross.k.forward(isa, normed, n, k);
            layer.cross.v.forward(isa, normed, n, v);
            self.squares(k, k_squares);
            self.squares(v, v_squares);
            rows::add(isa, k, &self.position);
            rows::add(isa, v, &self.position);
            layer.forward(isa, 1, &mut whole, (k, v));
            layer.forward(isa, LATENTS, &mut squares, (k_squares, v_squares));
            let name = |part: &'static str| move || format!("spatial_perceiver.layers.{i}.{part}");
            run.tap.tap(name("latents"), &[LATENTS, m], &whole);
            run.tap.tap(name("latents_2d"), &[LATENTS, m], &squares);
        }
        run.give(buffer);
        let mut out = vec![0.0; 2 * LATENTS * m];
        let (first, second) = out.split_at_mut(LATENTS * m);
        self.norm.forward(isa, &whole, first);
        self.norm.forward(isa, &squares, second);
        run.tap.tap(|| "spatial_perceiver.out".into(), &[2 * LATENTS, m], &out);
        out
    }

    /// `map`, `[g, g, m]`, square after square.
    fn squares(&self, map: &[f32], out: &mut [f32]) {
        let (m, side) = (self.norm.weight.len(), self.grid / SIDE);
        parallel::for_each_chunk_mut(out, side * side * m, |i, square| {
            for (y, row) in square.chunks_exact_mut(side * m).enumerate() {
                let first = ((i / SIDE * side + y) * self.grid + i % SIDE * side) * m;
                row.copy_from_slice(&map[first..first + side * m]);
            }
        });
    }
}
