//! A stored tensor: type, shape, and a strided view of bytes.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

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
}

/// A tensor that has not been read. Every element is inside `bytes`.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    pub element: Element,
    pub shape: Vec<usize>,
    bytes: &'a [u8],
    /// In elements, as `strides`.
    offset: usize,
    strides: Vec<usize>,
}

impl<'a> Stored<'a> {
    /// Row-major and without gaps. `bytes` must have the length that safetensors checks: that of the shape.
    pub fn contiguous(name: &str, shape: &[usize], bytes: &'a [u8]) -> Self {
        let count: usize = shape.iter().product();
        let size = bytes.len().checked_div(count).unwrap_or(0);
        let (shape, strides) = (shape.to_vec(), row_major(shape));
        Self { element: Element { name: name.to_owned(), size }, shape, bytes, offset: 0, strides }
    }

    /// A view with an offset and strides in elements; fails if an element is outside `bytes`.
    pub fn view(
        element: Element,
        bytes: &'a [u8],
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
        let held = bytes.len() / element.size;
        if !shape.contains(&0) && last.is_none_or(|last| last >= held) {
            return Err(outside());
        }
        Ok(Self { element, shape, bytes, offset, strides })
    }

    /// The slices along the first axis, each `[1, ..]`; none for a scalar.
    pub fn rows(&self) -> Vec<Self> {
        let (Some(&count), Some(&stride)) = (self.shape.first(), self.strides.first()) else {
            return Vec::new();
        };
        let row = |i| {
            let mut row = self.clone();
            row.shape[0] = 1;
            row.offset += i * stride;
            row
        };
        (0..count).map(row).collect()
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Byte range of the storage that this tensor views.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of the elements, each stored once.
    pub fn size(&self) -> u64 {
        (self.count() * self.element.size) as u64
    }

    /// The elements borrowed in place, if they are aligned `f32` in row-major order.
    pub fn borrowed(&self) -> Option<&'a [f32]> {
        if self.element.name != "F32" || cfg!(target_endian = "big") || !self.is_gapless() {
            return None;
        }
        let count = self.count();
        let bytes = if count == 0 { &[] } else { &self.bytes[4 * self.offset..4 * (self.offset + count)] };
        bytemuck::try_cast_slice(bytes).ok()
    }

    fn is_gapless(&self) -> bool {
        let mut axes = self.shape.iter().zip(&self.strides).zip(row_major(&self.shape));
        axes.all(|((&side, &stride), packed)| side == 1 || stride == packed)
    }

    /// The elements in row-major order; `None` if their type is unsupported.
    pub fn values(&self) -> Option<Vec<f32>> {
        match self.element.name.as_str() {
            "F32" => Some(self.decode(f32::from_le_bytes)),
            "F16" => Some(self.decode(f16::from_le_bytes).to_f32_vec()),
            "BF16" => Some(self.decode(bf16::from_le_bytes).to_f32_vec()),
            _ => None,
        }
    }

    /// The elements in row-major order, in their stored type.
    pub fn raw(&self) -> Vec<u8> {
        match self.element.size {
            1 => self.decode(|b: [u8; 1]| b).concat(),
            2 => self.decode(|b: [u8; 2]| b).concat(),
            4 => self.decode(|b: [u8; 4]| b).concat(),
            _ => self.decode(|b: [u8; 8]| b).concat(),
        }
    }

    fn decode<T, const N: usize>(&self, decode: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (elements, count) = (self.bytes.as_chunks().0, self.count());
        if count == 0 {
            return Vec::new();
        }
        if self.is_gapless() {
            return elements[self.offset..self.offset + count].iter().map(|&b| decode(b)).collect();
        }
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        let mut values = Vec::with_capacity(count);
        loop {
            values.push(decode(elements[at]));
            let mut axis = self.shape.len();
            loop {
                if axis == 0 {
                    return values;
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
