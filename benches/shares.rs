//! Every matrix product and attention as a share of the machine's peak:
//! `cargo bench --bench shares -- [PART ..]` runs those whose `kernel/layer/instruction set/threads` contains
//! every PART.
//!
//! Before and after each run of a kernel the peak of the same instruction set and threads is measured, so
//! that a slower virtual machine has a lower peak, too. Shares are medians. CSV on stdout, means and minima
//! on stderr.

use std::collections::BTreeMap;
use std::time::Instant;

use kernels::attention::{self, GridKeys, GridTokens};
use kernels::gemm::int8::PackedB8;
use kernels::gemm::{Epilogue, PackedB, Rows, gemm, int8};
use kernels::rope::Rope;
use kernels::{Isa, peak};
use sam2_benches::{ATTENTIONS, GEMMS, noise, runs};

/// Measurements per kernel; its share is their median.
const ROUNDS: usize = 9;
/// Minimum time of one measurement, in seconds.
const MIN_TIME: f64 = 0.01;

/// Operations of a kernel by type, two for each multiply-add.
#[derive(Clone, Copy, Default)]
struct Work {
    floats: u64,
    bytes: u64,
    /// On 16-bit integers, at half the throughput of bytes.
    integers: u64,
}

impl Work {
    fn total(&self) -> f64 {
        (self.floats + self.bytes + self.integers) as f64
    }

    /// Time at the current peak, in seconds.
    fn floor(&self, isa: Isa) -> f64 {
        let mut floor = 0.0;
        if self.floats > 0 {
            floor += self.floats as f64 / peak::multiply_adds(isa);
        }
        if self.bytes + self.integers > 0 {
            floor += (self.bytes + 2 * self.integers) as f64 / peak::byte_products(isa);
        }
        floor
    }
}

struct Report {
    wanted: Vec<String>,
    /// Measurements per kernel; with 0 it runs once.
    rounds: usize,
    /// By kernel and configuration.
    shares: BTreeMap<(&'static str, String), Vec<f64>>,
}

impl Report {
    fn wants(&self, kernel: &str, layer: &str, label: &str) -> bool {
        let name = format!("{kernel}/{layer}/{label}");
        self.wanted.iter().all(|part| name.contains(part))
    }

    /// Measures `run`, which is called in the current pool.
    fn measure(
        &mut self,
        (kernel, layer, label): (&'static str, &str, &str),
        isa: Isa,
        work: Work,
        mut run: impl FnMut(),
    ) {
        let start = Instant::now();
        run();
        if self.rounds == 0 {
            return;
        }
        let times = (MIN_TIME / start.elapsed().as_secs_f64()).ceil().max(1.0) as usize;
        let mut rounds: Vec<(f64, f64)> = (0..self.rounds)
            .map(|_| {
                let before = work.floor(isa);
                let start = Instant::now();
                (0..times).for_each(|_| run());
                let time = start.elapsed().as_secs_f64() / times as f64;
                ((before + work.floor(isa)) / 2.0 / time, work.total() / time / 1e9)
            })
            .collect();
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (share, rate) = rounds[self.rounds / 2];
        println!("{kernel},{layer},{label},{rate:.1},{share:.3}");
        self.shares.entry((kernel, label.to_owned())).or_default().push(share);
    }

    fn summary(&self) {
        for ((kernel, label), shares) in &self.shares {
            let mean = shares.iter().map(|share| share.ln()).sum::<f64>() / shares.len() as f64;
            let lowest = shares.iter().fold(f64::INFINITY, |lowest, &share| lowest.min(share));
            eprintln!("{kernel:<16} {label:<12} geometric mean {:.3}, lowest {lowest:.3}", mean.exp());
        }
    }
}

fn layers(report: &mut Report) {
    for shape in GEMMS {
        let (m, k, n) = (shape.m, shape.k, shape.n);
        let (a, b, mut out) = (noise(m * k), noise(k * n), noise(m * n));
        for (isa, pool, label) in runs() {
            let none = Epilogue::default();
            pool.install(|| {
                if report.wants("gemm_f32", shape.name, &label) {
                    let packed = PackedB::from_nk(isa, &b, n, k);
                    let work = Work { floats: shape.flops(), ..Work::default() };
                    report.measure(("gemm_f32", shape.name, &label), isa, work, || {
                        gemm(isa, &a, m, &packed, &mut out, &none)
                    });
                }
                if report.wants("gemm_int8", shape.name, &label) {
                    let packed = PackedB8::from_nk(isa, &b, n, k);
                    let work = Work { bytes: shape.flops(), ..Work::default() };
                    report.measure(("gemm_int8", shape.name, &label), isa, work, || {
                        int8::gemm(isa, &a, m, &packed, &mut out, &none)
                    });
                }
            });
        }
    }
}

fn attentions(report: &mut Report) {
    for case in ATTENTIONS {
        let s = case.shape;
        let (qk, vo) = (s.heads * s.d, s.heads * s.dv);
        let (q, k, v) = (noise(s.batch * s.nq * qk), noise(s.batch * s.nk * qk), noise(s.batch * s.nk * vo));
        let mut out = noise(s.batch * s.nq * vo);
        let scale = 1.0 / (s.d as f32).sqrt();
        let scores = case.flops() * s.d as u64 / (s.d + s.dv) as u64;
        let floats = Work { floats: case.flops(), ..Work::default() };
        let integers = Work { bytes: scores, integers: case.flops() - scores, floats: 0 };
        for (isa, pool, label) in runs() {
            let rows = || (Rows::new(&q, qk), Rows::new(&k, qk), Rows::new(&v, vo));
            pool.install(|| {
                if report.wants("attention_f32", case.name, &label) {
                    report.measure(("attention_f32", case.name, &label), isa, floats, || {
                        let (q, k, v) = rows();
                        attention::attention(isa, s, scale, q, k, v, &mut out);
                    });
                }
                if report.wants("attention_int8", case.name, &label) {
                    report.measure(("attention_int8", case.name, &label), isa, integers, || {
                        let (q, k, v) = rows();
                        attention::int8::attention(isa, s, scale, q, k, v, &mut out);
                    });
                }
            });
        }
    }
}

/// The cross-attention over seven memories as the model runs it. Its work is that of the products computed,
/// without the additions of the split.
fn grids(report: &mut Report) {
    let name = "memory_attention.cross.unformed.eighth";
    let (copies, side, nq, d, m) = (7, 64, 512, 256, 64);
    let tokens = copies * side * side;
    let (q, z) = (noise(nq * d), noise(tokens * m));
    let (weight, bias) = (noise(d * m), noise(d));
    let rope = Rope::new(side, d, 10_000.0);
    let mut out = noise(nq * m);
    let keys = GridKeys::new(&weight, &bias, 0.01, &rope);
    let [split, products] = [2 * nq * keys.split_products(), 4 * nq * tokens * m].map(|x| x as u64);
    for (isa, pool, label) in runs() {
        pool.install(|| {
            if report.wants("attention_f32", name, &label) {
                let tokens = GridTokens::new(isa, (copies, side * side), (&z, m), (&z, m));
                let work = Work { floats: split + products, ..Work::default() };
                report.measure(("attention_f32", name, &label), isa, work, || {
                    keys.attend(isa, &q, &tokens, &[], &mut out)
                });
            }
            if report.wants("attention_int8", name, &label) {
                let tokens = GridTokens::int16(isa, (copies, side * side), (&z, m), (&z, m));
                let work = Work { integers: products, floats: split, ..Work::default() };
                report.measure(("attention_int8", name, &label), isa, work, || {
                    keys.attend(isa, &q, &tokens, &[], &mut out)
                });
            }
        });
    }
}

fn main() {
    // `cargo bench` passes `--bench`; `cargo test` runs everything once.
    let (options, wanted): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let rounds = if options.iter().any(|option| option == "--bench") { ROUNDS } else { 0 };
    let mut report = Report { wanted, rounds, shares: BTreeMap::new() };
    println!("kernel,layer,run,giga_operations_per_second,share_of_peak");
    layers(&mut report);
    attentions(&mut report);
    grids(&mut report);
    report.summary();
}
