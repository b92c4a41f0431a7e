//! One kernel's time beside what the machine can do at most.

use crate::commands::bench::middle::middle;
use std::time::Instant;

use kernels::{Isa, peak};

/// Least time of one measurement, seconds; shorter kernels are called several times.
const MIN_SECONDS: f64 = 0.01;

/// Operations of a kernel by the unit that does them, two for each multiply-add.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    pub floats: u64,
    /// Products of bytes.
    pub bytes: u64,
    /// Products of 16 bits, of which a unit does half as many at a time as of bytes.
    pub words: u64,
}

impl Work {
    pub fn total(&self) -> f64 {
        (self.floats + self.bytes + self.words) as f64
    }

    /// Seconds that this takes at the peak of this moment, in the current pool.
    fn floor(&self, isa: Isa) -> f64 {
        let mut floor = 0.0;
        if self.floats > 0 {
            floor += self.floats as f64 / peak::multiply_adds(isa);
        }
        if self.bytes + self.words > 0 {
            floor += (self.bytes + 2 * self.words) as f64 / peak::byte_products(isa);
        }
        floor
    }
}

/// What was measured of one kernel.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Seconds of the fastest measurement.
    pub min: f64,
    /// Seconds of the median one.
    pub median: f64,
    /// Median share of the peak.
    pub share: f64,
}

/// Measures `run` `repeat` times in the current pool, after one call that is not counted. The peak is
/// measured before and after each, because a virtual machine's share of its host changes from second to
/// second.
pub fn measure(isa: Isa, work: Work, repeat: usize, run: &mut dyn FnMut()) -> Timing {
    let start = Instant::now();
    run();
    let calls = (MIN_SECONDS / start.elapsed().as_secs_f64().max(1e-9)).ceil().clamp(1.0, 1e6) as usize;
    let mut times = Vec::with_capacity(repeat);
    let mut shares = Vec::with_capacity(repeat);
    for _ in 0..repeat {
        let before = work.floor(isa);
        let start = Instant::now();
        (0..calls).for_each(|_| run());
        let time = start.elapsed().as_secs_f64() / calls as f64;
        times.push(time);
        shares.push((before + work.floor(isa)) / 2.0 / time);
    }
    times.sort_by(f64::total_cmp);
    shares.sort_by(f64::total_cmp);
    Timing { min: times[0], median: middle(&times), share: middle(&shares) }
}
