//! Names of tensors. Inside the program all names are Meta's; one file per other naming of a family converts
//! to and from them.

mod edgetam_hf;
mod meta;
mod sam2_hf;

use std::collections::BTreeMap;

use super::fault::Fault;
use super::stored::Stored;

/// Names of the tensors in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As in Meta's checkpoints.
    Meta,
    /// As written by `save_pretrained` of the Hugging Face library's `Sam2VideoModel`.
    HuggingFace,
}

type Tensors<'a> = BTreeMap<String, Stored<'a>>;

/// All tensors under Meta's names, and the naming of the file. Names that belong to no model stay as they
/// are.
pub(super) fn to_meta(tensors: Tensors<'_>) -> Result<(Tensors<'_>, Naming), Fault> {
    if tensors.contains_key(edgetam_hf::FIRST) {
        return Ok((sam2_hf::to_meta(tensors, edgetam_hf::meta_name)?, Naming::HuggingFace));
    }
    if sam2_hf::recognised(&tensors) {
        return Ok((sam2_hf::to_meta(tensors, sam2_hf::meta_name)?, Naming::HuggingFace));
    }
    Ok((meta::separated(tensors)?, Naming::Meta))
}

/// The tensors of a file in `naming`: every name with the tensors whose rows it consists of. Fails with a
/// name that has no equivalent.
pub(super) fn from_meta<'t, 'a>(
    tensors: &'t Tensors<'a>,
    naming: Naming,
) -> Result<BTreeMap<String, Vec<&'t Stored<'a>>>, String> {
    match naming {
        Naming::Meta => Ok(meta::from_meta(tensors)),
        Naming::HuggingFace if tensors.contains_key(edgetam_hf::MARKER) => {
            sam2_hf::from_meta(tensors, edgetam_hf::meta_name, edgetam_hf::hf_name)
        }
        Naming::HuggingFace => sam2_hf::from_meta(tensors, sam2_hf::meta_name, sam2_hf::hf_name),
    }
}
