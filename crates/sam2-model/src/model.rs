//! A loaded model: immutable weights, packed for the kernels.

use std::path::Path;
use std::sync::Arc;

use kernels::conv::Conv2d;
use kernels::{Isa, parallel};

use crate::config::{Config, Family};
use crate::error::LoadError;
use crate::features::Features;
use crate::image_encoder::ImageEncoder;
use crate::mask_decoder::MaskDecoder;
use crate::memory::attention::MemoryAttention;
use crate::memory::encoder::MemoryEncoder;
use crate::memory::perceiver::Perceiver;
use crate::memory::recall::Recall;
use crate::nn::Mlp;
use crate::precision::Precision;
use crate::prompt_encoder::PromptEncoder;
use crate::tap::Tap;
use crate::types::setters;
use crate::weights::{Checkpoint, Loader, WeightCopy, fingerprint, open_files};
use crate::workspace::{Run, Workspace};

/// Contents of a checkpoint.
///
/// ```
/// let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
/// let summary = model.summary();
/// println!("{}: {} parameters in {} tensors", summary.variant, summary.parameters, summary.tensors);
/// assert_eq!(summary.bytes, sam2_micro::CHECKPOINT.len() as u64);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelSummary {
    /// Such as `SAM 2.1 tiny`.
    pub variant: String,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of weights.
    pub parameters: u64,
    /// Storage types and how many tensors have each, such as `F32 471`.
    pub dtypes: String,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// The key and prefix under which the tensors are in the file, such as `model` in Meta's; empty if there
    /// is none.
    pub weights_under: String,
    /// Keys and prefixes of other copies of the weights, such as `ema`, which were not read.
    pub weights_beside: Vec<String>,
}

/// Choices when a checkpoint is loaded. The default is the published model in single precision.
///
/// ```
/// use sam2_model::models::{ModelOptions, Precision};
///
/// let options = ModelOptions::default().precision(Precision::Int8).image_size(512);
/// assert_eq!(options.image_size, Some(512));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ModelOptions {
    /// Another configuration than that of the file or of the published models; see [`Config::open`].
    pub config: Option<Config>,
    /// Precision of the linear layers.
    pub precision: Precision,
    /// Side to which images are resized, pixels, in place of the configuration's: a multiple of 64. Smaller
    /// is faster and less accurate.
    pub image_size: Option<usize>,
    /// Which copy of the weights is read, if the checkpoint holds several.
    pub weights: WeightCopy,
    /// Instruction set of the kernels, in place of the best one of this processor: for tests of the others.
    #[doc(hidden)]
    pub isa: Option<Isa>,
    /// Asked before weights are read whether the bytes that they will take are there; the text of an error
    /// says what is missing.
    #[doc(hidden)]
    pub admit: Option<fn(u64) -> Result<(), String>>,
}

setters! {
    ModelOptions {
        config: impl Into<Option<Config>>,
        precision: Precision,
        image_size: impl Into<Option<usize>>,
        weights: WeightCopy,
    }
}

impl ModelOptions {
    /// Sets `admit`.
    #[doc(hidden)]
    #[must_use]
    pub fn admit(mut self, admit: fn(u64) -> Result<(), String>) -> Self {
        self.admit = Some(admit);
        self
    }

    /// Sets `isa`.
    #[doc(hidden)]
    #[must_use]
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }
}

/// A SAM 2 or SAM 2.1 model. Immutable; predictors share it.
///
/// ```
/// use sam2_model::models::Precision;
///
/// let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
/// assert_eq!((model.config().image_size, model.low_res_size()), (256, 64));
/// assert_eq!(model.precision(), Precision::F32);
/// assert_eq!(model.fingerprint(), sam2_micro::model().fingerprint());
/// ```
pub struct Model {
    pub(crate) isa: Isa,
    pub(crate) config: Config,
    precision: Precision,
    summary: ModelSummary,
    fingerprint: u64,
    pub(crate) image_encoder: ImageEncoder,
    pub(crate) prompt_encoder: PromptEncoder,
    pub(crate) mask_decoder: MaskDecoder,
    pub(crate) memory_attention: MemoryAttention,
    pub(crate) memory_encoder: MemoryEncoder,
    /// EdgeTAM: reduces a spatial memory to a few tokens.
    pub(crate) perceiver: Option<Perceiver>,
    /// Learned 4×4/4 convolution of a 0/1 mask prompt.
    pub(crate) mask_downsample: Conv2d,
    /// `[D]`: added to the features of a frame that attends to no memory.
    pub(crate) no_mem_embed: Vec<f32>,
    pub(crate) no_obj_ptr: Vec<f32>,
    /// 2.1: `[mem_dim]`, added to the memory of a frame where the object is absent.
    pub(crate) no_obj_embed_spatial: Option<Vec<f32>>,
    pub(crate) obj_ptr_proj: Mlp,
    pub(crate) recall: Recall,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the weights.
        f.debug_struct("Model").field("summary", &self.summary).finish_non_exhaustive()
    }
}

impl Model {
    /// Opens a checkpoint: a `.pt` of `torch.save` in any of its formats, or a safetensors file, in Meta's or
    /// in the Hugging Face library's naming; contents tell them apart. `path` may also be an `.index.json` of
    /// parts, or a folder with `model.safetensors`. Weights may be F64 (which are rounded), F32, F16 or BF16.
    /// The file is not kept open. Nothing in a `.pt` is executed.
    ///
    /// The tensors may be the whole of the file or under a key (`model`, `state_dict`, …), and their names
    /// may have a prefix (`module.`, `model.`, …). Of several copies the one that is not averaged over the
    /// training is read, see [`ModelSummary::weights_beside`] and [`ModelOptions::weights`].
    ///
    /// ```no_run
    /// let model = sam2_model::Model::open("sam2.1_hiera_tiny.pt")?;
    /// println!("{}", model.summary().variant);
    /// # Ok::<(), sam2_model::error::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or does not hold exactly the tensors of a SAM 2 or 2.1 model.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Self>, LoadError> {
        Self::open_with(path, &ModelOptions::default())
    }

    /// As [`Model::open`], with another configuration, precision or image size.
    ///
    /// ```no_run
    /// use sam2_model::Model;
    /// use sam2_model::models::{ModelOptions, Precision};
    ///
    /// let options = ModelOptions::default().precision(Precision::Int8);
    /// let model = Model::open_with("sam2.1_hiera_tiny.pt", &options)?;
    /// # Ok::<(), sam2_model::error::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::open`], and if there is no model of this configuration.
    pub fn open_with(path: impl AsRef<Path>, options: &ModelOptions) -> Result<Arc<Self>, LoadError> {
        let path = path.as_ref();
        let files = open_files(path)?;
        let origin = path.display().to_string();
        Self::load(Checkpoint::of_files(&files, &origin, options.weights)?, options)
    }

    /// As [`Model::open`], from memory; `origin` names the source in errors.
    ///
    /// ```
    /// # use sam2_model::Model;
    /// let model = Model::from_bytes(sam2_micro::CHECKPOINT, sam2_micro::NAME)?;
    /// assert_eq!(model.config().image_size, 256);
    /// # Ok::<(), sam2_model::error::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Arc<Self>, LoadError> {
        Self::from_bytes_with(bytes, origin, &ModelOptions::default())
    }

    /// As [`Model::open_with`], from memory; `origin` names the source in errors.
    ///
    /// ```
    /// # use sam2_model::{Model, ModelOptions};
    /// let small = ModelOptions::default().image_size(128);
    /// let model = Model::from_bytes_with(sam2_micro::CHECKPOINT, sam2_micro::NAME, &small)?;
    /// assert_eq!(model.config().image_size, 128);
    /// # Ok::<(), sam2_model::error::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::open_with`].
    pub fn from_bytes_with(
        bytes: &[u8],
        origin: &str,
        options: &ModelOptions,
    ) -> Result<Arc<Self>, LoadError> {
        Self::load(Checkpoint::parse(bytes, origin, options.weights)?, options)
    }

    fn load(mut checkpoint: Checkpoint, options: &ModelOptions) -> Result<Arc<Self>, LoadError> {
        let isa = options.isa.unwrap_or_else(Isa::best);
        let mut config = match &options.config {
            Some(config) => config.clone(),
            None => checkpoint.config()?,
        };
        if let Some(size) = options.image_size {
            config.image_size = size;
        }
        config.check(&checkpoint.origin)?;
        checkpoint.variant.clone_from(&config.variant);
        let (tensors, parameters, types) = checkpoint.totals();
        if let Some(admit) = options.admit {
            let is_single = types.iter().any(|(name, _)| !matches!(name.as_str(), "F16" | "BF16"));
            let bytes = match options.precision {
                Precision::F32 if is_single => 4 * parameters,
                _ => 2 * parameters,
            };
            admit(bytes + bytes / 8).map_err(LoadError::Memory)?;
        }
        let dtypes: Vec<String> = types.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let variant = config.variant.clone();
        let summary = ModelSummary {
            variant,
            tensors,
            parameters,
            dtypes: dtypes.join(", "),
            bytes: checkpoint.size,
            weights_under: checkpoint.under.clone(),
            weights_beside: checkpoint.beside.clone(),
        };
        let mut model = Self::build(&Loader::new(&checkpoint, isa, options.precision), config, summary)?;
        checkpoint.finish()?;
        // Window sizes and head counts do not appear in any tensor's shape, so they are hashed too.
        let mut layout = model.config.layout_text();
        if options.precision != Precision::F32 {
            layout = format!("{layout} {}", options.precision);
        }
        model.fingerprint = checkpoint.fingerprint().wrapping_add(fingerprint(&layout, &[], &[]));
        Ok(Arc::new(model))
    }

    fn build(root: &Loader, config: Config, summary: ModelSummary) -> Result<Self, LoadError> {
        let (d, m) = (config.d_model, config.mem_dim);
        let (weight, bias) = root.at("mask_downsample").conv(1, 1, 4)?;
        // Only the reference's training code reads this one.
        root.tensor("no_mem_pos_enc", &[1, 1, d])?;
        let (image_encoder, others) = parallel::join(
            || ImageEncoder::load(root, &config),
            || -> Result<_, LoadError> {
                let prompt_encoder = PromptEncoder::load(&root.at("sam_prompt_encoder"), &config)?;
                let mask_decoder = MaskDecoder::load(&root.at("sam_mask_decoder"), &config)?;
                let attention = MemoryAttention::load(&root.at("memory_attention"), &config)?;
                let memory_encoder = MemoryEncoder::load(&root.at("memory_encoder"), &config)?;
                Ok((prompt_encoder, mask_decoder, attention, memory_encoder))
            },
        );
        let image_encoder = image_encoder?;
        let (prompt_encoder, mask_decoder, memory_attention, memory_encoder) = others?;
        Ok(Self {
            isa: root.isa(),
            image_encoder,
            prompt_encoder,
            mask_decoder,
            memory_attention,
            memory_encoder,
            perceiver: (config.family == Family::EdgeTam)
                .then(|| Perceiver::load(&root.at("spatial_perceiver"), &config))
                .transpose()?,
            mask_downsample: Conv2d::new(root.isa(), &weight, &bias, 1, 4, 4, 0),
            no_mem_embed: root.tensor("no_mem_embed", &[1, 1, d])?,
            no_obj_ptr: root.tensor("no_obj_ptr", &[1, d])?,
            no_obj_embed_spatial: config
                .no_obj_embed_spatial
                .then(|| root.tensor("no_obj_embed_spatial", &[1, m]))
                .transpose()?,
            obj_ptr_proj: Mlp::load(&root.at("obj_ptr_proj"), &[d, d, d, d])?,
            recall: Recall::load(root, &config)?,
            config,
            summary,
            precision: root.model_precision(),
            fingerprint: 0,
        })
    }

    /// Configuration: sizes, layers, limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Precision of the linear layers.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Side of the decoder's mask logits: 256 for the published models.
    pub fn low_res_size(&self) -> usize {
        self.config.low_res_size()
    }

    /// Hash of the weights, independent of the file format. Embeddings and sessions of a model with another
    /// fingerprint are refused.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Contents of the checkpoint.
    pub fn summary(&self) -> &ModelSummary {
        &self.summary
    }

    /// The image encoder on a normalised image, `[S, S, 3]`; see [`crate::ImagePredictor`] for pixels in,
    /// masks out.
    ///
    /// ```
    /// use sam2_model::advanced::{NoTap, Workspace};
    ///
    /// let model = sam2_micro::model();
    /// let side = model.config().image_size;
    /// let features = model.encode(&mut Workspace::default(), &mut NoTap, &vec![0.0; side * side * 3]);
    /// let (grid, width) = (model.config().grid(), model.config().d_model);
    /// assert_eq!(features.level2().len(), grid * grid * width);
    /// ```
    ///
    /// # Panics
    /// If `image` has another size.
    pub fn encode(&self, workspace: &mut Workspace, tap: &mut dyn Tap, image: &[f32]) -> Features {
        let side = self.config.image_size;
        assert_eq!(image.len(), side * side * 3, "Model::encode: the image must be [{side}, {side}, 3]");
        let mut run = self.run(workspace, tap);
        let mut pixels = run.take(image.len());
        pixels.copy_from_slice(image);
        self.image_encoder.forward(&mut run, pixels)
    }

    pub(crate) fn run<'a>(&self, workspace: &'a mut Workspace, tap: &'a mut dyn Tap) -> Run<'a> {
        Run { isa: self.isa, workspace, tap }
    }
}
