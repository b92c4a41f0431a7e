//! A plain vision transformer with windows: the trunk of EfficientTAM.
//!
//! EfficientTAM: `efficient_track_anything/modeling/backbones/vitdet.py`, class `ViT`; paper: arXiv
//! 2203.16527.
//!
//! ```text
//! [S, S, 3] → patches of 16×16 → [S/16, S/16, C] + position → blocks → [S/16, S/16, C]
//! ```
//!
//! There is no norm after the last block.

use kernels::conv::Conv2d;
use kernels::image::BicubicRows;
use kernels::{Isa, parallel, rows};

use super::block::{Block, Kind};
use super::patch_embed;
use crate::config::VitConfig;
use crate::error::LoadError;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

/// Side of a patch, pixels.
const PATCH: usize = 16;
/// Side of the stored position embedding: the model was pretrained on 224×224 pixels.
const STORED: usize = 14;

#[derive(Clone, Debug)]
pub(crate) struct Vit {
    patch_embed: Conv2d,
    /// The position embedding, interpolated row by row when it is added.
    pos_embed: BicubicRows,
    pub(crate) blocks: Vec<Block>,
    image_size: usize,
}

impl Vit {
    pub fn load(loader: &Loader, trunk: &VitConfig, image_size: usize) -> Result<Self, LoadError> {
        let (c, side) = (trunk.embed_dim, image_size / PATCH);
        let (weight, bias) = loader.at("patch_embed").at("proj").conv(c, 3, PATCH)?;
        // The first row is that of the class token, which only the pretraining had.
        let table = loader.tensor("pos_embed", &[1, 1 + STORED * STORED, c])?;
        let blocks = parallel::map(trunk.depth, |index| {
            let windowed = trunk.window_block_indexes.contains(&index);
            let kind = if windowed { Kind::Windowed { window: trunk.window_size } } else { Kind::Global };
            Block::load(&loader.at("blocks").at(index), c, c, trunk.num_heads, kind)
        });
        Ok(Self {
            patch_embed: Conv2d::new(loader.isa(), &weight, &bias, 3, PATCH, PATCH, 0),
            pos_embed: BicubicRows::new(loader.isa(), &table[c..], (STORED, STORED), c, (side, side)),
            blocks: blocks.into_iter().collect::<Result<_, _>>()?,
            image_size,
        })
    }

    /// Channels of its map.
    pub fn channels(&self) -> usize {
        self.patch_embed.out_channels()
    }

    /// Adds the position embedding to `x`, `[side, side, C]`.
    fn add_position(&self, isa: Isa, x: &mut [f32]) {
        let len = self.image_size / PATCH * self.channels();
        parallel::for_each_chunk_mut(x, len, |y, x| {
            parallel::with_scratch(len, |row| {
                self.pos_embed.row(isa, y, row);
                rows::add_block(isa, x, row);
            });
        });
    }

    /// Runs the trunk on `image`, `[S, S, 3]`, and returns that buffer to the workspace; calls
    /// `emit(run, 0, map, (h, w))` once, at the end.
    pub fn forward(
        &self,
        run: &mut Run,
        image: Buffer,
        mut emit: impl FnMut(&mut Run, usize, &[f32], (usize, usize)),
    ) {
        let (mut x, mut size) = patch_embed::forward(run, &self.patch_embed, image, self.image_size);
        if run.tap.enabled() {
            let mut whole = vec![0.0; x.len()];
            self.add_position(run.isa, &mut whole);
            run.tap.tap(
                || "image_encoder.trunk.pos_embed".into(),
                &[size.0, size.1, self.channels()],
                &whole,
            );
        }
        self.add_position(run.isa, &mut x);
        for (i, block) in self.blocks.iter().enumerate() {
            (x, size) = block.forward(run, x, size, i);
        }
        emit(run, 0, &x, size);
        run.give(x);
    }
}
