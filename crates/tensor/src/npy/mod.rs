//! NumPy `.npy` files: one array each, row-major, little-endian.
//!
//! Fortran order, big-endian data and pickled objects are refused. A header is never trusted: memory grows
//! with the bytes read, not with the shape that the header claims.

mod array;
mod header;

pub use array::NpyArray;

use crate::element::Element;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::view::TensorRef;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Why a `.npy` or `.npz` file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file or stream failed.
    #[error("cannot read or write")]
    Io(#[from] std::io::Error),
    /// The first six bytes are not `\x93NUMPY`.
    #[error("not a .npy file: it does not start with \\x93NUMPY")]
    Magic,
    /// A format version that this reader does not support; it supports 1.0, 2.0 and 3.0.
    #[error(".npy format version {major}.{minor} is unknown")]
    Version {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The header differs from what NumPy writes.
    #[error("malformed .npy header: {reason}")]
    Header {
        /// The defect.
        reason: String,
    },
    /// The array is stored column-major.
    #[error("the array is in Fortran order; save np.ascontiguousarray(a) instead")]
    FortranOrder,
    /// The array holds pickled Python objects.
    #[error("the array holds pickled Python objects, which are never loaded")]
    Pickled,
    /// An unsupported type (big-endian, complex, strings, records, …).
    #[error("type {descr} is not supported")]
    Dtype {
        /// NumPy's type string.
        descr: String,
    },
    /// The array has another type than the requested one.
    #[error("the array has type {found}, expected {expected}")]
    WrongDtype {
        /// The requested type.
        expected: &'static str,
        /// The type in the file.
        found: &'static str,
    },
    /// The data ends early.
    #[error("the data ends after {found} bytes; shape {shape} needs {expected}")]
    Truncated {
        /// The shape in the header.
        shape: Shape,
        /// Bytes the shape needs.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// There are bytes after the data of a file that holds a single array.
    #[error("there are bytes after the array's data")]
    Trailing,
    /// The `.npz` container is damaged.
    #[error("not a usable .npz archive: {reason}")]
    Archive {
        /// The defect.
        reason: String,
    },
    /// Any of the above, with its place.
    #[error("{}", path.display())]
    At {
        /// The file, with the array's name appended for a member of an archive.
        path: PathBuf,
        /// The error there.
        source: Box<NpyError>,
    },
}

impl NpyError {
    pub(crate) fn at(self, path: impl Into<PathBuf>) -> Self {
        Self::At { path: path.into(), source: Box::new(self) }
    }

    /// The error itself, without the places around it.
    pub fn root(&self) -> &NpyError {
        match self {
            Self::At { source, .. } => source.root(),
            other => other,
        }
    }
}

/// Reads a `.npy` file.
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
/// # Errors
/// As [`read_as`].
pub fn read_f32(path: impl AsRef<Path>) -> Result<Tensor<f32>, NpyError> {
    read_as(path)
}

/// Reads one array from a stream, leaving what follows it unread.
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

/// Writes one array to a stream, format version 1.0.
///
/// # Errors
/// If the stream fails.
pub fn write_to<T: Element>(mut writer: impl Write, tensor: &TensorRef<'_, T>) -> Result<(), NpyError> {
    const CHUNK: usize = 1 << 16;
    writer.write_all(&header::encode(T::NPY_DESCR, tensor.shape()))?;
    let mut bytes = Vec::with_capacity(CHUNK * T::SIZE);
    for chunk in tensor.data().chunks(CHUNK) {
        bytes.clear();
        chunk.iter().for_each(|v| v.push_le_bytes(&mut bytes));
        writer.write_all(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
