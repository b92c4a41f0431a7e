//! Images, embeddings and masks that cannot be used.

use std::path::PathBuf;

use super::PromptError;

/// An image or a prediction on it failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The pixels do not fill the frame.
    #[error("a {width}x{height} {format} frame needs {expected} bytes, got {found}")]
    FrameSize {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Format of the pixels, such as `RGB`.
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
        /// Format of the pixels, such as `RGB`.
        format: &'static str,
        /// Bytes.
        expected: usize,
        /// Bytes.
        found: usize,
    },
    /// The numbers of images and prompts differ.
    #[error("{images} images but {prompts} prompts; a batch takes one prompt per image")]
    BatchSize {
        /// Images.
        images: usize,
        /// Prompts.
        prompts: usize,
    },
    /// A search in crops of an image that is given by its embeddings only.
    #[error("crops have to be encoded, so they need the image itself and not its embeddings")]
    CropsOfEmbedding,
    /// Embeddings of another model.
    #[error("another model encoded this image; encode it again with this one")]
    OtherModel,
    /// An option that is not a number.
    #[error("the mask threshold {0} is not a number")]
    BadThreshold(f32),
    /// Prediction before an image was set.
    #[error("set an image first")]
    NoImage,
    /// Options of a search for all masks with which it finds nothing.
    #[error(
        "the search needs 1 to 1024 points per side in every layer, or lists of shares of width and \
         height for the image and every layer, at most 4 layers of crops, batches of at least one point, \
         and thresholds that are numbers"
    )]
    BadSearch,
    /// The prompt itself cannot be used.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

/// A file of image embeddings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// It cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// Not a file of embeddings, or a damaged one.
    #[error("{}: not a file of image embeddings ({reason}); encode the image again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// There is nothing to save.
    #[error("{}: no image was set, so there are no embeddings to save; set an image first", .0.display())]
    NoImage(PathBuf),
    /// Another model computed it.
    #[error(
        "{}: a {found} model with other weights, precision or image size made these embeddings, this \
         is {expected}; use that model or encode the image again",
        path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// This model.
        expected: String,
        /// The model that computed the file.
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
        "byte {at} does not belong into the compressed run lengths of COCO; give the counts as they were \
         written"
    )]
    Text {
        /// Offset of the byte; the length of the text if it ends too early.
        at: usize,
    },
}
