//! Meta's memory: the prompted frames and the last six. `sam2/modeling/sam2_base.py`,
//! `_prepare_memory_conditioned_features`.

use super::MemoryPolicy;

/// Remembers what was last, whatever it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sam2;

impl MemoryPolicy for Sam2 {}
