//! The storage types and their little-endian bytes in files.

use half::{bf16, f16};

/// A storage type of tensors and `.npy` files.
///
/// The reader supports exactly the types that implement it here, so other implementations are of no use.
pub trait Element: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// NumPy's type string, little-endian. NumPy has no bfloat16; `ml_dtypes` writes it as two-byte void.
    const NPY_DESCR: &'static str;
    /// Bytes per element.
    const SIZE: usize;

    /// Appends the little-endian bytes of `self`.
    fn push_le_bytes(self, out: &mut Vec<u8>);

    /// The value of exactly [`Element::SIZE`] little-endian bytes.
    ///
    /// # Panics
    /// If `bytes` has another length.
    fn from_le_bytes(bytes: &[u8]) -> Self;

    /// The value as f64; exact but for 64-bit integers beyond 2⁵³, which are rounded.
    fn to_f64(self) -> f64;

    /// The distance: 0 for equal values, infinities included; NaN if either is NaN. Exact for integers.
    fn distance(self, other: Self) -> f64;
}

macro_rules! element {
    ($($t:ty, $descr:literal, $to_f64:expr, $distance:expr;)+) => {$(
        impl Element for $t {
            const NPY_DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$t>();

            fn push_le_bytes(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn from_le_bytes(bytes: &[u8]) -> Self {
                <$t>::from_le_bytes(bytes.try_into().expect("the caller passes SIZE bytes"))
            }

            fn to_f64(self) -> f64 {
                $to_f64(self)
            }

            fn distance(self, other: Self) -> f64 {
                if self == other { 0.0 } else { $distance(self, other) }
            }
        }
    )+};
}

/// The distance of two floats, in f64.
fn apart<T: Into<f64>>(a: T, b: T) -> f64 {
    (a.into() - b.into()).abs()
}

/// The distance of two integers, rounded once.
fn steps<T: Into<i128>>(a: T, b: T) -> f64 {
    (a.into() - b.into()).abs() as f64
}

element! {
    f32, "<f4", f64::from, apart;
    f64, "<f8", f64::from, apart;
    f16, "<f2", f64::from, apart;
    bf16, "|V2", f64::from, apart;
    u8, "|u1", f64::from, steps;
    i8, "|i1", f64::from, steps;
    i32, "<i4", f64::from, steps;
    i64, "<i8", |v| v as f64, steps;
}
