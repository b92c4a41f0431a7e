//! An array whose type is known only after reading its header.

use super::{error::NpyError, header::Header, writer::write_to};
use crate::compare::{Comparison, Elementwise, Outliers, compare};
use crate::element::Element;
use crate::tensor::Tensor;
use half::{bf16, f16};
use std::io::{Read, Write};

/// The first allocation for data whose claimed size is not trusted, in bytes; it grows as bytes are read.
const FIRST_ALLOCATION: usize = 1 << 20;

macro_rules! npy_array {
    ($($(#[$doc:meta])* $Variant:ident($t:ty), $name:literal, [$($descr:literal),+];)+) => {
        /// A tensor of one of the storage types. NumPy's booleans are read as [`NpyArray::U8`], its other
        /// integers as the smallest signed type here that holds them all, `<u8` as [`NpyArray::I64`].
        #[derive(Clone, Debug, PartialEq)]
        pub enum NpyArray {
            $($(#[$doc])* $Variant(Tensor<$t>),)+
        }

        impl NpyArray {
            /// The extents, outermost first.
            pub fn shape(&self) -> &[usize] {
                match self { $(Self::$Variant(t) => t.shape(),)+ }
            }

            /// The number of elements.
            pub fn len(&self) -> usize {
                match self { $(Self::$Variant(t) => t.len(),)+ }
            }

            /// Whether there are no elements.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The name of the element type, as Rust spells it.
            pub fn dtype(&self) -> &'static str {
                match self { $(Self::$Variant(_) => $name,)+ }
            }

            /// Compares element by element, after conversion to f64 where the types differ: the figures, and
            /// the elements beyond `bound`.
            ///
            /// # Panics
            /// If the numbers of elements differ.
            #[track_caller]
            pub fn compare(&self, expected: &Self, bound: &Elementwise) -> (Comparison, Outliers) {
                match (self, expected) {
                    $((Self::$Variant(a), Self::$Variant(e)) => {
                        (compare(a.data(), e.data()), bound.outliers(a.data(), e.data()))
                    })+
                    _ => {
                        let (a, e) = (self.to_f64(), expected.to_f64());
                        (compare(a.data(), e.data()), bound.outliers(a.data(), e.data()))
                    }
                }
            }

            /// The values as f64; 64-bit integers beyond 2⁵³ are rounded.
            pub fn to_f64(&self) -> Tensor<f64> {
                match self { $(Self::$Variant(t) => t.map(|v| v.to_f64()),)+ }
            }

            /// Element `i` in row-major order, as f64.
            ///
            /// # Panics
            /// If there is no such element.
            #[track_caller]
            pub fn value(&self, i: usize) -> f64 {
                match self { $(Self::$Variant(t) => t.data()[i].to_f64(),)+ }
            }

            pub(super) fn read_data(header: &Header, reader: &mut impl Read) -> Result<Self, NpyError> {
                match header.little_endian().as_str() {
                    $($($descr)|+ => Ok(Self::$Variant(read_data(header, reader, <$t>::from_le_bytes)?)),)+
                    "<i2" => Ok(Self::I32(read_data(header, reader, |b| i16::from_le_bytes(b).into())?)),
                    "<u2" => Ok(Self::I32(read_data(header, reader, |b| u16::from_le_bytes(b).into())?)),
                    "<u4" => Ok(Self::I64(read_data(header, reader, |b| u32::from_le_bytes(b).into())?)),
                    "<u8" => {
                        let bits: Tensor<i64> = read_data(header, reader, i64::from_le_bytes)?;
                        match bits.data().iter().all(|&v| v >= 0) {
                            true => Ok(Self::I64(bits)),
                            false => Err(NpyError::Beyond),
                        }
                    }
                    _ => Err(NpyError::Dtype { descr: header.descr.chars().take(40).collect() }),
                }
            }

            pub(crate) fn write_to(&self, writer: impl Write) -> Result<(), NpyError> {
                match self { $(Self::$Variant(t) => write_to(writer, &t.view()),)+ }
            }
        }

        $(
            impl From<Tensor<$t>> for NpyArray {
                fn from(tensor: Tensor<$t>) -> Self {
                    Self::$Variant(tensor)
                }
            }

            impl TryFrom<NpyArray> for Tensor<$t> {
                type Error = NpyError;

                fn try_from(array: NpyArray) -> Result<Self, NpyError> {
                    match array {
                        NpyArray::$Variant(tensor) => Ok(tensor),
                        other => Err(NpyError::WrongDtype { expected: $name, found: other.dtype() }),
                    }
                }
            }
        )+
    };
}

npy_array! {
    /// `<f4`
    F32(f32), "f32", ["<f4"];
    /// `<f8`
    F64(f64), "f64", ["<f8"];
    /// `<f2`
    F16(f16), "f16", ["<f2"];
    /// Two-byte void, as `ml_dtypes.bfloat16` is saved.
    Bf16(bf16), "bf16", ["|V2", "<V2"];
    /// `|u1`, `|b1`
    U8(u8), "u8", ["|u1", "|b1"];
    /// `|i1`
    I8(i8), "i8", ["|i1"];
    /// `<i4`
    I32(i32), "i32", ["<i4"];
    /// `<i8`
    I64(i64), "i64", ["<i8"];
}

impl NpyArray {
    /// The tensor, if it holds exactly f32.
    ///
    /// ```
    /// use tensor::Tensor;
    /// use tensor::npy::NpyArray;
    ///
    /// let array = NpyArray::from(Tensor::full(&[2, 3], 0.5f32));
    /// assert_eq!((array.shape(), array.dtype(), array.value(5)), (&[2, 3][..], "f32", 0.5));
    /// assert_eq!(array.into_f32()?.len(), 6);
    /// # Ok::<(), tensor::npy::NpyError>(())
    /// ```
    ///
    /// # Errors
    /// [`NpyError::WrongDtype`] for another type.
    pub fn into_f32(self) -> Result<Tensor<f32>, NpyError> {
        self.try_into()
    }

    /// The values as f32, rounded where f32 cannot hold them.
    pub fn to_f32_lossy(&self) -> Tensor<f32> {
        match self {
            Self::F32(t) => t.clone(),
            Self::F64(t) => t.map(|&v| v as f32),
            Self::F16(t) => t.map(|v| v.to_f32()),
            Self::Bf16(t) => t.map(|v| v.to_f32()),
            Self::U8(t) => t.map(|&v| f32::from(v)),
            Self::I8(t) => t.map(|&v| f32::from(v)),
            Self::I32(t) => t.map(|&v| v as f32),
            Self::I64(t) => t.map(|&v| v as f32),
        }
    }
}

/// Reads elements of `SIZE` bytes, whose value `convert` makes of their little-endian bytes.
fn read_data<T: Element, const SIZE: usize>(
    header: &Header,
    reader: &mut impl Read,
    convert: impl Fn([u8; SIZE]) -> T,
) -> Result<Tensor<T>, NpyError> {
    let shape = header.shape;
    let needed = shape.checked_len().and_then(|n| n.checked_mul(SIZE));
    let Some(needed) = needed.filter(|&n| isize::try_from(n).is_ok()) else {
        return Err(NpyError::Header { reason: format!("shape {shape} does not fit in memory") });
    };
    let mut bytes = Vec::with_capacity(needed.min(FIRST_ALLOCATION));
    reader.take(needed as u64).read_to_end(&mut bytes)?;
    if bytes.len() != needed {
        return Err(NpyError::Truncated { shape, expected: needed, found: bytes.len() });
    }
    let (elements, _) = bytes.as_chunks_mut::<SIZE>();
    if header.is_big_endian() {
        elements.iter_mut().for_each(|element| element.reverse());
    }
    let data = if header.fortran_order {
        row_major(&shape).map(|i| convert(elements[i])).collect()
    } else {
        elements.iter().map(|&element| convert(element)).collect()
    };
    Ok(Tensor::from_vec(&shape, data))
}

/// The places of the elements in Fortran order, where the first axis varies fastest, row by row.
fn row_major(shape: &[usize]) -> impl Iterator<Item = usize> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(1_usize, |stride, &extent| Some(std::mem::replace(stride, stride.wrapping_mul(extent))))
        .collect();
    let (count, shape) = (shape.iter().product(), shape.to_vec());
    let (mut index, mut place) = (vec![0; shape.len()], 0);
    (0..count).map(move |_| {
        let this = place;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * std::mem::take(&mut index[axis]);
        }
        this
    })
}
