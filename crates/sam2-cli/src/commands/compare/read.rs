//! The arrays of a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use safetensors::{Dtype, SafeTensors};
use sam2_model::text::message;
use tensor::npy::{self, NpyArray};
use tensor::{Element, MAX_RANK, Tensor, bf16, f16, npz};

/// Arrays in the order of their names.
pub struct Arrays {
    entries: Vec<(String, NpyArray)>,
    unnamed: bool,
}

impl Arrays {
    pub fn entries(&self) -> &[(String, NpyArray)] {
        &self.entries
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.entries.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Whether this is the one array of a `.npy` file.
    pub fn is_unnamed(&self) -> bool {
        self.unnamed
    }
}

/// Reads every array of a file; the extension determines the format.
///
/// # Errors
/// For another format, or if the file does not match its extension.
pub fn open(path: &Path) -> Result<Arrays> {
    let kind = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let named = |entries| Arrays { entries, unnamed: false };
    match kind.as_deref() {
        Some("npy") => Ok(Arrays { entries: vec![("array".to_owned(), npy::read(path)?)], unnamed: true }),
        Some("npz") => Ok(named(npz::read(path)?.into_iter().collect())),
        Some("safetensors") => safetensors(path).with_context(|| path.display().to_string()).map(named),
        _ => bail!("{}: arrays are read from .npy, .npz and .safetensors files", path.display()),
    }
}

fn safetensors(path: &Path) -> Result<Vec<(String, NpyArray)>> {
    let bytes = fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| anyhow!("not a usable safetensors file: {}", message(&error)))?;
    let mut entries = Vec::new();
    for (name, view) in file.iter() {
        let (shape, data) = (view.shape(), view.data());
        if shape.len() > MAX_RANK {
            bail!("{} has {} axes; at most {MAX_RANK} are supported", message(&name), shape.len());
        }
        let array = match view.dtype() {
            Dtype::F64 => array::<f64>(shape, data),
            Dtype::F32 => array::<f32>(shape, data),
            Dtype::F16 => array::<f16>(shape, data),
            Dtype::BF16 => array::<bf16>(shape, data),
            Dtype::U8 | Dtype::BOOL => array::<u8>(shape, data),
            Dtype::I8 => array::<i8>(shape, data),
            Dtype::I32 => array::<i32>(shape, data),
            Dtype::I64 => array::<i64>(shape, data),
            other => bail!("{} has the type {other:?}, which is not supported", message(&name)),
        };
        entries.push((name.to_owned(), array));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries)
}

/// `data` has the length of `shape`, which the reader of the file checks.
fn array<T: Element>(shape: &[usize], data: &[u8]) -> NpyArray
where
    NpyArray: From<Tensor<T>>,
{
    Tensor::from_vec(shape, data.chunks_exact(T::SIZE).map(T::from_le_bytes).collect()).into()
}
