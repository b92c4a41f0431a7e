//! Reader of the golden probes: samples and statistics of tensors that Meta's code computed.
//!
//! `tools/probes.py` describes the format. A probe holds all values of a small tensor, or samples at flat
//! indices that depend on its name, and the shape, mean, standard deviation, largest absolute value and L2
//! norm of the whole tensor.

use std::fmt;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::seeded::{fnv1a64, splitmix64};

/// The probes of one file under `tests/golden/`.
pub struct Probes {
    bytes: Vec<u8>,
    file: String,
}

/// Allowed errors of a tensor against its golden, relative to the L2 norm of the golden's samples, or to the
/// root mean square (RMS) of the whole tensor.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Largest relative L2 error of the samples.
    pub rel_l2: f64,
    /// Largest single error of the samples over the root mean square of the tensor.
    pub max_over_rms: f64,
    /// Largest single error of the samples. Infinity where only the relative errors matter.
    pub max_abs: f64,
}

impl Budget {
    /// A budget on the relative errors alone.
    #[must_use]
    pub fn relative(rel_l2: f64, max_over_rms: f64) -> Self {
        Self { rel_l2, max_over_rms, max_abs: f64::INFINITY }
    }

    /// A budget on the absolute error alone.
    #[must_use]
    pub fn absolute(max_abs: f64) -> Self {
        Self { rel_l2: f64::INFINITY, max_over_rms: f64::INFINITY, max_abs }
    }
}

/// The errors of a tensor against its golden.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Name of the probe.
    pub name: String,
    /// Relative L2 error of the samples.
    pub rel_l2: f64,
    /// Largest single error of the samples over the root mean square of the tensor.
    pub max_over_rms: f64,
    /// Largest single error of the samples.
    pub max_abs: f64,
    /// Largest error of mean, standard deviation and RMS of the whole tensor, over its RMS. Detects errors
    /// outside the samples.
    pub stats: f64,
    /// Flat index, computed and golden value of the worst sample.
    pub worst: (usize, f32, f32),
    /// Relative L2 distance of the golden (float32) from float64, if known.
    pub reference: Option<f64>,
}

impl Deviation {
    /// Whether every error is within the budget. False for NaN.
    #[must_use]
    pub fn within(&self, budget: Budget) -> bool {
        // The errors of mean, standard deviation and RMS are bounded by the whole tensor's L2 error. With an
        // infinite budget the comparison still fails on NaN.
        self.rel_l2 <= budget.rel_l2
            && self.max_over_rms <= budget.max_over_rms
            && self.max_abs <= budget.max_abs
            && self.stats <= budget.rel_l2.max(1e-7)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, actual, expected) = self.worst;
        write!(
            f,
            "{}: rel L2 {:.2e}, max/rms {:.2e}, max abs {:.2e}, stats {:.2e}; \
             worst at {index}: {actual} for {expected}",
            self.name, self.rel_l2, self.max_over_rms, self.max_abs, self.stats
        )?;
        self.reference.map_or(Ok(()), |r| write!(f, "; reference itself is {r:.1e} from float64"))
    }
}

impl Probes {
    /// Opens `tests/golden/{file}`.
    ///
    /// # Panics
    /// If the file cannot be read or is not safetensors.
    #[must_use]
    pub fn open(file: &str) -> Self {
        let path = crate::golden(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = Path::new(file).display().to_string();
        let probes = Self { bytes, file: name };
        drop(probes.parsed());
        probes
    }

    fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap_or_else(|e| panic!("{}: {e}", self.file))
    }

    /// Names of the probed tensors, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.parsed().names().into_iter().filter(|n| !n.contains('#')).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// All keys, those of facts included.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.parsed().names().into_iter().map(str::to_owned).collect()
    }

    /// Whether the file has this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.parsed().tensor(key).is_ok()
    }

    fn numbers<T>(&self, key: &str, dtype: Dtype, read: impl Fn(&[u8]) -> T) -> Vec<T> {
        let parsed = self.parsed();
        let view: TensorView<'_> = parsed.tensor(key).unwrap_or_else(|e| panic!("{}: {key}: {e}", self.file));
        assert_eq!(view.dtype(), dtype, "{}: {key}", self.file);
        view.data().chunks_exact(dtype.bitsize() / 8).map(read).collect()
    }

    /// The f32 values stored under a key: the samples of a probe, or a fact such as the points of a prompt.
    #[must_use]
    pub fn f32s(&self, key: &str) -> Vec<f32> {
        self.numbers(key, Dtype::F32, |b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
    }

    /// The f64 values stored under a key.
    #[must_use]
    pub fn f64s(&self, key: &str) -> Vec<f64> {
        self.numbers(key, Dtype::F64, |b| f64::from_le_bytes(b.try_into().expect("8 bytes")))
    }

    /// The i64 values stored under a key.
    #[must_use]
    pub fn i64s(&self, key: &str) -> Vec<i64> {
        self.numbers(key, Dtype::I64, |b| i64::from_le_bytes(b.try_into().expect("8 bytes")))
    }

    /// The i32 values stored under a key.
    #[must_use]
    pub fn i32s(&self, key: &str) -> Vec<i32> {
        self.numbers(key, Dtype::I32, |b| i32::from_le_bytes(b.try_into().expect("4 bytes")))
    }

    /// The u64 values stored under a key.
    #[must_use]
    pub fn u64s(&self, key: &str) -> Vec<u64> {
        self.numbers(key, Dtype::U64, |b| u64::from_le_bytes(b.try_into().expect("8 bytes")))
    }

    /// The bytes stored under a key.
    #[must_use]
    pub fn u8s(&self, key: &str) -> Vec<u8> {
        self.numbers(key, Dtype::U8, |b| b[0])
    }

    /// The shape of a probed tensor.
    #[must_use]
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.i64s(&format!("{name}#shape")).iter().map(|&d| d as usize).collect()
    }

    /// Compares a whole tensor, row-major, with its probe.
    ///
    /// # Panics
    /// If the probe is missing or the shapes differ. Leading dimensions of size 1 are ignored.
    #[must_use]
    #[track_caller]
    pub fn deviation(&self, name: &str, shape: &[usize], actual: &[f32]) -> Deviation {
        let strip = |shape: &[usize]| shape.iter().copied().skip_while(|&d| d == 1).collect::<Vec<_>>();
        let expected_shape = self.shape(name);
        assert_eq!(strip(shape), strip(&expected_shape), "{}: {name}: shape", self.file);
        assert_eq!(actual.len(), expected_shape.iter().product::<usize>(), "{}: {name}: length", self.file);
        let golden = self.f32s(name);
        let seed = fnv1a64(name.as_bytes());
        let all = golden.len() == actual.len();
        let index =
            |j: usize| if all { j } else { (splitmix64(seed, j as u64) % actual.len() as u64) as usize };

        let [mean, std, _, l2] = self.f64s(&format!("{name}#stats"))[..] else { panic!("{name}#stats") };
        let rms = (l2 / (actual.len() as f64).sqrt()).max(f64::MIN_POSITIVE);
        let (mut error2, mut golden2) = (0.0, 0.0);
        let (mut max_abs, mut worst) = (0.0, (0, 0.0, 0.0));
        for (j, &expected) in golden.iter().enumerate() {
            let value = actual[index(j)];
            let error = (f64::from(value) - f64::from(expected)).abs();
            error2 += error * error;
            golden2 += f64::from(expected) * f64::from(expected);
            // NaN is the worst error.
            if error > max_abs || (error.is_nan() && !f64::is_nan(max_abs)) {
                (max_abs, worst) = (error, (index(j), value, expected));
            }
        }
        let n = actual.len() as f64;
        let sum: f64 = actual.iter().map(|&v| f64::from(v)).sum();
        let square: f64 = actual.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let centred: f64 = actual.iter().map(|&v| (f64::from(v) - sum / n).powi(2)).sum();
        let off = [sum / n - mean, (centred / n).sqrt() - std, (square / n).sqrt() - rms];
        let stats =
            off.iter().fold(0.0, |m: f64, e| if e.is_nan() { f64::NAN } else { m.max(e.abs()) }) / rms;
        Deviation {
            name: name.to_owned(),
            rel_l2: (error2 / golden2.max(f64::MIN_POSITIVE)).sqrt(),
            max_over_rms: max_abs / rms,
            max_abs,
            stats,
            worst,
            reference: self.has(&format!("{name}#f64")).then(|| self.f64s(&format!("{name}#f64"))[0]),
        }
    }

    /// Panics with a full report unless the tensor is within the budget of its probe; returns the errors.
    #[track_caller]
    pub fn check(&self, name: &str, shape: &[usize], actual: &[f32], budget: Budget) -> Deviation {
        let deviation = self.deviation(name, shape, actual);
        assert!(deviation.within(budget), "{}: {deviation}\n  budget {budget:?}", self.file);
        deviation
    }
}

/// Relative L2 distance.
#[must_use]
pub fn rel_l2(actual: &[f32], golden: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let error = square(&mut actual.iter().zip(golden).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    (error / square(&mut golden.iter().map(|&v| f64::from(v))).max(f64::MIN_POSITIVE)).sqrt()
}

/// `count` samples of the values, at indices that depend on a name.
#[must_use]
pub fn samples(name: &str, count: usize, values: &[f32]) -> Vec<f32> {
    let seed = fnv1a64(name.as_bytes());
    (0..count as u64).map(|j| values[(splitmix64(seed, j) % values.len() as u64) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::draw;

    /// `input.probe` is a seeded tensor of 4,000 values whose probe is in the goldens.
    fn probed() -> (Probes, Vec<f32>) {
        (Probes::open("probe_check.safetensors"), draw("input.probe", 4000, 0.5, 2.0))
    }

    #[test]
    fn equal_tensor_has_no_error() {
        let (probes, tensor) = probed();
        assert_eq!(probes.shape("input.probe"), [40, 100]);
        let d = probes.check("input.probe", &[1, 40, 100], &tensor, Budget::relative(1e-12, 1e-12));
        assert_eq!(d.max_abs, 0.0);
        assert!(d.stats < 1e-12, "{d}");
        probes.check("input.probe", &[40, 100], &tensor, Budget::absolute(0.0));
    }

    #[test]
    fn one_wrong_value_outside_the_samples_shows_in_the_statistics() {
        let (probes, mut tensor) = probed();
        let samples: Vec<usize> =
            (0..512).map(|j| (splitmix64(fnv1a64(b"input.probe"), j) % 4000) as usize).collect();
        let unseen = (0..4000).find(|i| !samples.contains(i)).unwrap();
        tensor[unseen] += 10.0;
        let d = probes.deviation("input.probe", &[40, 100], &tensor);
        assert_eq!(d.max_abs, 0.0);
        assert!(!d.within(Budget::relative(1e-4, 1e-3)), "{d}");
    }

    #[test]
    fn nan_and_swapped_values_fail() {
        let (probes, tensor) = probed();
        let sample = (splitmix64(fnv1a64(b"input.probe"), 7) % 4000) as usize;
        let mut broken = tensor.clone();
        broken[sample] = f32::NAN;
        let d = probes.deviation("input.probe", &[40, 100], &broken);
        assert!(d.max_abs.is_nan() && d.worst.0 == sample);
        assert!(!d.within(Budget::absolute(1e9)) && !d.within(Budget::relative(1e9, 1e9)));
        let reversed: Vec<f32> = tensor.iter().rev().copied().collect();
        assert!(!probes.deviation("input.probe", &[40, 100], &reversed).within(Budget::relative(0.1, 1.0)));
    }

    #[test]
    #[should_panic(expected = "shape")]
    fn wrong_shape_panics() {
        let (probes, tensor) = probed();
        let _ = probes.deviation("input.probe", &[100, 40], &tensor);
    }
}
