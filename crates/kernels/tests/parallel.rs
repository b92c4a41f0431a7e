//! Pieces of work on the threads of the pool.

use kernels::parallel::{map, map_large};

#[test]
fn large_pieces_come_back_in_order() {
    // Nested parallelism, so that a waiting thread may steal another task.
    let sum = |i: usize| map(i % 7, |j| i * j).into_iter().sum::<usize>();
    for count in [0, 1, 2, 3, 50] {
        assert_eq!(map_large(count, sum), (0..count).map(sum).collect::<Vec<_>>());
    }
}
