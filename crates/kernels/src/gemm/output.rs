//! What becomes of finished sums: the epilogue, and the way into `C`.

use super::{Activation, Epilogue};
use crate::math;
use crate::simd::{F32s, Simd, TileOp};

/// Where the tiles of a block of rows go.
pub(super) struct Output<'a> {
    pub n: usize,
    /// Rows of `n`.
    pub c: &'a mut [f32],
    /// Whether `c` is part of something larger than [`super::FAR_FROM`].
    pub far: bool,
    pub epilogue: Epilogue<'a>,
}

impl Output<'_> {
    /// Asks for the lines of the tile at `row` and `column`, if they are far, and of its residual if it is the `last` time, so that they are
    /// there when its sums are done. A line that it shares with the panel before has come with that.
    #[inline(always)]
    pub fn ask_for<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        (row, column): (usize, usize),
        last: bool,
    ) {
        if !self.far {
            return;
        }
        let residual = self.epilogue.residual.filter(|_| last);
        for x in [Some(&*self.c), residual].into_iter().flatten() {
            for r in 0..MR {
                for v in 0..NV {
                    let at = (row + r) * self.n + column + (v + 1) * S::F32::LANES - 1;
                    S::F32::prefetch(s, x.as_ptr().wrapping_add(at));
                }
            }
        }
    }

    /// Stores a tile at `row` and `column`, the `first` time as it is, else added to what is there, the `last` time through the epilogue.
    #[inline(always)]
    pub fn put<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        place: (usize, usize),
        time: (bool, bool),
        tile: [[S::F32; NV]; MR],
    ) {
        if place.1 + NV * S::F32::LANES <= self.n {
            self.put_columns::<S, MR, NV, true>(s, place, time, tile);
        } else {
            self.put_columns::<S, MR, NV, false>(s, place, time, tile);
        }
    }

    /// [`Self::put`]; `WHOLE`: all its columns are there.
    #[inline(always)]
    fn put_columns<S: Simd, const MR: usize, const NV: usize, const WHOLE: bool>(
        &mut self,
        s: S,
        (row, column): (usize, usize),
        (first, last): (bool, bool),
        mut tile: [[S::F32; NV]; MR],
    ) {
        let lanes = S::F32::LANES;
        let columns = if WHOLE { NV * lanes } else { self.n - column };
        let place = |r: usize| (row + r) * self.n + column..(row + r) * self.n + column + columns;
        if !first {
            for (r, tile) in tile.iter_mut().enumerate() {
                add_row::<S, NV, WHOLE>(s, tile, &self.c[place(r)]);
            }
        }
        if last {
            let Epilogue { bias, activation, residual } = self.epilogue;
            if let Some(bias) = bias {
                let bias = &bias[column..column + columns];
                for tile in &mut tile {
                    add_row::<S, NV, WHOLE>(s, tile, bias);
                }
            }
            // Decided once for the tile, not for every vector.
            match activation {
                Activation::None => {}
                Activation::Relu => {
                    let zero = S::F32::splat(s, 0.0);
                    map(
                        &mut tile,
                        #[inline(always)]
                        |x| zero.max(x),
                    );
                }
                Activation::Gelu => map(
                    &mut tile,
                    #[inline(always)]
                    |x| math::gelu(s, x),
                ),
                Activation::GeluCoarse => map(
                    &mut tile,
                    #[inline(always)]
                    |x| math::gelu_coarse(s, x),
                ),
            }
            if let Some(residual) = residual {
                for (r, tile) in tile.iter_mut().enumerate() {
                    add_row::<S, NV, WHOLE>(s, tile, &residual[place(r)]);
                }
            }
        }
        for (r, tile) in tile.into_iter().enumerate() {
            let row = &mut self.c[place(r)];
            for (v, x) in tile.into_iter().enumerate() {
                let at = v * lanes;
                if WHOLE {
                    x.store(&mut row[at..]);
                } else if at < columns {
                    x.store_partial(&mut row[at..]);
                }
            }
        }
    }
}

/// Adds the floats of `row` to vectors, of which it is as long if `WHOLE`, else shorter.
#[inline(always)]
fn add_row<S: Simd, const NV: usize, const WHOLE: bool>(s: S, vectors: &mut [S::F32; NV], row: &[f32]) {
    for (v, x) in vectors.iter_mut().enumerate() {
        let at = v * S::F32::LANES;
        if WHOLE {
            *x = x.add(S::F32::load(s, &row[at..]));
        } else if at < row.len() {
            *x = x.add(S::F32::load_partial(s, &row[at..]));
        }
    }
}

#[inline(always)]
fn map<V: Copy, const MR: usize, const NV: usize>(tile: &mut [[V; NV]; MR], f: impl Fn(V) -> V) {
    for row in tile {
        for x in row {
            *x = f(*x);
        }
    }
}

/// The epilogue by itself, over whole rows.
pub(super) struct Finish<'a> {
    pub n: usize,
    pub c: &'a mut [f32],
    pub epilogue: Epilogue<'a>,
}

impl TileOp for Finish<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let (n, lanes) = (self.n, S::F32::LANES);
        let mut output = Output { n, c: self.c, far: false, epilogue: self.epilogue };
        for i in 0..output.c.len() / n {
            for column in (0..n).step_by(lanes) {
                let end = n.min(column + lanes);
                let x = S::F32::load_partial(s, &output.c[i * n + column..i * n + end]);
                output.put(s, (i, column), (true, true), [[x]]);
            }
        }
    }
}
