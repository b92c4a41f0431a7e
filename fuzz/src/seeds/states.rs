//! Headers of saved sessions and embeddings, behind the byte that chooses the tensors.

use crate::targets::{embedding_parts, session_parts};

pub fn session_texts() -> Vec<Vec<u8>> {
    (0..).zip(session_parts()).map(|(kind, parts)| [&[kind], parts.text.as_bytes()].concat()).collect()
}

pub fn session_headers() -> Vec<Vec<u8>> {
    (0..).zip(session_parts()).map(|(kind, parts)| [&[kind], parts.header.as_slice()].concat()).collect()
}

pub fn embedding_headers() -> Vec<Vec<u8>> {
    vec![embedding_parts().header.clone()]
}
