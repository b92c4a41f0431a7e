//! The trunk. Meta: `sam2/modeling/backbones/hieradet.py`, class `Hiera`; paper: arXiv 2306.00989.

mod pos_embed;

use kernels::conv::Conv2d;
use kernels::parallel;

use super::block::{Block, Kind};
use super::patch_embed;
use crate::config::HieraConfig;
use crate::error::LoadError;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};
use pos_embed::PosEmbed;

#[derive(Clone, Debug)]
pub(crate) struct Hiera {
    patch_embed: Conv2d,
    pos_embed: PosEmbed,
    pub(crate) blocks: Vec<Block>,
    /// Index of the last block of each stage.
    stage_ends: [usize; 4],
    channels: [usize; 4],
    image_size: usize,
}

impl Hiera {
    pub fn load(loader: &Loader, trunk: &HieraConfig, image_size: usize) -> Result<Self, LoadError> {
        let (weight, bias) = loader.at("patch_embed").at("proj").conv(trunk.embed_dim, 3, 7)?;
        let mut kinds = Vec::new();
        let mut stage_ends = [0; 4];
        for (stage, &depth) in trunk.stages.iter().enumerate() {
            for i in 0..depth {
                let index = kinds.len();
                // The first block of a stage pools its queries and keeps the previous stage's map and window.
                let pools = stage > 0 && i == 0;
                let window = trunk.window_spec[if pools { stage - 1 } else { stage }];
                let kind = match (trunk.global_att_blocks.contains(&index), pools) {
                    (false, true) => Kind::Pooled { window },
                    (false, false) => Kind::Windowed { window },
                    // The configuration allows no global block that pools.
                    (true, _) => Kind::Global,
                };
                let dim = trunk.embed_dim << stage;
                let dim_in = if pools { dim / 2 } else { dim };
                let heads = trunk.num_heads << stage;
                kinds.push((dim_in, dim, heads, kind));
            }
            stage_ends[stage] = kinds.len() - 1;
        }
        let blocks = parallel::map(kinds.len(), |index| {
            let (dim_in, dim, heads, kind) = kinds[index];
            Block::load(&loader.at("blocks").at(index), dim_in, dim, heads, kind)
        });
        Ok(Self {
            patch_embed: Conv2d::new(loader.isa(), &weight, &bias, 3, 7, 4, 3),
            pos_embed: PosEmbed::load(loader, trunk, image_size)?,
            blocks: blocks.into_iter().collect::<Result<_, _>>()?,
            stage_ends,
            channels: trunk.channels(),
            image_size,
        })
    }

    /// Channels of the map after each stage.
    pub fn channels(&self) -> [usize; 4] {
        self.channels
    }

    /// Runs the trunk on `image`, `[S, S, 3]`, and returns that buffer to the workspace; calls
    /// `at_stage(run, stage, map, (h, w))` after the last block of each stage.
    pub fn forward(
        &self,
        run: &mut Run,
        image: Buffer,
        mut emit: impl FnMut(&mut Run, usize, &[f32], (usize, usize)),
    ) {
        let (mut x, mut size) = patch_embed::forward(run, &self.patch_embed, image, self.image_size);
        if run.tap.enabled() {
            let whole = self.pos_embed.whole(run.isa);
            run.tap.tap(
                || "image_encoder.trunk.pos_embed".into(),
                &[size.0, size.1, self.channels[0]],
                &whole,
            );
        }
        self.pos_embed.add(run.isa, &mut x);
        let mut stage = 0;
        for (i, block) in self.blocks.iter().enumerate() {
            (x, size) = block.forward(run, x, size, i);
            if i == self.stage_ends[stage] {
                emit(run, stage, &x, size);
                stage += 1;
            }
        }
        run.give(x);
    }
}
