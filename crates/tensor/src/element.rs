//! The storage types, with the little-endian bytes that files hold.

use half::{bf16, f16};

/// A type that tensors store and `.npy` files hold.
///
/// Sealed in spirit: the reader knows exactly the types implemented here.
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
}

macro_rules! element {
    ($($t:ty, $descr:literal;)+) => {$(
        impl Element for $t {
            const NPY_DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$t>();

            fn push_le_bytes(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn from_le_bytes(bytes: &[u8]) -> Self {
                <$t>::from_le_bytes(bytes.try_into().expect("the caller passes SIZE bytes"))
            }
        }
    )+};
}

element! {
    f32, "<f4";
    f64, "<f8";
    f16, "<f2";
    bf16, "|V2";
    u8, "|u1";
    i8, "|i1";
    i32, "<i4";
    i64, "<i8";
}
