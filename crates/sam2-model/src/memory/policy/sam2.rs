//! Meta's policy: the prompted frames and the last six. `sam2/modeling/sam2_base.py`,
//! `_prepare_memory_conditioned_features`.

use super::interface::MemoryPolicy;

/// The defaults of [`MemoryPolicy`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sam2;

impl MemoryPolicy for Sam2 {}
