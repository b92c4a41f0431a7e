//! A stored tensor: type, shape, and a strided view of bytes.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::fault::Fault;
use super::source::Part;

/// Type of the elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name in safetensors.
    pub name: String,
    pub size: usize,
}

impl Element {
    pub fn new(name: &str, size: u8) -> Self {
        Self { name: name.to_owned(), size: size.into() }
    }

    /// Whether elements are floating-point numbers that are read.
    pub fn is_float(&self) -> bool {
        matches!(self.name.as_str(), "F64" | "F32" | "F16" | "BF16")
    }
}

/// A tensor that has not been read. Every element is inside `bytes`.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    pub element: Element,
    pub shape: Vec<usize>,
    /// From its first element to its last one in the file, with what other views have in between.
    bytes: Part<'a>,
    /// In elements.
    strides: Vec<usize>,
    /// Whether the bytes of an element are in the order of a big-endian machine.
    big_endian: bool,
}

impl<'a> Stored<'a> {
    /// Row-major and without gaps. `bytes` must have the length that safetensors checks: that of the shape.
    pub fn contiguous(name: &str, shape: &[usize], bytes: Part<'a>) -> Self {
        let count: usize = shape.iter().product();
        let size = bytes.len.checked_div(count).unwrap_or(0);
        let (shape, strides) = (shape.to_vec(), row_major(shape));
        Self { element: Element { name: name.to_owned(), size }, shape, bytes, strides, big_endian: false }
    }

    /// A view with an offset and strides in elements; fails if an element is outside `bytes`.
    pub fn view(
        element: Element,
        bytes: Part<'a>,
        offset: usize,
        shape: Vec<usize>,
        mut strides: Vec<usize>,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() {
            return Err(format!("it has {} axes but {} strides", shape.len(), strides.len()));
        }
        // The stride of an axis of length 1 is unused and may have any value.
        strides.iter_mut().zip(&shape).filter(|(_, side)| **side < 2).for_each(|(stride, _)| *stride = 0);
        let outside = || "it lies outside its storage".to_owned();
        // The product of the sizes must not overflow before a factor of 0.
        let bytes_needed = shape.iter().try_fold(element.size, |n, &side| n.checked_mul(side.max(1)));
        bytes_needed.ok_or_else(outside)?;
        let last = shape.iter().zip(&strides).try_fold(offset, |at, (&side, &stride)| {
            at.checked_add(side.saturating_sub(1).checked_mul(stride)?)
        });
        let held = bytes.len / element.size;
        let bytes = match last {
            _ if shape.contains(&0) => bytes.sub(0, 0),
            Some(last) if last < held => bytes.sub(offset * element.size, (last + 1 - offset) * element.size),
            _ => return Err(outside()),
        };
        Ok(Self { element, shape, bytes, strides, big_endian: false })
    }

    /// The same with elements in the byte order of a big-endian machine.
    pub fn big_endian(self) -> Self {
        Self { big_endian: true, ..self }
    }

    /// The slices along the first axis, each `[1, ..]`; none for a scalar.
    pub fn rows(&self) -> Vec<Self> {
        let (Some(&count), Some(&stride)) = (self.shape.first(), self.strides.first()) else {
            return Vec::new();
        };
        let row = |i| {
            let mut row = self.clone();
            row.shape[0] = 1;
            if self.count() > 0 {
                let inner = self.shape.iter().zip(&self.strides).skip(1);
                let reach: usize = inner.map(|(side, stride)| (side - 1) * stride).sum();
                let size = self.element.size;
                row.bytes = self.bytes.sub(i * stride * size, (reach + 1) * size);
            }
            row
        };
        (0..count).map(row).collect()
    }

    /// Some of the slices along the first axis, which must exist.
    pub fn rows_of(&self, rows: std::ops::Range<usize>) -> Self {
        let mut part = self.clone();
        part.shape[0] = rows.len();
        if part.count() > 0 {
            let reach: usize =
                part.shape.iter().zip(&part.strides).map(|(side, stride)| (side - 1) * stride).sum();
            let size = self.element.size;
            part.bytes = self.bytes.sub(rows.start * self.strides[0] * size, (reach + 1) * size);
        }
        part
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of the elements, each stored once.
    pub fn size(&self) -> u64 {
        (self.count() * self.element.size) as u64
    }

    /// The elements borrowed in place, if they are in memory, as aligned `f32` in row-major order.
    pub fn borrowed(&self) -> Option<&'a [f32]> {
        if self.element.name != "F32" || self.is_swapped() || !self.is_gapless() {
            return None;
        }
        bytemuck::try_cast_slice(self.bytes.in_memory()?).ok()
    }

    /// The elements in row-major order; those of 64 bits are rounded to nearest.
    pub fn values(&self) -> Result<Vec<f32>, Fault> {
        match self.element.name.as_str() {
            "F32" if !self.is_swapped() && self.is_gapless() => {
                let mut values = vec![0.0_f32; self.count()];
                self.bytes.read_into(bytemuck::cast_slice_mut(&mut values))?;
                Ok(values)
            }
            "F32" => self.decode(f32::from_le_bytes),
            "F64" => self.decode(|bytes| f64::from_le_bytes(bytes) as f32),
            "F16" => Ok(self.decode(f16::from_le_bytes)?.to_f32_vec()),
            "BF16" => Ok(self.decode(bf16::from_le_bytes)?.to_f32_vec()),
            other => Err(Fault::Foreign(format!("it is stored as {other}"))),
        }
    }

    /// The elements in row-major order, in their stored type and little-endian.
    pub fn raw(&self) -> Result<Vec<u8>, Fault> {
        if self.is_gapless() && !self.big_endian {
            return Ok(self.bytes.read()?.into_owned());
        }
        Ok(match self.element.size {
            1 => self.decode(|b: [u8; 1]| b)?.concat(),
            2 => self.decode(|b: [u8; 2]| b)?.concat(),
            4 => self.decode(|b: [u8; 4]| b)?.concat(),
            _ => self.decode(|b: [u8; 8]| b)?.concat(),
        })
    }

    /// Whether the elements are in another byte order than this machine's.
    fn is_swapped(&self) -> bool {
        self.big_endian != cfg!(target_endian = "big")
    }

    fn is_gapless(&self) -> bool {
        let mut axes = self.shape.iter().zip(&self.strides).zip(row_major(&self.shape));
        axes.all(|((&side, &stride), packed)| side == 1 || stride == packed)
    }

    /// `decode` gets the bytes of an element in little-endian order.
    fn decode<T, const N: usize>(&self, decode: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Fault> {
        let count = self.count();
        if count == 0 {
            return Ok(Vec::new());
        }
        let bytes = self.bytes.read()?;
        let elements = bytes.as_chunks().0;
        let decode = |mut element: [u8; N]| {
            if self.big_endian {
                element.reverse();
            }
            decode(element)
        };
        if self.is_gapless() {
            return Ok(elements[..count].iter().map(|&b| decode(b)).collect());
        }
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        let mut values = Vec::with_capacity(count);
        loop {
            values.push(decode(elements[at]));
            let mut axis = self.shape.len();
            loop {
                if axis == 0 {
                    return Ok(values);
                }
                axis -= 1;
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
    }
}

/// Strides of a row-major tensor.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}
