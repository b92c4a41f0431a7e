//! Why a checkpoint's model was not identified.

/// No published model, or more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unidentified {
    /// None has its tensors; the reason.
    Unknown(String),
    /// All of these have its tensors.
    OneOf(Vec<String>),
}
