//! A tap that compares every intermediate of a forward pass with its probe.

use std::collections::BTreeSet;

use sam2_model::advanced::Tap;

use crate::probe::{Budget, Probes};

/// A result may differ from the golden by this factor times the golden's distance from float64, if that
/// exceeds its row's budget: both are float32, so both have rounding errors.
const REFERENCE_FACTOR: f64 = 4.0;

/// Compares tensors with the probes of one file that have a prefix.
pub struct Golden<'p> {
    probes: &'p Probes,
    prefix: String,
    budget: fn(&str) -> Budget,
    seen: BTreeSet<String>,
    failures: Vec<String>,
    worst: f64,
}

impl<'p> Golden<'p> {
    /// Probes whose name begins with `prefix`; `budget` maps a name without the prefix to the allowed error.
    pub fn new(probes: &'p Probes, prefix: impl Into<String>, budget: fn(&str) -> Budget) -> Self {
        let prefix = prefix.into();
        Self { probes, prefix, budget, seen: BTreeSet::new(), failures: Vec::new(), worst: 0.0 }
    }

    /// Compares one tensor that no tap records.
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

    /// Reports failed comparisons in the order of computation, so that the first line locates the error.
    ///
    /// # Panics
    /// If a comparison failed, or a probe with the prefix was not compared and `skip` is false for it.
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
    /// This budget, raised to at least `rel_l2`; `max_over_rms` is scaled by the same factor.
    #[must_use]
    pub fn at_least(self, rel_l2: f64) -> Self {
        if rel_l2 <= self.rel_l2 {
            return self;
        }
        let factor = rel_l2 / self.rel_l2;
        Self { rel_l2, max_over_rms: self.max_over_rms * factor, max_abs: self.max_abs }
    }
}
