//! What differs between the published models, and between them and a custom one.
//!
//! Constants that are the same in all of Meta's configurations are not here but where they are used; a custom
//! configuration that sets one of them to something else, or has keys that Meta's has not, is refused by
//! name.

mod check;
mod reader;
mod samurai;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::Value;

use crate::error::LoadError;
use crate::weights::{CONFIG_KEY, Checkpoint};
use reader::Reader;
pub use samurai::SamuraiConfig;

/// Longer texts are not configurations.
const LONGEST: u64 = 1 << 20;

/// The image encoder's trunk. Meta: `sam2/modeling/backbones/hieradet.py`, class `Hiera`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkConfig {
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

/// One model. Field names are those of Meta's YAML files.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Side of the square that images are resized to, pixels.
    pub image_size: usize,
    /// Image encoder.
    pub trunk: TrunkConfig,
    /// Width of everything after the trunk.
    pub d_model: usize,
    /// Width of a spatial memory.
    pub mem_dim: usize,
    /// Layers of the memory attention.
    pub memory_attention_layers: usize,
    /// Hidden width of the memory attention's MLPs.
    pub dim_feedforward: usize,
    /// Spatial memories per object, the conditioning one included.
    pub num_maskmem: usize,
    /// Object pointers per object at most.
    pub max_obj_ptrs_in_encoder: usize,
    /// How many prompted frames a frame looks at, at most (2 or more): the closest ones. `None`, Meta's −1,
    /// is all.
    pub max_cond_frames_in_attn: Option<usize>,
    /// Distance in frames between the recent memories that a frame looks at, the last one aside; 1 or more.
    pub memory_temporal_stride_for_eval: usize,
    /// Object pointers of prompted frames are only looked at from later frames (of earlier ones in reverse).
    pub only_obj_ptrs_in_the_past_for_eval: bool,
    /// 2.1: an embedding is added to the memories of frames where the object is absent.
    pub no_obj_embed_spatial: bool,
    /// 2.1: object pointers carry their distance in time, projected.
    pub proj_tpos_enc_in_obj_ptrs: bool,
    /// Constants of the SAMURAI memory policy.
    pub samurai: SamuraiConfig,
    /// Name of the variant, such as `SAM 2.1 tiny`.
    pub variant: String,
}

/// Ratio of the input to the feature map that memory and decoder work on.
pub(crate) const BACKBONE_STRIDE: usize = 16;

impl Config {
    /// Side of the feature map that memory and decoder work on.
    pub fn grid(&self) -> usize {
        self.image_size / BACKBONE_STRIDE
    }

    /// Side of the decoder's mask logits.
    pub fn low_res_size(&self) -> usize {
        4 * self.grid()
    }

    /// A published model by name and version.
    ///
    /// `size` is one of `tiny`, `small`, `base_plus`, `large`.
    pub fn published(size: &str, v21: bool) -> Option<Self> {
        let trunk = |embed_dim, num_heads, stages, global: [usize; 3], bkg, window_spec| TrunkConfig {
            embed_dim,
            num_heads,
            stages,
            global_att_blocks: global.to_vec(),
            window_pos_embed_bkg_spatial_size: [bkg, bkg],
            window_spec,
        };
        let trunk = match size {
            "tiny" => trunk(96, 1, [1, 2, 7, 2], [5, 7, 9], 7, [8, 4, 14, 7]),
            "small" => trunk(96, 1, [1, 2, 11, 2], [7, 10, 13], 7, [8, 4, 14, 7]),
            "base_plus" => trunk(112, 2, [2, 3, 16, 3], [12, 16, 20], 14, [8, 4, 14, 7]),
            "large" => trunk(144, 2, [2, 6, 36, 4], [23, 33, 43], 7, [8, 4, 16, 8]),
            _ => return None,
        };
        let samurai = SamuraiConfig::published(trunk.embed_dim);
        Some(Self {
            image_size: 1024,
            trunk,
            d_model: 256,
            mem_dim: 64,
            memory_attention_layers: 4,
            dim_feedforward: 2048,
            num_maskmem: 7,
            max_obj_ptrs_in_encoder: 16,
            max_cond_frames_in_attn: None,
            memory_temporal_stride_for_eval: 1,
            only_obj_ptrs_in_the_past_for_eval: true,
            no_obj_embed_spatial: v21,
            proj_tpos_enc_in_obj_ptrs: v21,
            samurai,
            variant: format!("SAM {} {}", if v21 { "2.1" } else { "2" }, size.replace('_', "-")),
        })
    }

    /// From the checkpoint: its `sam2.config` metadata if there is one, else the published model whose
    /// trunk has the same width and depth. Version 2.1 is the one with `no_obj_embed_spatial`.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        if let Some(text) = checkpoint.metadata(CONFIG_KEY) {
            return Self::from_json(text, &checkpoint.origin);
        }
        let unknown = |reason: &str| LoadError::UnknownModel {
            origin: checkpoint.origin.clone(),
            reason: reason.to_owned(),
        };
        let width = checkpoint.identify()?;
        let depth = checkpoint
            .names()
            .filter(|n| n.starts_with("image_encoder.trunk.blocks.") && n.ends_with(".norm1.weight"))
            .count();
        let v21 = checkpoint.shape("no_obj_embed_spatial").is_some();
        Self::all_published()
            .filter(|c| c.no_obj_embed_spatial == v21)
            .find(|c| c.trunk.embed_dim == width && c.trunk.stages.iter().sum::<usize>() == depth)
            .ok_or_else(|| {
                unknown(&format!("no published model has a trunk of width {width} and depth {depth}"))
            })
    }

    /// From a file: one of Meta's YAML files, or its JSON form; the whole of it or its `model` section.
    ///
    /// # Errors
    /// If the file cannot be read, or as [`Self::from_json`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let io = |source| LoadError::Io { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(io)?.len() > LONGEST {
            return Err(io(std::io::Error::other("too long for a configuration; is it the checkpoint?")));
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        Self::from_yaml(&text, &path.display().to_string())
    }

    /// From the text of one of Meta's YAML files, the whole of it or its `model` section. JSON is YAML too.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_yaml(text: &str, origin: &str) -> Result<Self, LoadError> {
        let root: Value = serde_saphyr::from_str(text).map_err(|e| {
            let text = e.to_string();
            let line = text.lines().next().unwrap_or_default();
            let reason = line.strip_prefix("error: ").unwrap_or(line).to_owned();
            LoadError::ConfigText { origin: origin.to_owned(), reason }
        })?;
        Self::from_value(&root, origin)
    }

    /// From the JSON form of one of Meta's YAML files, the whole of it or its `model` section. A key that is
    /// absent means the default of Meta's class.
    ///
    /// # Errors
    /// If a key has a value of the wrong kind or one that this program does not support, or is not known.
    pub fn from_json(text: &str, origin: &str) -> Result<Self, LoadError> {
        let root: Value = serde_json::from_str(text).map_err(|e| LoadError::Config {
            origin: origin.to_owned(),
            key: "sam2.config".to_owned(),
            reason: e.to_string(),
        })?;
        Self::from_value(&root, origin)
    }

    fn from_value(root: &Value, origin: &str) -> Result<Self, LoadError> {
        let section = root.get("model").unwrap_or(root);
        if !section.is_object() || section.get("image_encoder").is_none() {
            let reason = "it has no section image_encoder, alone or in a section model".to_owned();
            return Err(LoadError::ConfigText { origin: origin.to_owned(), reason });
        }
        let reader = Reader::new(section, origin);
        let mut config = reader.config()?;
        config.check(origin)?;
        if let Some(published) =
            Self::all_published().find(|p| Self { variant: config.variant.clone(), ..p.clone() } == config)
        {
            config.variant = published.variant;
        }
        Ok(config)
    }

    fn all_published() -> impl Iterator<Item = Self> {
        let sizes = ["tiny", "small", "base_plus", "large"];
        sizes
            .into_iter()
            .flat_map(|size| [true, false].into_iter().filter_map(|v21| Self::published(size, v21)))
    }
}
