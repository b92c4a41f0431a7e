//! From sums of products to stored elements: `activation(x + bias) + residual`, and the way into `C`.

use std::ops::Range;

use crate::rows::{Gelu, GeluCoarse, Identity, Lanewise, Relu, map};
use crate::simd::{F32s, Simd, SimdOp};

/// Element-wise function applied to a finished element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Identity.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// Exact GELU.
    Gelu,
    /// GELU within 2e-4, for results that are then rounded to bytes.
    GeluCoarse,
}

/// The operations on an element of `A · B` before it is stored: `activation(x + bias) + residual`.
///
/// ```
/// use kernels::Isa;
/// use kernels::gemm::{Epilogue, PackedB, gemm};
///
/// let isa = Isa::best();
/// let twice = PackedB::from_kn(isa, &[2.0], 1, 1);
/// let mut c = [0.0; 2];
/// gemm(isa, &[3.0, 4.0], 2, &twice, &mut c, &Epilogue::bias(&[1.0]).residual(&[10.0, 20.0]));
/// assert_eq!(c, [17.0, 29.0]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One value per column.
    pub bias: Option<&'a [f32]>,
    /// After the bias.
    pub activation: Activation,
    /// `(m, n)`, contiguous; added last.
    pub residual: Option<&'a [f32]>,
}

impl<'a> Epilogue<'a> {
    /// Bias only.
    pub fn bias(bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), ..Self::default() }
    }

    /// With `activation` after the bias.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With a residual added last.
    pub fn residual(self, residual: &'a [f32]) -> Self {
        Self { residual: Some(residual), ..self }
    }

    /// The part that belongs to rows `first ..` of the output.
    pub(super) fn rows(self, first: usize, n: usize) -> Self {
        Self { residual: self.residual.map(|r| &r[first * n..]), ..self }
    }

    #[track_caller]
    pub(super) fn check(&self, m: usize, k: usize, n: usize) {
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), n, "gemm {m}×{k}×{n}: bias");
        }
        if let Some(residual) = self.residual {
            assert_eq!(residual.len(), m * n, "gemm {m}×{k}×{n}: residual");
        }
    }
}

/// Position of a k-block among those of a product.
#[derive(Clone, Copy)]
pub(super) struct KBlockPosition {
    pub first: bool,
    pub last: bool,
}

impl KBlockPosition {
    /// The only k-block.
    pub const ONLY: Self = Self { first: true, last: true };
}

/// The output of a block of rows.
pub(super) struct Output<'a> {
    pub n: usize,
    /// Rows of `n`.
    pub c: &'a mut [f32],
    /// Whether lines are prefetched: see [`super::Blocking::prefetch_output_above`].
    pub prefetched: bool,
    pub epilogue: Epilogue<'a>,
}

impl Output<'_> {
    /// Prefetches the output lines of the tile at `row` and `column` and, on the last k-block, those of the
    /// residual. A line shared with the panel before was prefetched with that panel.
    #[inline(always)]
    pub fn prefetch<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        (row, column): (usize, usize),
        position: KBlockPosition,
    ) {
        if !self.prefetched {
            return;
        }
        let residual = self.epilogue.residual.filter(|_| position.last);
        for x in [Some(&*self.c), residual].into_iter().flatten() {
            for r in 0..MR {
                for v in 0..NV {
                    let at = (row + r) * self.n + column + (v + 1) * S::F32::LANES - 1;
                    S::F32::prefetch(s, x.as_ptr().wrapping_add(at));
                }
            }
        }
    }

    /// Stores a tile at `row` and `column`. First k-block: overwrite; later: accumulate; last: apply the
    /// epilogue.
    ///
    /// A whole tile gets a bias, a ReLU and a residual in registers. The rest, GELU and the columns beyond
    /// the last whole vector, is [`Remainder`], one function for all tile shapes: in each of them its code
    /// would take half of this crate.
    #[inline(always)]
    pub fn store<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        (row, column): (usize, usize),
        position: KBlockPosition,
        mut tile: [[S::F32; NV]; MR],
    ) {
        let (n, lanes) = (self.n, S::F32::LANES);
        let Epilogue { bias, activation, residual } = self.epilogue;
        let at = |r: usize| (row + r) * n + column;
        if column + NV * lanes > n {
            for (r, tile) in tile.into_iter().enumerate() {
                let row = &mut self.c[at(r)..(row + r + 1) * n];
                for (v, mut x) in tile.into_iter().enumerate() {
                    if let Some(row) = row.get_mut(v * lanes..).filter(|row| !row.is_empty()) {
                        if !position.first {
                            x = x.add(S::F32::load_partial(s, row));
                        }
                        x.store_partial(row);
                    }
                }
            }
            if position.last {
                self.finish(s, (row, MR), column..n, self.epilogue);
            }
            return;
        }
        if !position.first {
            for (r, tile) in tile.iter_mut().enumerate() {
                add_row::<S, NV>(s, tile, &self.c[at(r)..]);
            }
        }
        let mut rest = None;
        if position.last {
            if let Some(bias) = bias {
                for tile in &mut tile {
                    add_row::<S, NV>(s, tile, &bias[column..]);
                }
            }
            match activation {
                Activation::None | Activation::Relu => {
                    if activation == Activation::Relu {
                        let zero = S::F32::splat(s, 0.0);
                        for row in &mut tile {
                            for x in row {
                                *x = zero.max(*x);
                            }
                        }
                    }
                    if let Some(residual) = residual {
                        for (r, tile) in tile.iter_mut().enumerate() {
                            add_row::<S, NV>(s, tile, &residual[at(r)..]);
                        }
                    }
                }
                Activation::Gelu | Activation::GeluCoarse => {
                    rest = Some(Epilogue { bias: None, ..self.epilogue })
                }
            }
        }
        for (r, tile) in tile.into_iter().enumerate() {
            let row = &mut self.c[at(r)..at(r) + NV * lanes];
            for (x, out) in tile.into_iter().zip(row.chunks_exact_mut(lanes)) {
                x.store(out);
            }
        }
        if let Some(epilogue) = rest {
            self.finish(s, (row, MR), column..column + NV * lanes, epilogue);
        }
    }

    /// Applies `epilogue` to stored elements: `rows` from `first` on, some of their columns.
    #[inline(always)]
    fn finish<S: Simd>(
        &mut self,
        s: S,
        (first, rows): (usize, usize),
        columns: Range<usize>,
        epilogue: Epilogue,
    ) {
        let n = self.n;
        let c = &mut self.c[first * n..(first + rows) * n];
        s.run(Remainder { n, c, columns, epilogue: epilogue.rows(first, n) });
    }
}

/// Adds `NV` vectors at the front of `row`.
#[inline(always)]
fn add_row<S: Simd, const NV: usize>(s: S, vectors: &mut [S::F32; NV], row: &[f32]) {
    for (v, x) in vectors.iter_mut().enumerate() {
        *x = x.add(S::F32::load(s, &row[v * S::F32::LANES..]));
    }
}

/// The epilogue over stored elements: some columns of whole rows.
pub(super) struct Remainder<'a> {
    pub n: usize,
    /// Rows of `n`.
    pub c: &'a mut [f32],
    pub columns: Range<usize>,
    pub epilogue: Epilogue<'a>,
}

impl SimdOp for Remainder<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        match self.epilogue.activation {
            Activation::None => self.apply(s, Identity),
            Activation::Relu => self.apply(s, Relu),
            Activation::Gelu => self.apply(s, Gelu),
            Activation::GeluCoarse => self.apply(s, GeluCoarse),
        }
    }
}

impl Remainder<'_> {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, activation: impl Lanewise<S> + Copy) {
        let Self { n, c, columns, epilogue: Epilogue { bias, residual, .. } } = self;
        let lanes = S::F32::LANES;
        for (r, row) in c.chunks_exact_mut(n).enumerate() {
            // A whole tile got its bias in registers.
            if bias.is_none() && residual.is_none() {
                map(s, &mut row[columns.clone()], activation);
                continue;
            }
            for first in columns.clone().step_by(lanes) {
                let vector = first..columns.end.min(first + lanes);
                let mut x = S::F32::load_partial(s, &row[vector.clone()]);
                if let Some(bias) = bias {
                    x = x.add(S::F32::load_partial(s, &bias[vector.clone()]));
                }
                x = activation.apply(s, x);
                if let Some(residual) = residual {
                    x = x.add(S::F32::load_partial(s, &residual[r * n..][vector.clone()]));
                }
                x.store_partial(&mut row[vector]);
            }
        }
    }
}
