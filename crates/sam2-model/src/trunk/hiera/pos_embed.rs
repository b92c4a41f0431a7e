//! Absolute position embedding of the trunk: a small background, interpolated, plus a tiled window.
//!
//! Meta: `sam2/modeling/backbones/hieradet.py`, `Hiera._get_pos_embed`.

use kernels::image::BicubicRows;
use kernels::{Isa, parallel, rows};

use crate::config::HieraConfig;
use crate::error::LoadError;
use crate::weights::Loader;
use tensor::relayout;

/// `[side, side, E]`, with `side` the size of the patch grid. Rows are computed when they are added, in the
/// cache; the whole embedding would take 25 MB.
#[derive(Clone, Debug)]
pub(crate) struct PosEmbed {
    background: BicubicRows,
    /// `[window, side, E]`: the rows of the tiles.
    tiles: Vec<f32>,
    side: usize,
    channels: usize,
}

impl PosEmbed {
    pub fn load(loader: &Loader, trunk: &HieraConfig, image_size: usize) -> Result<Self, LoadError> {
        let c = trunk.embed_dim;
        let side = image_size / 4;
        let [h, w] = trunk.window_pos_embed_bkg_spatial_size;
        let window = trunk.window_spec[0];
        let background = relayout::chw_to_hwc(&loader.tensor("pos_embed", &[1, c, h, w])?, c, h, w);
        let tile = loader.tensor("pos_embed_window", &[1, c, window, window])?;
        let tile = relayout::chw_to_hwc(&tile, c, window, window);
        let row = |row: &[f32]| row.iter().copied().cycle().take(side * c).collect::<Vec<f32>>();
        Ok(Self {
            background: BicubicRows::new(loader.isa(), &background, (h, w), c, (side, side)),
            tiles: tile.chunks_exact(window * c).flat_map(row).collect(),
            side,
            channels: c,
        })
    }

    /// Adds the embedding to `x`, `[side, side, E]`.
    pub fn add(&self, isa: Isa, x: &mut [f32]) {
        let len = self.side * self.channels;
        parallel::for_each_chunk_mut(x, len, |y, x| {
            parallel::with_scratch(len, |row| {
                self.background.row(isa, y, row);
                rows::add_block(isa, row, &self.tiles[y * len % self.tiles.len()..][..len]);
                rows::add_block(isa, x, row);
            });
        });
    }

    /// The whole embedding, for the tap.
    pub fn whole(&self, isa: Isa) -> Vec<f32> {
        let mut all = vec![0.0; self.side * self.side * self.channels];
        self.add(isa, &mut all);
        all
    }
}
