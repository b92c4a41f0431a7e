//! A tap that compares every intermediate of a forward pass with its probe.

use std::collections::BTreeSet;

use sam2_model::Tap;

use crate::probe::{Budget, Probes};

/// How often the golden's own distance from float64 a result may be away from the golden, where that is
/// more than the budget of its row: both are single precision, so neither is the truth.
const REFERENCE_FACTOR: f64 = 4.0;

/// Compares tensors with the probes of one file, under a prefix.
pub struct Golden<'p> {
    probes: &'p Probes,
    prefix: String,
    budget: fn(&str) -> Budget,
    seen: BTreeSet<String>,
    failures: Vec<String>,
    worst: f64,
}

impl<'p> Golden<'p> {
    /// Probes whose name begins with `prefix`; `budget` tells what each tensor may deviate by (its name comes without
    /// the prefix).
    pub fn new(probes: &'p Probes, prefix: impl Into<String>, budget: fn(&str) -> Budget) -> Self {
        let prefix = prefix.into();
        Self { probes, prefix, budget, seen: BTreeSet::new(), failures: Vec::new(), worst: 0.0 }
    }

    /// Compares one tensor that the tap does not show.
    pub fn compare(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        let full = format!("{}{name}", self.prefix);
        if !self.probes.has(&full) {
            return;
        }
        let deviation = self.probes.deviation(&full, shape, data);
        let budget = (self.budget)(name).at_least(REFERENCE_FACTOR * deviation.reference.unwrap_or(0.0));
        self.worst = self.worst.max(deviation.rel_l2);
        if std::env::var_os("SAM2_SHOW_DEVIATIONS").is_some() {
            println!("{deviation}");
        }
        if !deviation.within(budget) {
            self.failures.push(format!("{deviation}\n  budget {budget:?}"));
        }
        self.seen.insert(full);
    }

    /// Fails if a comparison failed or a probe under the prefix was never compared (those for which `skip` holds
    /// apart); reports in the order of computation, so that the first line is where it went wrong.
    ///
    /// # Panics
    /// If so.
    #[track_caller]
    pub fn finish(self, skip: impl Fn(&str) -> bool) {
        assert!(
            self.failures.is_empty(),
            "{} tensors deviate:\n{}",
            self.failures.len(),
            self.failures.join("\n")
        );
        let left: Vec<String> = self
            .probes
            .names()
            .into_iter()
            .filter(|name| {
                name.strip_prefix(&self.prefix).is_some_and(|n| !skip(n)) && !self.seen.contains(name)
            })
            .collect();
        assert!(left.is_empty(), "probes that nothing was compared with: {left:?}");
        assert!(!self.seen.is_empty(), "no probe under {}", self.prefix);
        println!(
            "{}: {} tensors, largest relative L2 error {:.1e}",
            self.prefix,
            self.seen.len(),
            self.worst
        );
    }
}

impl Tap for Golden<'_> {
    fn enabled(&self) -> bool {
        true
    }
    fn record(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        self.compare(name, shape, data);
    }
}

impl Budget {
    /// This budget, or `rel_l2` where that is larger, with the single errors in proportion.
    #[must_use]
    pub fn at_least(self, rel_l2: f64) -> Self {
        if rel_l2 <= self.rel_l2 {
            return self;
        }
        let factor = rel_l2 / self.rel_l2;
        Self { rel_l2, max_over_rms: self.max_over_rms * factor, max_abs: self.max_abs }
    }
}
