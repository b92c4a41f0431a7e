//! The mask of `--mask-prompt`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sam2_media::prompts::array_file::{self, MaskArray};
use sam2_media::prompts::mask_file;
use sam2_model::{Mask, Model};

use crate::console::Console;

/// A mask to refine, and its file.
pub struct MaskPrompt {
    path: PathBuf,
    mask: Kind,
}

enum Kind {
    Pixels(Mask),
    /// Logits of an earlier prediction and their side.
    Logits(Vec<f32>, usize),
}

impl MaskPrompt {
    /// Reads a picture, of a label map the object `object`, or a NumPy file of logits or of a mask.
    pub fn read(path: &Path, object: Option<u32>, console: &Console) -> Result<Self> {
        let mask = if array_file::is_array(path) {
            let (array, chosen) = array_file::read(path, object)?;
            if let Some(chosen) = chosen {
                let name = path.display();
                console.note(&format!(
                    "note: {name} holds several masks; number {chosen}, the most stable one, is the prompt \
                     ({name}:K takes another)"
                ));
            }
            match array {
                MaskArray::Logits { side, data } => Kind::Logits(data, side),
                pixels @ MaskArray::Pixels { .. } => Kind::Pixels(pixels.into_mask(path)?),
            }
        } else {
            Kind::Pixels(mask_file::read(path, object)?)
        };
        Ok(Self { path: path.to_owned(), mask })
    }

    /// The logits that the model takes.
    pub fn logits(self, model: &Model) -> Result<Vec<f32>> {
        match self.mask {
            Kind::Pixels(mask) => Ok(model.mask_logits(&mask)),
            Kind::Logits(logits, side) if side == model.low_res_size() => Ok(logits),
            Kind::Logits(_, side) => bail!(
                "{} holds logits of {side}x{side}, and this model takes {1}x{1}: they are of another model \
                 or --image-size",
                self.path.display(),
                model.low_res_size()
            ),
        }
    }
}
