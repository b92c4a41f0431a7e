//! Keys of metadata.

/// Key of the configuration: in the metadata of a safetensors file, next to the model in a `.pt`.
pub(super) const CONFIG_KEY: &str = "sam2.config";
