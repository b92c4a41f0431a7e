//! [`super::attention`] with scores in 8 bits and weighted values in 16 or 32.
//!
//! ```text
//! q ≈ s_q · (u − z),  u in 0 ..= 255, one s and z per query
//! k − mean ≈ s_k · w,  w in −127 ..= 127, one s per key
//! q · (k − mean) ≈ s_q · s_k · (Σ u · w − z · Σ w)              the first sum exact, the second precomputed
//! ```
//!
//! The mean of the keys is subtracted, as in SageAttention (arXiv 2410.02367): it would take up most of the 8
//! bits, and it adds the same number to all scores of a query, which the softmax cancels. Bytes and sums are
//! those of [`crate::gemm::int8`], so scores have the same bits on every instruction set. The softmax is that
//! of single precision; its weights and the values are those of the [`ValueType`] that is fastest.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;
use std::thread::LocalKey;

use super::flash::{Keys, Pool, QUERIES, Values};
use super::schedule::{attend, attend_block};
use super::shape::{Repeated, Shape};
#[cfg(target_arch = "aarch64")]
use super::single::ValuesF32;
#[cfg(target_arch = "aarch64")]
use super::values_f16::ValuesF16;
use super::values_i16::{ValuesI16, fold_columns};
use crate::gemm::int8::{PackedB8, RowGroups, RowScale};
use crate::gemm::{KC, Rows, Tiles, cover};
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa, Simd};

/// The type of weights and values, and of their products, in 8-bit precision. Only ARM's instruction sets
/// have others than words: elsewhere those would be code that never runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// Integers of 16 bits, with sums in 32: an error of about 2e-3 (relative, L2).
    I16,
    /// Half precision, 64 products at a time (32 of a score over grids), with sums of those in single
    /// precision: an error of about 1e-3, and of 3e-3 over grids.
    F16,
    /// Single precision.
    F32,
}

impl ValueType {
    /// The fastest of an instruction set.
    pub fn of(isa: Isa) -> Self {
        #[cfg(target_arch = "aarch64")]
        if !isa.tuning().words_pay {
            return if isa.multiplies_halves() { Self::F16 } else { Self::F32 };
        }
        #[cfg(not(target_arch = "aarch64"))]
        debug_assert!(isa.tuning().words_pay, "the other types are ARM's");
        Self::I16
    }
}

/// As [`super::attention`].
///
/// ```
/// use kernels::Isa;
/// use kernels::attention::{Shape, int8};
/// use kernels::gemm::Rows;
///
/// let shape = Shape { batch: 1, heads: 1, nq: 1, nk: 2, d: 2, dv: 1 };
/// let (q, k, v) = ([1.0, 1.0], [3.0, 0.0, 0.0, 3.0], [10.0, 20.0]);
/// let mut out = [0.0];
/// int8::attention(Isa::best(), shape, 1.0, Rows::new(&q, 2), Rows::new(&k, 2), Rows::new(&v, 1), &mut out);
/// assert!((out[0] - 15.0).abs() < 0.2);
/// ```
///
/// # Panics
/// As [`super::attention`].
#[track_caller]
pub fn attention(isa: Isa, shape: Shape, scale: f32, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
    attend_int8(isa, shape, scale, (q, k, v), &Repeated::none(), out);
}

/// As [`super::attention_repeated`].
///
/// # Panics
/// As [`super::attention_repeated`].
#[track_caller]
pub fn attention_repeated(
    isa: Isa,
    shape: Shape,
    scale: f32,
    operands: (Rows, Rows, Rows),
    repeated: &Repeated,
    out: &mut [f32],
) {
    assert_eq!(shape.batch, 1, "attention_repeated: {shape:?}");
    attend_int8(isa, shape, scale, operands, repeated, out);
}

#[track_caller]
fn attend_int8(
    isa: Isa,
    shape: Shape,
    scale: f32,
    operands: (Rows, Rows, Rows),
    repeated: &Repeated,
    out: &mut [f32],
) {
    match ValueType::of(isa) {
        #[cfg(target_arch = "aarch64")]
        ValueType::F16 => attend::<KeysI8<ValuesF16>>(isa, shape, scale, operands, repeated, out),
        #[cfg(target_arch = "aarch64")]
        ValueType::F32 => attend::<KeysI8<ValuesF32>>(isa, shape, scale, operands, repeated, out),
        _ => attend::<KeysI8<ValuesI16>>(isa, shape, scale, operands, repeated, out),
    }
}

/// As [`super::attention_block`].
///
/// # Panics
/// As [`super::attention`].
#[track_caller]
pub fn attention_block(isa: Isa, shape: Shape, scale: f32, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
    let (operands, every) = ((q, k, v), &Repeated::none());
    match ValueType::of(isa) {
        #[cfg(target_arch = "aarch64")]
        ValueType::F16 => attend_block::<KeysI8<ValuesF16>>(isa, shape, scale, operands, every, out),
        #[cfg(target_arch = "aarch64")]
        ValueType::F32 => attend_block::<KeysI8<ValuesF32>>(isa, shape, scale, operands, every, out),
        _ => attend_block::<KeysI8<ValuesI16>>(isa, shape, scale, operands, every, out),
    }
}

/// Keys as bytes, with values of type `V`.
#[derive(Debug, Default)]
struct KeysI8<V> {
    packed: PackedB8,
    mean: Vec<f32>,
    values: PhantomData<V>,
}

/// The values of 8-bit keys: a thread keeps storage for each kind.
trait ValuesOfBytes: Values {
    fn pool() -> &'static LocalKey<Pool<KeysI8<Self>>>;
}

impl ValuesOfBytes for ValuesI16 {
    fn pool() -> &'static LocalKey<Pool<KeysI8<Self>>> {
        thread_local!(static POOL: Pool<KeysI8<ValuesI16>> = const { RefCell::new(Vec::new()) });
        &POOL
    }
}

#[cfg(target_arch = "aarch64")]
impl ValuesOfBytes for ValuesF16 {
    fn pool() -> &'static LocalKey<Pool<KeysI8<Self>>> {
        thread_local!(static POOL: Pool<KeysI8<ValuesF16>> = const { RefCell::new(Vec::new()) });
        &POOL
    }
}

#[cfg(target_arch = "aarch64")]
impl ValuesOfBytes for ValuesF32 {
    fn pool() -> &'static LocalKey<Pool<KeysI8<Self>>> {
        thread_local!(static POOL: Pool<KeysI8<ValuesF32>> = const { RefCell::new(Vec::new()) });
        &POOL
    }
}

/// The queries of a block, quantised.
struct QueriesU8<'a> {
    isa: Isa,
    rows: RowGroups<'a>,
    /// Times the scale of the softmax.
    scales: &'a [RowScale],
}

impl<V: ValuesOfBytes> Keys for KeysI8<V> {
    type Values = V;
    type Queries<'a> = QueriesU8<'a>;

    fn pack(&mut self, isa: Isa, keys: Rows, n: usize, d: usize) {
        // Sums in single precision: the mean need not be exact, since any vector could be subtracted.
        self.mean = fold_columns(keys, n, d, |sum, x| sum + x);
        self.mean.iter_mut().for_each(|mean| *mean /= n as f32);
        self.packed.repack_nk(isa, keys, &self.mean, n, d);
    }

    fn with_queries(
        &self,
        isa: Isa,
        queries: Rows,
        m: usize,
        scale: f32,
        f: impl FnOnce(&Self::Queries<'_>),
    ) {
        let d = self.packed.k();
        parallel::with_scratch_u8(RowGroups::size(isa, m, d), |bytes| {
            let mut rows = RowGroups::new(isa, bytes, d);
            let mut scales = [RowScale::default(); QUERIES];
            isa.dispatch_dots(Quantize { queries, d, scale, rows: &mut rows, scales: &mut scales[..m] });
            f(&QueriesU8 { isa, rows, scales: &scales[..m] });
        });
    }

    #[inline(always)]
    fn scores<S: Simd, const MR: usize, const NV: usize>(
        &self,
        _: S,
        queries: &Self::Queries<'_>,
        _: usize,
        range: Range<usize>,
        scores: &mut [f32],
    ) {
        queries.isa.dispatch_dots(Scores { queries, keys: &self.packed, range, scores });
    }

    fn pool() -> &'static LocalKey<Pool<Self>> {
        V::pool()
    }
}

struct Quantize<'a, 'b> {
    queries: Rows<'a>,
    d: usize,
    scale: f32,
    rows: &'a mut RowGroups<'b>,
    scales: &'a mut [RowScale],
}

impl DotOp for Quantize<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        self.rows.fill(d, self.queries, self.d, self.scales);
        self.scales.iter_mut().for_each(|row| row.scale *= self.scale);
    }
}

/// `S ← q · kᵀ` for the keys of one block.
struct Scores<'a> {
    queries: &'a QueriesU8<'a>,
    keys: &'a PackedB8,
    range: Range<usize>,
    scores: &'a mut [f32],
}

impl DotOp for Scores<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let sizes = (self.queries.scales.len(), self.range.len());
        let lanes = FloatsOf::<D>::LANES;
        cover::<D, MR, NV>(d, lanes, sizes, &mut ScoreTiles { of: self, shape: (MR, NV * lanes) });
    }
}

struct ScoreTiles<'a> {
    of: Scores<'a>,
    /// Of the whole register tile.
    shape: (usize, usize),
}

impl<D: Dot> Tiles<D> for ScoreTiles<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, d: D, panel: usize, i: usize) {
        let (lanes, width) = (FloatsOf::<D>::LANES, self.shape.1);
        let Scores { queries: QueriesU8 { rows, scales, .. }, keys, range, scores } = &mut self.of;
        let at = (range.start / width + panel, i);
        let products = keys.products::<D, MR, NV>(d, rows, scales, at, self.shape);
        for (r, products) in products.into_iter().enumerate() {
            for (v, x) in products.into_iter().enumerate() {
                x.store(&mut scores[(i + r) * KC + panel * width + v * lanes..]);
            }
        }
    }
}
