//! Configurations of trunks, one struct per kind.

/// The image encoder's trunk.
///
/// ```
/// use sam2_model::config::{Config, TrunkConfig};
///
/// let config = Config::published("tiny", true).expect("a published model");
/// assert_eq!(config.trunk.width(), 96);
/// if let TrunkConfig::Hiera(hiera) = config.trunk {
///     assert_eq!(hiera.channels(), [96, 192, 384, 768]);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrunkConfig {
    /// SAM 2 and SAM 2.1.
    Hiera(HieraConfig),
    /// EdgeTAM: RepViT-M1, which has no sizes of its own.
    RepVitM1,
    /// EfficientTAM.
    Vit(VitConfig),
}

/// A Hiera trunk. Meta: `sam2/modeling/backbones/hieradet.py`, class `Hiera`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HieraConfig {
    /// Channels of stage 1; every later stage doubles them.
    pub embed_dim: usize,
    /// Heads of stage 1; every later stage doubles them.
    pub num_heads: usize,
    /// Blocks per stage.
    pub stages: [usize; 4],
    /// Blocks that attend over the whole map.
    pub global_att_blocks: Vec<usize>,
    /// Size of the stored background position embedding.
    pub window_pos_embed_bkg_spatial_size: [usize; 2],
    /// Window side per stage.
    pub window_spec: [usize; 4],
}

/// A plain vision transformer. EfficientTAM: `modeling/backbones/vitdet.py`, class `ViT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VitConfig {
    /// Channels.
    pub embed_dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of a block.
    pub num_heads: usize,
    /// Window side.
    pub window_size: usize,
    /// Blocks that attend within windows; the others attend over the whole map.
    pub window_block_indexes: Vec<usize>,
}

impl TrunkConfig {
    /// Channels of the first map: the width by which models are named.
    pub fn width(&self) -> usize {
        match self {
            Self::Hiera(hiera) => hiera.embed_dim,
            Self::RepVitM1 => 48,
            Self::Vit(vit) => vit.embed_dim,
        }
    }

    /// Text of the parts of the trunk that no tensor's shape shows (windows, heads), for a model's
    /// fingerprint. Saved sessions and embeddings hold the fingerprint, so this text must not change.
    pub(crate) fn layout_text(&self) -> String {
        match self {
            Self::Hiera(hiera) => hiera.layout_text(),
            Self::RepVitM1 => "RepVitM1".to_owned(),
            Self::Vit(vit) => vit.layout_text(),
        }
    }

    /// Fails, with Meta's name of the key, if a field is out of its range or does not fit the others.
    pub(super) fn validate(&self, image_size: usize) -> Result<(), (&'static str, String)> {
        match self {
            Self::Hiera(hiera) => hiera.validate(image_size),
            // The squares of the spatial perceiver are whole cells of the grid.
            Self::RepVitM1 if !image_size.is_multiple_of(256) => {
                Err(("image_size", format!("{image_size} is not a multiple of 256")))
            }
            Self::RepVitM1 => Ok(()),
            Self::Vit(vit) => vit.validate(),
        }
    }
}

impl HieraConfig {
    /// Channels of the four maps, finest first.
    pub fn channels(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|stage| self.embed_dim << stage)
    }

    /// The `Debug` text of the first release's struct `TrunkConfig`.
    fn layout_text(&self) -> String {
        format!(
            "TrunkConfig {{ embed_dim: {}, num_heads: {}, stages: {}, global_att_blocks: {}, \
             window_pos_embed_bkg_spatial_size: {}, window_spec: {} }}",
            self.embed_dim,
            self.num_heads,
            list(&self.stages),
            list(&self.global_att_blocks),
            list(&self.window_pos_embed_bkg_spatial_size),
            list(&self.window_spec),
        )
    }

    fn validate(&self, image_size: usize) -> Result<(), (&'static str, String)> {
        in_range(&[
            ("image_encoder.trunk.embed_dim", 8, 2048, &[self.embed_dim]),
            ("image_encoder.trunk.num_heads", 1, 64, &[self.num_heads]),
            ("image_encoder.trunk.stages", 1, 64, &self.stages),
            ("image_encoder.trunk.global_att_blocks", 0, 1023, &self.global_att_blocks),
            (
                "image_encoder.trunk.window_pos_embed_bkg_spatial_size",
                1,
                256,
                &self.window_pos_embed_bkg_spatial_size,
            ),
            ("image_encoder.trunk.window_spec", 1, 64, &self.window_spec),
        ])?;
        heads_fit(self.embed_dim, self.num_heads)?;
        let [first, second, third, _] = self.stages;
        let pooling = [first, first + second, first + second + third];
        if let Some(block) = self.global_att_blocks.iter().find(|block| pooling.contains(block)) {
            let reason = format!("block {block} pools its queries and cannot be global");
            return Err(("image_encoder.trunk.global_att_blocks", reason));
        }
        let (patches, window) = (image_size / 4, self.window_spec[0]);
        if !patches.is_multiple_of(window) {
            let reason = format!("{window} does not divide the patch grid of {patches}");
            return Err(("image_encoder.trunk.window_spec", reason));
        }
        if let Some(odd) = self.window_spec[..3].iter().find(|window| **window % 2 != 0) {
            let reason = format!("{odd} is odd, so its queries cannot be pooled");
            return Err(("image_encoder.trunk.window_spec", reason));
        }
        Ok(())
    }
}

impl VitConfig {
    fn layout_text(&self) -> String {
        format!(
            "VitConfig {{ num_heads: {}, window_size: {}, window_block_indexes: {} }}",
            self.num_heads,
            self.window_size,
            list(&self.window_block_indexes),
        )
    }

    fn validate(&self) -> Result<(), (&'static str, String)> {
        in_range(&[
            ("image_encoder.trunk.embed_dim", 8, 2048, &[self.embed_dim]),
            ("image_encoder.trunk.depth", 1, 64, &[self.depth]),
            ("image_encoder.trunk.num_heads", 1, 64, &[self.num_heads]),
            ("image_encoder.trunk.window_size", 1, 64, &[self.window_size]),
            (
                "image_encoder.trunk.window_block_indexes",
                0,
                self.depth.max(1) - 1,
                &self.window_block_indexes,
            ),
        ])?;
        // The reference's trunk returns the map after its last global block.
        if self.window_block_indexes.contains(&(self.depth - 1)) {
            let reason = format!("the last block, {}, must be global", self.depth - 1);
            return Err(("image_encoder.trunk.window_block_indexes", reason));
        }
        heads_fit(self.embed_dim, self.num_heads)
    }
}

fn list(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("[{}]", numbers.join(", "))
}

/// Fails if heads of a transformer do not divide its width, or are wider than the kernels allow.
fn heads_fit(width: usize, heads: usize) -> Result<(), (&'static str, String)> {
    if width.is_multiple_of(heads) && width / heads <= kernels::gemm::KC {
        return Ok(());
    }
    Err(("image_encoder.trunk.num_heads", format!("{heads} heads do not fit a width of {width}")))
}

/// Fails for the first of `(key, least, most, values)` with a value outside `least ..= most`.
pub(super) fn in_range(
    limits: &[(&'static str, usize, usize, &[usize])],
) -> Result<(), (&'static str, String)> {
    for (key, least, most, values) in limits {
        if let Some(value) = values.iter().find(|value| !(least..=most).contains(value)) {
            return Err((key, format!("is {value}, expected a number in {least} ..= {most}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_text_is_that_of_the_first_release() {
        let tiny = HieraConfig {
            embed_dim: 96,
            num_heads: 1,
            stages: [1, 2, 7, 2],
            global_att_blocks: vec![5, 7, 9],
            window_pos_embed_bkg_spatial_size: [7, 7],
            window_spec: [8, 4, 14, 7],
        };
        assert_eq!(
            TrunkConfig::Hiera(tiny).layout_text(),
            "TrunkConfig { embed_dim: 96, num_heads: 1, stages: [1, 2, 7, 2], global_att_blocks: [5, 7, 9], \
             window_pos_embed_bkg_spatial_size: [7, 7], window_spec: [8, 4, 14, 7] }"
        );
    }
}
