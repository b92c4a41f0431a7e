//! Times one matrix product of the kernels on every instruction set of this processor: GFLOP/s, and the share
//! of the peak that is measured beside it.
//!
//! `cargo run --release -p sam2 --example kernels_gemm [M K N]`; by default a layer of SAM 2.1 tiny,
//! 4096×384×1536.

use std::env::args;
use std::error::Error;
use std::time::Instant;

use kernels::gemm::{Epilogue, PackedB, gemm};
use kernels::{Isa, parallel, peak};

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes: Vec<usize> = args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    let (m, k, n) = match sizes[..] {
        [] => (4096, 384, 1536),
        [m, k, n] if m * k * n > 0 => (m, k, n),
        _ => return Err("give M K N, none of them 0, or nothing".into()),
    };
    let values = |len: usize| (0..len).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect::<Vec<f32>>();
    let (a, w, bias) = (values(m * k), values(n * k), values(n));
    let flops = 2.0 * (m * k * n) as f64;
    println!("{m}×{k}×{n}, {} threads", parallel::threads());
    for isa in Isa::available() {
        // Weights are packed once, as a model does when it is loaded.
        let packed = PackedB::from_nk(isa, &w, n, k);
        let mut c = vec![0.0; m * n];
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            gemm(isa, &a, m, &packed, &mut c, &Epilogue::bias(&bias));
            best = best.min(start.elapsed().as_secs_f64());
        }
        let (rate, peak) = (flops / best, peak::multiply_adds(isa));
        let share = 100.0 * rate / peak;
        println!("{:9} {:7.1} GFLOP/s, {share:3.0} % of {:.1}", isa.name(), rate / 1e9, peak / 1e9);
    }
    Ok(())
}
