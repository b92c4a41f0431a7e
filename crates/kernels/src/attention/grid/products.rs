//! The types of products.

/// The type of the products of scores and of weighted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Products {
    F32,
    /// Sums of a few products in half precision, of those in single.
    #[cfg(target_arch = "aarch64")]
    F16,
    I16,
}
