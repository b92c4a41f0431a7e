//! The functions and classes that mean something to the reader. All others are foreign: what they would make
//! is skipped.

/// A function or class that a pickle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::weights::pt) enum Global {
    /// `OrderedDict` and `defaultdict`.
    Dict,
    Size,
    /// `_rebuild_tensor`, `_rebuild_tensor_v2`, `_rebuild_tensor_v3`, by version 1 to 3.
    Tensor(u8),
    /// `_rebuild_parameter`, `_rebuild_parameter_with_state`: their first argument is a tensor.
    Parameter,
    /// `_rebuild_from_type_v2`: its first argument is one of the above, its third that one's arguments.
    FromType,
    /// A storage class or a dtype, by the name and size of its elements.
    Storage(&'static str, u8),
    DType(&'static str, u8),
    /// Any other one, by its index in the list of names.
    Foreign(u32),
}

const STORAGES: [(&str, &str, u8); 16] = [
    ("FloatStorage", "F32", 4),
    ("DoubleStorage", "F64", 8),
    ("HalfStorage", "F16", 2),
    ("BFloat16Storage", "BF16", 2),
    ("LongStorage", "I64", 8),
    ("IntStorage", "I32", 4),
    ("ShortStorage", "I16", 2),
    ("CharStorage", "I8", 1),
    ("ByteStorage", "U8", 1),
    ("BoolStorage", "BOOL", 1),
    // Those below are no weights that are read, but are named as what they are.
    ("ComplexFloatStorage", "C64", 8),
    ("ComplexDoubleStorage", "C128", 16),
    ("ComplexHalfStorage", "C32", 4),
    ("QInt8Storage", "QI8", 1),
    ("QUInt8Storage", "QU8", 1),
    ("QInt32Storage", "QI32", 4),
];
const DTYPES: [(&str, &str, u8); 22] = [
    ("float32", "F32", 4),
    ("float64", "F64", 8),
    ("float16", "F16", 2),
    ("bfloat16", "BF16", 2),
    ("int64", "I64", 8),
    ("int32", "I32", 4),
    ("int16", "I16", 2),
    ("int8", "I8", 1),
    ("uint8", "U8", 1),
    ("uint16", "U16", 2),
    ("uint32", "U32", 4),
    ("uint64", "U64", 8),
    ("bool", "BOOL", 1),
    ("complex32", "C32", 4),
    ("complex64", "C64", 8),
    ("complex128", "C128", 16),
    ("float8_e4m3fn", "F8_E4M3", 1),
    ("float8_e4m3fnuz", "F8_E4M3FNUZ", 1),
    ("float8_e5m2", "F8_E5M2", 1),
    ("float8_e5m2fnuz", "F8_E5M2FNUZ", 1),
    ("float8_e8m0fnu", "F8_E8M0", 1),
    ("float4_e2m1fn_x2", "F4", 1),
];

impl Global {
    /// One that is known.
    pub fn named(module: &str, name: &str) -> Option<Self> {
        let find = |table: &[(&str, &'static str, u8)]| {
            table.iter().find(|row| row.0 == name).map(|&(_, element, size)| (element, size))
        };
        Some(match (module, name) {
            ("collections", "OrderedDict" | "defaultdict") => Self::Dict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor") => Self::Tensor(1),
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor(2),
            ("torch._utils", "_rebuild_tensor_v3") => Self::Tensor(3),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::FromType,
            ("torch.storage", "UntypedStorage") => Self::Storage("bytes", 1),
            // Storages were moved between modules; `torch.cuda` names those of a GPU.
            ("torch" | "torch.storage" | "torch.cuda", _) => match find(&STORAGES) {
                Some((element, size)) => Self::Storage(element, size),
                None => find(&DTYPES).map(|(element, size)| Self::DType(element, size))?,
            },
            _ => return None,
        })
    }
}
