//! `sam2 compare`: two files of arrays, element by element.

mod read;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tensor::npy::NpyArray;
use tensor::{Elementwise, compare::shortest};

use crate::console::Console;
use crate::numbers::not_negative;
use read::Arrays;

const EXAMPLES: &str = "\
Exit code: 0 if everything is equal within the tolerance, 1 if something differs, 2 if a file cannot be used.

Examples:
  sam2 compare mine.npy numpy.npy
  sam2 compare mine.npz numpy.npz --rtol 1e-4 --atol 1e-6
  sam2 compare a.safetensors b.safetensors --rtol 0 --atol 0 --json";

/// `sam2 compare`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    /// The arrays to judge: .npy, .npz or .safetensors
    pub a: PathBuf,
    /// The reference
    pub b: PathBuf,
    /// Relative tolerance: elements differ if !(|a - b| <= atol + rtol * |b|), as in numpy.allclose
    #[arg(
        long,
        value_name = "R",
        default_value = "1e-5",
        allow_hyphen_values = true,
        value_parser = not_negative::<f64>
    )]
    pub rtol: f64,
    /// Absolute tolerance
    #[arg(
        long,
        value_name = "A",
        default_value = "1e-8",
        allow_hyphen_values = true,
        value_parser = not_negative::<f64>
    )]
    pub atol: f64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the command; returns whether both files hold the same arrays within the tolerance.
pub fn run(args: &Compare, console: &Console) -> Result<bool> {
    let (a, b) = (read::open(&args.a)?, read::open(&args.b)?);
    let bound = Elementwise { rtol: args.rtol, atol: args.atol };
    let report = Report::new(args, &a, &b, &bound)?;
    if args.json {
        console.result(&serde_json::to_string(&report)?)?;
    } else {
        report.lines().iter().try_for_each(|line| console.result(line))?;
    }
    Ok(report.equal)
}

/// The result, in the form that `--json` prints.
#[derive(Serialize)]
struct Report {
    a: String,
    b: String,
    rtol: f64,
    atol: f64,
    equal: bool,
    arrays: Vec<Row>,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
}

/// Two arrays of one name.
#[derive(Serialize)]
struct Row {
    name: String,
    equal: bool,
    a: Kind,
    b: Kind,
    /// Absent if the shapes differ.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
}

#[derive(PartialEq, Eq, Serialize)]
struct Kind {
    shape: Vec<usize>,
    dtype: &'static str,
}

/// Differences of the elements. Values that are NaN, because an element is not finite, are null in JSON.
#[derive(Serialize)]
struct Figures {
    count: usize,
    beyond: usize,
    first: Option<Place>,
    worst: Option<Place>,
    max_abs: f64,
    relative_l2: f64,
    cosine: f64,
}

/// An element: its index along every axis, and both values.
#[derive(Serialize)]
struct Place {
    index: Vec<usize>,
    #[serde(serialize_with = "value")]
    a: f64,
    #[serde(serialize_with = "value")]
    b: f64,
}

/// JSON has no NaN and no infinities: they become strings.
fn value<S: serde::Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let value: Value = if number.is_finite() { json!(number) } else { json!(shortest(*number)) };
    value.serialize(serializer)
}

impl Report {
    fn new(args: &Compare, a: &Arrays, b: &Arrays, bound: &Elementwise) -> Result<Self> {
        let (left, right) = (a.names(), b.names());
        let mut arrays = Vec::new();
        // The array of a .npy file has no name; it is compared with the only array of the other file.
        if a.is_unnamed() || b.is_unnamed() {
            let ([x], [y]) = (a.entries(), b.entries()) else {
                let several = if a.is_unnamed() { &args.b } else { &args.a };
                bail!(
                    "{} holds {} arrays, and a .npy file has no name to choose one of them by",
                    several.display(),
                    left.len().max(right.len())
                );
            };
            let name = if a.is_unnamed() { &y.0 } else { &x.0 };
            arrays.push(Row::new(name, &x.1, &y.1, bound));
        } else {
            for (name, x) in a.entries() {
                let other = b.entries().iter().find(|(other, _)| other == name);
                arrays.extend(other.map(|(_, y)| Row::new(name, x, y, bound)));
            }
        }
        let missing = |of: &BTreeSet<&str>, than: &BTreeSet<&str>| -> Vec<String> {
            if a.is_unnamed() || b.is_unnamed() {
                return Vec::new();
            }
            of.difference(than).map(|&name| name.to_owned()).collect()
        };
        let (only_in_a, only_in_b) = (missing(&left, &right), missing(&right, &left));
        if arrays.is_empty() && only_in_a.is_empty() && only_in_b.is_empty() {
            bail!("neither {} nor {} holds an array", args.a.display(), args.b.display());
        }
        let equal = arrays.iter().all(|row| row.equal) && only_in_a.is_empty() && only_in_b.is_empty();
        let shown = |path: &Path| path.display().to_string();
        let (rtol, atol) = (bound.rtol, bound.atol);
        Ok(Self { a: shown(&args.a), b: shown(&args.b), rtol, atol, equal, arrays, only_in_a, only_in_b })
    }

    /// One line per array, and a summary.
    fn lines(&self) -> Vec<String> {
        let Self { a, b, rtol, atol, .. } = self;
        let width = self.arrays.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let mut lines: Vec<String> =
            self.arrays.iter().map(|row| format!("{:width$}  {}", row.name, row.describe())).collect();
        lines.extend(self.only_in_a.iter().map(|name| format!("{name:width$}  only in {a}")));
        lines.extend(self.only_in_b.iter().map(|name| format!("{name:width$}  only in {b}")));
        let equal = self.arrays.iter().filter(|row| row.equal).count();
        lines.push(format!("{equal} of {} arrays equal within rtol {rtol}, atol {atol}", lines.len()));
        lines
    }
}

impl Row {
    fn new(name: &str, a: &NpyArray, b: &NpyArray, bound: &Elementwise) -> Self {
        let kind = |array: &NpyArray| Kind { shape: array.shape().to_vec(), dtype: array.dtype() };
        let figures = (a.shape() == b.shape()).then(|| Figures::new(a, b, bound));
        let equal = figures.as_ref().is_some_and(|figures| figures.beyond == 0);
        Self { name: name.to_owned(), equal, a: kind(a), b: kind(b), figures }
    }

    fn describe(&self) -> String {
        let Some(figures) = &self.figures else {
            return format!("shapes differ: {} and {}", self.a.describe(), self.b.describe());
        };
        let kind = if self.a.dtype == self.b.dtype {
            self.a.describe()
        } else {
            format!("{} (reference {})", self.a.describe(), self.b.dtype)
        };
        format!("{kind}: {}", figures.describe())
    }
}

impl Kind {
    /// Such as `f32 [3, 4]`.
    fn describe(&self) -> String {
        format!("{} {:?}", self.dtype, self.shape)
    }
}

impl Figures {
    fn new(a: &NpyArray, b: &NpyArray, bound: &Elementwise) -> Self {
        let (comparison, outliers) = a.compare(b, bound);
        let place =
            |flat: usize| Place { index: unravel(flat, a.shape()), a: a.value(flat), b: b.value(flat) };
        let differs = comparison.non_finite > 0 || comparison.max_abs > 0.0;
        Self {
            count: comparison.count,
            beyond: outliers.count,
            first: outliers.first.map(place),
            worst: differs.then(|| place(comparison.worst_index)),
            max_abs: comparison.max_abs,
            relative_l2: comparison.rel_l2,
            cosine: comparison.cosine,
        }
    }

    fn describe(&self) -> String {
        let Some(worst) = &self.worst else { return "equal".to_owned() };
        let mut text = match &self.first {
            None => "within tolerance".to_owned(),
            Some(first) => {
                format!("{} of {} beyond tolerance, first {}", self.beyond, self.count, first.describe())
            }
        };
        text += &format!(
            "; worst {}; relative L2 {:.3e}, cosine {:.9}",
            worst.describe(),
            self.relative_l2,
            self.cosine
        );
        text
    }
}

impl Place {
    fn describe(&self) -> String {
        format!("{:?} {} vs {}", self.index, shortest(self.a), shortest(self.b))
    }
}

/// The index along every axis of an element of a row-major array.
fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &extent) in index.iter_mut().zip(shape).rev() {
        *place = flat % extent.max(1);
        flat /= extent.max(1);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_indices_become_one_per_axis() {
        assert_eq!(unravel(0, &[2, 3]), [0, 0]);
        assert_eq!(unravel(5, &[2, 3]), [1, 2]);
        assert_eq!(unravel(23, &[2, 3, 4]), [1, 2, 3]);
        assert!(unravel(0, &[]).is_empty());
    }
}
