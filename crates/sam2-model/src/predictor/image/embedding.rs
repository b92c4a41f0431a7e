//! One encoded image, in memory or in a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::EmbeddingError;
use crate::features::Features;
use crate::model::Model;
use crate::tap::NoTap;
use crate::text::message;
use crate::types::FrameView;
use crate::weights::fingerprint;
use crate::workspace::Workspace;

/// The only entry of the metadata: several would be written in no fixed order.
const HEADER: &str = "sam2.image_embedding";

/// Maximum length of the header of a file, bytes.
const MAX_HEADER: u64 = 1 << 20;

/// Model and image of a file. Hashes are text, because some JSON readers round 64-bit numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    model: String,
    variant: String,
    image: String,
    width: usize,
    height: usize,
}

/// One encoded image.
///
/// ```
/// use sam2_model::{Frame, ImagePredictor};
///
/// let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
/// let predictor = ImagePredictor::new(sam2_micro::model());
/// let embedding = predictor.encode(&picture);
/// assert_eq!((embedding.width(), embedding.height()), (96, 64));
/// assert!(embedding.is_of(&picture));
/// let config = predictor.model().config();
/// assert_eq!(embedding.image_embed().len(), config.grid().pow(2) * config.d_model);
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
#[derive(Debug)]
pub struct ImageEmbedding {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) features: Features,
    /// `level2 + no_mem_embed`.
    pub(super) image_embed: Vec<f32>,
    /// Fingerprint of the model.
    pub(super) fingerprint: u64,
    /// A hash of the image.
    pub(super) image: u64,
}

/// Hash of an image.
pub(super) fn hash_of(image: FrameView) -> u64 {
    let mut pixels = Vec::with_capacity(image.width() * image.height());
    let mut row = vec![0_u8; image.width() * 3];
    for y in 0..image.height() {
        image.read_row(y, &mut row, |x| x);
        pixels.extend(row.chunks(3).map(|p| p.iter().fold(0.0, |sum, &x| sum * 256.0 + f32::from(x))));
    }
    fingerprint("image", &[image.width(), image.height()], &pixels)
}

impl ImageEmbedding {
    /// Width of the image, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height of the image, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether `image` is the encoded image.
    pub fn is_of<'f>(&self, image: impl Into<FrameView<'f>>) -> bool {
        self.image == hash_of(image.into())
    }

    /// `[grid, grid, D]`, channels last: what Meta's predictor calls `image_embed`; a grid cell is 16 pixels
    /// of the model's input.
    pub fn image_embed(&self) -> &[f32] {
        &self.image_embed
    }

    /// Writes a safetensors file: `level2`, `[grid, grid, D]`, `high_res0`, `[4·grid, 4·grid, D/8]`,
    /// `high_res1`, `[2·grid, 2·grid, D/4]`, all F32 and channels last, and in the metadata the size and a
    /// hash of the image and the fingerprint of the model. A model without high-resolution maps has `level2`
    /// alone. The file is complete or absent.
    ///
    /// ```
    /// use sam2_model::image::ImageEmbedding;
    /// # use sam2_model::{Frame, ImagePredictor};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("photo.safetensors");
    ///
    /// let model = sam2_micro::model();
    /// let embedding = ImagePredictor::new(model.clone()).encode(&picture);
    /// embedding.save(&path, &model)?;
    /// assert_eq!(ImageEmbedding::load(&path, &model)?.image_embed(), embedding.image_embed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be written, or `model` did not encode the image.
    pub fn save(&self, path: impl AsRef<Path>, model: &Model) -> Result<(), EmbeddingError> {
        let path = path.as_ref();
        if self.fingerprint != model.fingerprint() {
            let (path, expected) = (path.to_owned(), model.summary().variant.clone());
            return Err(EmbeddingError::OtherModel { path, expected, found: "different".to_owned() });
        }
        let tensors = shapes(model).into_iter().zip(self.features.maps());
        let bytes: Vec<(&str, [usize; 3], Vec<u8>)> = tensors
            .map(|((name, shape), values)| {
                (name, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect())
            })
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            (
                *name,
                TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("the features fill their shapes"),
            )
        });
        let header = Header {
            model: format!("{:016x}", self.fingerprint),
            variant: model.summary().variant.clone(),
            image: format!("{:016x}", self.image),
            width: self.width,
            height: self.height,
        };
        let header = serde_json::to_string(&header).expect("text and numbers are JSON");
        let metadata = HashMap::from([(HEADER.to_owned(), header)]);
        let file = safetensors::serialize(views, Some(metadata)).expect("three plain tensors can be written");
        let io = |source| EmbeddingError::Io { path: path.to_owned(), source };
        atomic::write(path, |writer| std::io::Write::write_all(writer, &file)).map_err(io)
    }

    /// Reads a file of [`Self::save`].
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or another model made it.
    pub fn load(path: impl AsRef<Path>, model: &Model) -> Result<Self, EmbeddingError> {
        let path = path.as_ref();
        let format = |reason: String| EmbeddingError::Format { path: path.to_owned(), reason };
        let io = |source| EmbeddingError::Io { path: path.to_owned(), source };
        let held: usize = shapes(model).iter().map(|(_, shape)| 4 * shape.iter().product::<usize>()).sum();
        let limit = held as u64 + MAX_HEADER;
        let mut file = Vec::new();
        let opened = File::open(path).map_err(io)?;
        opened.take(limit + 1).read_to_end(&mut file).map_err(io)?;
        if file.len() as u64 > limit {
            return Err(format(format!("it is longer than those of this model, which have {held} bytes")));
        }
        let foreign = |e: safetensors::SafeTensorError| format(message(&e));
        let (_, header) = SafeTensors::read_metadata(&file).map_err(foreign)?;
        let header = header.metadata().as_ref().and_then(|metadata| metadata.get(HEADER));
        let header: Header = header
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| format("it does not say which model made it, of which image".into()))?;
        if header.model != format!("{:016x}", model.fingerprint()) {
            return Err(EmbeddingError::OtherModel {
                path: path.to_owned(),
                expected: model.summary().variant.clone(),
                found: header.variant.escape_debug().take(60).collect(),
            });
        }
        let (width, height) = (header.width, header.height);
        if ![width, height].iter().all(|side| (1..=1 << 20).contains(side)) {
            return Err(format(format!("an image has not {width}x{height} pixels")));
        }
        let image = u64::from_str_radix(&header.image, 16).map_err(|e| format(e.to_string()))?;
        let tensors = SafeTensors::deserialize(&file).map_err(foreign)?;
        let maps = shapes(model).into_iter().map(|(name, shape)| {
            let view = tensors.tensor(name).map_err(|_| format(format!("it has no tensor {name}")))?;
            if view.dtype() != Dtype::F32 || view.shape() != shape {
                return Err(format(format!("tensor {name} is not F32 {shape:?}")));
            }
            let values: Vec<f32> = view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            if !values.iter().all(|x| x.is_finite()) {
                return Err(format(format!("tensor {name} holds values that are not numbers")));
            }
            Ok(values)
        });
        let features = Features::from_maps(maps.collect::<Result<_, EmbeddingError>>()?);
        let image_embed = model
            .without_memory(&mut model.run(&mut Workspace::default(), &mut NoTap), &features.level2)
            .to_vec();
        Ok(Self { width, height, features, image_embed, fingerprint: model.fingerprint(), image })
    }
}

fn shapes(model: &Model) -> Vec<(&'static str, [usize; 3])> {
    let (grid, d) = (model.config.grid(), model.config.d_model);
    let mut shapes = vec![("level2", [grid, grid, d])];
    if model.config.has_high_res() {
        shapes.push(("high_res0", [4 * grid, 4 * grid, d / 8]));
        shapes.push(("high_res1", [2 * grid, 2 * grid, d / 4]));
    }
    shapes
}
