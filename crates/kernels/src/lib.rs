//! Vectorised CPU kernels for vision transformers, with run-time dispatch and no framework below.
//!
//! Four shells, from the outside in:
//!
//! 1. **public function** ([`gemm::gemm`], [`attention::attention`], …): checks shapes. The instruction set
//!    is an argument, an [`Isa`] value, so that tests can run every instruction set of the host;
//! 2. **schedule** ([`parallel`]): divides the output into disjoint pieces and passes them to rayon;
//! 3. **gateway** ([`Isa::dispatch`]): enables the target features, once per piece;
//! 4. **kernel**: `#[inline(always)]` arithmetic written once over [`simd::Simd`].
//!
//! Rayon is outside and the gateway inside: a closure that rayon calls does not inherit the target features
//! of the function that made it.
//!
//! Conventions: row-major `f32`; feature maps are channels-last `[H, W, C]`, token matrices `[N, C]`. A wrong
//! shape is a bug of the caller and panics with all numbers in the message. Every result is bit-identical
//! for any number of threads: the thread count determines which thread computes an output element, never the
//! order of its sum.
//!
//! [`reference`](mod@reference) has a slow, readable twin of every kernel; the tests compare the two.

#![deny(unsafe_code)]

pub mod attention;
pub mod conv;
pub mod gemm;
pub mod image;
pub mod math;
pub mod parallel;
pub mod peak;
pub mod reference;
pub mod rope;
pub mod rows;
pub mod simd;

pub use simd::Isa;
