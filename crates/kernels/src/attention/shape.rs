//! Sizes of an attention and of its blocks.

use std::ops::Range;

use crate::gemm::Rows;

/// Sizes of a multi-head attention. Head `h` of a query or key row is its elements `h·d .. (h+1)·d`, of a
/// value or output row its elements `h·dv .. (h+1)·dv`.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Independent problems, stacked along the rows.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Queries of one problem.
    pub nq: usize,
    /// Keys of one problem.
    pub nk: usize,
    /// Width of a head's queries and keys, at most [`KC`](crate::gemm::KC).
    pub d: usize,
    /// Width of a head's values.
    pub dv: usize,
}

/// The keys of one kind and their values, in [`attention_of_two_kinds`](super::attention_of_two_kinds).
#[derive(Clone, Copy, Debug)]
pub struct KeysOfOneKind<'a> {
    /// Rows of `d`.
    pub keys: Rows<'a>,
    /// As many rows of values.
    pub values: Rows<'a>,
    /// Number of keys.
    pub n: usize,
    /// Width of these keys and of the queries for them.
    pub d: usize,
}

/// Keys that stand for several equal ones each, with their values.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// The keys.
    pub keys: Range<usize>,
    /// How many each of them stands for.
    pub times: usize,
}

impl Repeated {
    /// Every key stands for itself.
    pub(super) fn none() -> Self {
        Self { keys: 0..0, times: 1 }
    }
}

/// Keys per block: whole panels of every instruction set, at most [`KC`](crate::gemm::KC), and few enough
/// that sums of 16-bit products stay within 32 bits.
pub const KEYS: usize = 240;
