//! NumPy `.npy` files: one array each, written row-major and little-endian.
//!
//! Arrays in Fortran order, as pycocotools decodes masks, and of big-endian numbers are read too; pickled
//! objects are refused. A header is never trusted: memory grows
//! with the bytes read, not with the shape that the header claims.

mod array;
mod error;
mod header;
mod writer;

pub use array::NpyArray;
pub use error::NpyError;
pub use writer::write_to;

use crate::element::Element;
use crate::tensor::Tensor;
use crate::view::TensorRef;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Reads a `.npy` file.
///
/// ```
/// # use tensor::{Tensor, npy};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.npy");
/// # npy::write(&path, &Tensor::from_vec(&[2], vec![1u8, 2]).view())?;
/// let array = npy::read(&path)?;
/// assert_eq!((array.dtype(), array.shape()), ("u8", &[2][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NpyError::At`] naming the path, for unreadable, malformed or unsupported files and for trailing bytes.
pub fn read(path: impl AsRef<Path>) -> Result<NpyArray, NpyError> {
    let path = path.as_ref();
    let go = || {
        let mut reader = BufReader::new(File::open(path)?);
        read_single(&mut reader)
    };
    go().map_err(|error: NpyError| error.at(path))
}

/// Reads a `.npy` file that must hold elements of exactly type `T`.
///
/// # Errors
/// As [`read`], and [`NpyError::WrongDtype`] for another type.
pub fn read_as<T: Element>(path: impl AsRef<Path>) -> Result<Tensor<T>, NpyError>
where
    Tensor<T>: TryFrom<NpyArray, Error = NpyError>,
{
    let path = path.as_ref();
    read(path)?.try_into().map_err(|error: NpyError| error.at(path))
}

/// Reads a `.npy` file that must hold f32.
///
/// ```
/// # use tensor::{Tensor, npy};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.npy");
/// npy::write(&path, &Tensor::from_vec(&[2], vec![1.0f32, 2.0]).view())?;
/// assert_eq!(npy::read_f32(&path)?.data(), [1.0, 2.0]);
/// assert!(npy::read_as::<i64>(&path).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read_as`].
pub fn read_f32(path: impl AsRef<Path>) -> Result<Tensor<f32>, NpyError> {
    read_as(path)
}

/// Reads one array from a stream, leaving what follows it unread.
///
/// ```
/// # use tensor::{Tensor, npy};
/// let mut bytes = Vec::new();
/// npy::write_to(&mut bytes, &Tensor::from_vec(&[2, 1], vec![3i64, 4]).view())?;
/// assert_eq!(npy::read_from(&bytes[..])?.value(1), 4.0);
/// # Ok::<(), tensor::npy::NpyError>(())
/// ```
///
/// # Errors
/// For malformed or unsupported data, or if the stream fails or ends early.
pub fn read_from(mut reader: impl Read) -> Result<NpyArray, NpyError> {
    let header = header::read(&mut reader)?;
    NpyArray::read_data(&header, &mut reader)
}

/// [`read_from`], after which the stream must be at its end.
pub(crate) fn read_single(reader: &mut impl Read) -> Result<NpyArray, NpyError> {
    let array = read_from(&mut *reader)?;
    if reader.read(&mut [0u8])? != 0 {
        return Err(NpyError::Trailing);
    }
    Ok(array)
}

/// Writes a `.npy` file, format version 1.0.
///
/// ```
/// # use tensor::{Tensor, npy};
/// # let folder = tempfile::tempdir()?;
/// let scores = Tensor::from_vec(&[1, 2], vec![0.5, 0.25]);
/// npy::write(folder.path().join("scores.npy"), &scores.view())?; // np.load("scores.npy")
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NpyError::At`] naming the path if it cannot be written.
pub fn write<T: Element>(path: impl AsRef<Path>, tensor: &TensorRef<'_, T>) -> Result<(), NpyError> {
    let path = path.as_ref();
    let go = || {
        let mut writer = BufWriter::new(File::create(path)?);
        write_to(&mut writer, tensor)?;
        Ok(writer.flush()?)
    };
    go().map_err(|error: NpyError| error.at(path))
}

#[cfg(test)]
mod tests;
