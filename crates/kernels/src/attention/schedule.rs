//! Divides an attention among threads, heads and blocks of queries.

use super::flash::{KeyValues, Keys, QUERIES, block};
use super::shape::{KeysOfOneKind, Repeated, Shape};
use super::single::KeysF32;
use crate::gemm::{KC, Rows};
use crate::parallel;
use crate::simd::Isa;

#[track_caller]
fn check(shape: Shape, out: &[f32]) {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    assert_eq!(out.len(), batch * nq * heads * dv, "attention: out, {shape:?}");
    assert!(nk > 0 && d <= KC, "attention: needs keys and d <= {KC}, {shape:?}");
}

#[track_caller]
pub(super) fn attend<K: Keys>(
    isa: Isa,
    shape: Shape,
    scale: f32,
    (q, k, v): (Rows, Rows, Rows),
    repeated: &Repeated,
    out: &mut [f32],
) {
    check(shape, out);
    if out.is_empty() {
        return;
    }
    let Shape { batch, heads, nq, nk, dv, .. } = shape;
    let width = heads * dv;
    if batch > 1 {
        // One task per problem: its keys are packed, used and dropped on one core.
        let one = Shape { batch: 1, ..shape };
        parallel::for_each_chunk_mut(out, nq * width, |i, out| {
            let operands = (q.skip(i * nq), k.skip(i * nk), v.skip(i * nk));
            attend_block::<K>(isa, one, scale, operands, repeated, out);
        });
        return;
    }
    let rows = parallel::rows_per_task(nq, isa.tile_shape().0, QUERIES);
    KeyValues::<K>::lend(|kv| {
        for h in 0..heads {
            kv.pack(isa, shape, h, k, v);
            parallel::for_each_chunk_mut(out, rows * width, |i, out| {
                block(isa, shape, scale, h, q.skip(i * rows), (kv, repeated), out);
            });
        }
    });
}

#[track_caller]
pub(super) fn attend_block<K: Keys>(
    isa: Isa,
    shape: Shape,
    scale: f32,
    (q, k, v): (Rows, Rows, Rows),
    repeated: &Repeated,
    out: &mut [f32],
) {
    check(shape, out);
    let Shape { heads, nq, nk, dv, .. } = shape;
    KeyValues::<K>::lend(|kv| {
        for (i, out) in out.chunks_exact_mut((nq * heads * dv).max(1)).enumerate() {
            let (q, k, v) = (q.skip(i * nq), k.skip(i * nk), v.skip(i * nk));
            for h in 0..heads {
                kv.pack(isa, shape, h, k, v);
                block(isa, shape, scale, h, q, (kv, repeated), out);
            }
        }
    });
}

#[track_caller]
pub(super) fn attend_to_two_kinds(
    isa: Isa,
    scale: f32,
    q: Rows,
    kinds: [KeysOfOneKind; 2],
    dv: usize,
    out: &mut [f32],
) {
    let nq = out.len() / dv.max(1);
    let [first, second] = kinds;
    let (nk, d) = (first.n + second.n, first.d.max(second.d));
    let shape = Shape { batch: 1, heads: 1, nq, nk, d, dv };
    check(shape, out);
    let rows = parallel::rows_per_task(nq, isa.tile_shape().0, QUERIES);
    KeyValues::<KeysF32>::lend(|kv| {
        kv.keys.pack_two(isa, kinds.map(|kind| (kind.keys, kind.n, kind.d)));
        kv.values.pack_two(isa, kinds.map(|kind| (kind.values, kind.n)), dv);
        parallel::for_each_chunk_mut(out, rows * dv, |i, out| {
            block(isa, shape, scale, 0, q.skip(i * rows), (kv, &Repeated::none()), out);
        });
    });
}
