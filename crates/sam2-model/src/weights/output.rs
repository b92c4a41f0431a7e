//! A tensor of a new file, assembled and rounded while it is written.

use std::io::Write;

use half::{bf16, f16};

use super::fault::Fault;
use super::stored::Stored;
use crate::error::ConvertError;

/// Storage type of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 4 bytes.
    F32,
    /// 2 bytes, up to 65504.
    F16,
    /// 2 bytes, with the range of `F32` and 8 bits of precision.
    BF16,
}

/// A tensor of the new file: rows of tensors of the old one.
pub(super) struct Output<'t, 'a> {
    pub name: String,
    pub shape: Vec<usize>,
    /// Its name in safetensors.
    pub dtype: &'t str,
    pub size: usize,
    parts: Vec<&'t Stored<'a>>,
    precision: Option<DType>,
    /// Name of the old file, for messages.
    origin: &'t str,
}

impl DType {
    fn dtype(self) -> (&'static str, usize) {
        match self {
            Self::F32 => ("F32", 4),
            Self::F16 => ("F16", 2),
            Self::BF16 => ("BF16", 2),
        }
    }
}

impl<'t, 'a> Output<'t, 'a> {
    /// A tensor that consists of the rows of `parts`, which are not none; floats become `precision` if that
    /// is given.
    pub fn new(name: String, parts: Vec<&'t Stored<'a>>, precision: Option<DType>, origin: &'t str) -> Self {
        let mut shape = parts[0].shape.clone();
        if parts.len() > 1 {
            shape[0] = parts.iter().map(|part| part.shape[0]).sum();
        }
        let element = &parts[0].element;
        let precision = precision.filter(|_| element.is_float());
        let (dtype, size) = precision.map_or((element.name.as_str(), element.size), |p| p.dtype());
        Self { name, shape, dtype, size, parts, precision, origin }
    }

    /// Bytes of its elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.size
    }

    /// The elements in row-major order.
    pub fn write(&self, sink: &mut impl Write) -> Result<(), ConvertError> {
        for part in &self.parts {
            let kept = self.precision.is_none() || part.element.name == self.dtype;
            let read = |fault: Fault| ConvertError::Load(fault.of(self.origin, "checkpoint"));
            let bytes = match self.precision.filter(|_| !kept) {
                Some(precision) => self.rounded(&part.values().map_err(read)?, precision)?,
                None => part.raw().map_err(read)?,
            };
            sink.write_all(&bytes).map_err(ConvertError::from)?;
        }
        Ok(())
    }

    fn rounded(&self, values: &[f32], precision: DType) -> Result<Vec<u8>, ConvertError> {
        let bytes = match precision {
            DType::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            DType::BF16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
            DType::F16 => {
                let too_large = |x: &&f32| x.is_finite() && !f16::from_f32(**x).is_finite();
                if let Some(&value) = values.iter().find(too_large) {
                    return Err(ConvertError::TooLarge { name: self.name.clone(), value });
                }
                values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
            }
        };
        Ok(bytes)
    }
}
