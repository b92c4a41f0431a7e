//! Memory of tracked objects: encoder, bank, policy and attention. Meta: `sam2/modeling/memory_encoder.py`,
//! `sam2/modeling/memory_attention.py` and the bank of `sam2/modeling/sam2_base.py`.

pub(crate) mod attention;
pub(crate) mod bank;
pub(crate) mod encoder;
pub(crate) mod perceiver;
pub(crate) mod policy;
pub(crate) mod recall;
pub(crate) mod tokens;

#[cfg(test)]
mod tests;
