//! What can go wrong, one line each: the thing, the cause, what to do.

use std::path::PathBuf;

/// A checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be opened or mapped.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither a safetensors file nor one of `torch.save`, or a damaged one.
    #[error(
        "{origin}: not a usable {kind} file ({reason}); safetensors and PyTorch .pt are read; download it again"
    )]
    Format {
        /// File name.
        origin: String,
        /// What its first bytes say: `safetensors` or `PyTorch`.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Tensors, but not of a model that we know.
    #[error("{origin}: not a SAM 2 checkpoint that this program knows ({reason})")]
    UnknownModel {
        /// File name.
        origin: String,
        /// What was looked for.
        reason: String,
    },
    /// A text that is not a configuration.
    #[error(
        "{origin}: not a configuration ({reason}); one of Meta's YAML files, or the same as JSON, is needed"
    )]
    ConfigText {
        /// File name.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A configuration asks for something else than SAM 2 as published.
    #[error("{origin}: configuration key {key}: {reason}")]
    Config {
        /// File name.
        origin: String,
        /// Path of the key.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// Tensors that the model needs are not there.
    #[error(
        "{origin}: tensor {name} is missing; the file is not the checkpoint of a {variant} model, or is incomplete"
    )]
    MissingTensor {
        /// File name.
        origin: String,
        /// First missing tensor.
        name: String,
        /// The model that was being loaded.
        variant: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("{origin}: tensor {name} has shape {found:?}, the {variant} model needs {expected:?}")]
    ShapeMismatch {
        /// File name.
        origin: String,
        /// Tensor.
        name: String,
        /// The model that was being loaded.
        variant: String,
        /// Needed.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a type that we do not read.
    #[error("{origin}: tensor {name} is stored as {dtype}; F32, F16 and BF16 are read")]
    DType {
        /// File name.
        origin: String,
        /// Tensor.
        name: String,
        /// In the file.
        dtype: String,
    },
    /// A tensor holds values that no trained model has.
    #[error(
        "{origin}: tensor {name} holds {value}, which no trained model does; the file is damaged, download it again"
    )]
    BadValue {
        /// File name.
        origin: String,
        /// Tensor.
        name: String,
        /// First such value.
        value: f32,
    },
    /// Tensors that the model does not use.
    #[error("{origin}: {count} tensors do not belong to a {variant} model, among them {names}")]
    UnexpectedTensors {
        /// File name.
        origin: String,
        /// How many.
        count: usize,
        /// Some of them.
        names: String,
        /// The model that was being loaded.
        variant: String,
    },
}

/// A checkpoint cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The old one cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The new one cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Both names are of one file.
    #[error("writing {} would overwrite the checkpoint that is read: choose another name", .0.display())]
    SameFile(PathBuf),
    /// A `.pt` in the other naming, which nobody reads.
    #[error("{}: a .pt has Meta's names; for those of Hugging Face write a .safetensors", .0.display())]
    TorchNaming(PathBuf),
    /// A number that the new type cannot hold.
    #[error("tensor {name} holds {value}, which is too large for F16; BF16 can hold it")]
    TooLarge {
        /// Tensor.
        name: String,
        /// The number.
        value: f32,
    },
    /// A tensor of a type that a `.pt` is not written with.
    #[error("tensor {name} is stored as {dtype}, which is not written into a .pt")]
    Unsupported {
        /// Tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
}

/// A file of image embeddings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is something else, or damaged.
    #[error("{}: not a file of image embeddings ({reason}); encode the image again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing to save.
    #[error("{}: no image was set, so there are no embeddings to save; set an image first", .0.display())]
    NoImage(PathBuf),
    /// Another model made it.
    #[error(
        "{}: a {found} model with other weights made these embeddings, this is {expected}; use that model or encode the image again",
        path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// This model.
        expected: String,
        /// The one that made the file.
        found: String,
    },
}

/// Run lengths are not those of a mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RleError {
    /// The runs do not fill the mask.
    #[error("the runs are {found} pixels together, a mask of {width}x{height} has another number of them")]
    Length {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Pixels.
        found: usize,
    },
    /// Not a compressed string of COCO.
    #[error(
        "byte {at} does not belong into the compressed run lengths of COCO; give the counts as they were written"
    )]
    Text {
        /// Offset of the byte; the length of the text if it ends too early.
        at: usize,
    },
}

/// A frame or a prompt cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The pixels do not fill the frame.
    #[error("a {width}x{height} {format} frame needs {expected} bytes, got {found}")]
    FrameSize {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Of the pixels, such as `RGB`.
        format: &'static str,
        /// Bytes.
        expected: usize,
        /// Bytes.
        found: usize,
    },
    /// Rows that do not fit into their stride.
    #[error("a row of {width} {format} pixels needs a stride of at least {expected} bytes, got {found}")]
    FrameStride {
        /// Pixels.
        width: usize,
        /// Of the pixels, such as `RGB`.
        format: &'static str,
        /// Bytes.
        expected: usize,
        /// Bytes.
        found: usize,
    },
    /// A mask of another size than the frame.
    #[error("the mask is {found:?} pixels (width, height), the frame {expected:?}")]
    MaskSize {
        /// Width and height.
        expected: (usize, usize),
        /// Width and height.
        found: (usize, usize),
    },
    /// A frame of another size than the video.
    #[error("frame {frame_idx} is {found:?} pixels (width, height), the video {expected:?}")]
    FrameMismatch {
        /// Index of the frame.
        frame_idx: usize,
        /// Width and height.
        expected: (usize, usize),
        /// Width and height.
        found: (usize, usize),
    },
    /// A coordinate that is not a number or not on the image.
    #[error("({x}, {y}) is not on the image of {width}x{height} pixels")]
    OutsideImage {
        /// Pixels.
        x: f32,
        /// Pixels.
        y: f32,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
    /// A box whose corners are not top left and bottom right.
    #[error("box {0:?} is empty or inverted; give x0,y0,x1,y1 with x0 < x1 and y0 < y1")]
    BadBox([f32; 4]),
    /// A label without a meaning.
    #[error("label {0} is unknown: 1 is on the object, 0 off it, 2 and 3 corners of a box, -1 padding")]
    BadLabel(i32),
    /// Not one label per point.
    #[error("{points} points but {labels} labels")]
    LabelCount {
        /// Points.
        points: usize,
        /// Labels.
        labels: usize,
    },
    /// Nothing to go by.
    #[error("no point, box or mask given")]
    Empty,
    /// Mask logits of another size than the model's, or not finite.
    #[error("mask prompt: {0}")]
    BadMaskLogits(String),
    /// Not one prompt per image.
    #[error("{images} images but {prompts} prompts; a batch takes one prompt per image")]
    BatchSize {
        /// Images.
        images: usize,
        /// Prompts.
        prompts: usize,
    },
    /// A search in crops of an image of which only the embeddings are there.
    #[error("crops have to be encoded, so they need the image itself and not its embeddings")]
    CropsOfEmbedding,
    /// Embeddings of an image that another model encoded.
    #[error("another model encoded this image; encode it again with this one")]
    OtherModel,
    /// An option that is not a number.
    #[error("the mask threshold {0} is not a number")]
    BadThreshold(f32),
    /// Prediction before an image was set.
    #[error("set an image first")]
    NoImage,
    /// A frame index past the end of the video.
    #[error("frame {frame_idx} is past the end of the video ({num_frames} frames)")]
    FrameIndex {
        /// Asked for.
        frame_idx: usize,
        /// Frames of the video.
        num_frames: usize,
    },
    /// An object whose prompts were all taken back.
    #[error("object {0} has no prompt; add a point, box or mask, or remove the object")]
    Unprompted(u32),
    /// A prompt in a stream before its first frame.
    #[error("give a frame first")]
    NoFrame,
    /// A box besides earlier clicks.
    #[error("a box must come before clicks on the same frame; give it together with them")]
    LateBox,
    /// A limit on prompted frames that leaves no room.
    #[error("max_cond_frames_in_attn is {0}, at least 2 are needed")]
    TooFewFrames(usize),
    /// Tracking without an object.
    #[error("no object to track; add a point, box or mask first")]
    NoObject,
    /// Frames must come in order.
    #[error("frame {found} was given where frame {expected} is next")]
    FrameOrder {
        /// Next frame.
        expected: usize,
        /// Given.
        found: usize,
    },
    /// Parameters of a search for everything under which nothing can be found.
    #[error(
        "the search needs 1 to 1024 points per side in every layer, or lists of shares of width and height for the image and every layer, at most 4 layers of crops, batches of at least one point, and thresholds that are numbers"
    )]
    BadSearch,
    /// An empty video.
    #[error("a video needs at least one frame of at least one pixel")]
    EmptyVideo,
}

/// A saved session cannot be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Not a session, or a damaged one.
    #[error("{origin}: not a usable session ({reason}); track from the beginning")]
    Damaged {
        /// File name.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// Of another release.
    #[error(
        "{origin}: the session is of version {found}, this program reads version 1; use the one that wrote it"
    )]
    Version {
        /// Version of the file.
        found: u32,
        /// File name.
        origin: String,
    },
    /// Of other weights.
    #[error("{origin}: the session was made with another model than this {model}; open the same checkpoint")]
    OtherModel {
        /// File name.
        origin: String,
        /// The model that it was to be resumed with.
        model: String,
    },
}
