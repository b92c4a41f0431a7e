//! Tables on stdout and CSV files.

use std::path::Path;

use anyhow::Result;
use sam2_media::files::LinesFile;

use crate::console::Console;

/// Rows under headings; the first `labels` columns are names, the others numbers.
pub struct Table {
    headings: Vec<String>,
    labels: usize,
    decimals: usize,
    rows: Vec<(Vec<String>, Vec<f64>)>,
}

impl Table {
    /// An empty table whose numbers are shown with this many decimals.
    pub fn new(labels: &[&str], numbers: &[&str], decimals: usize) -> Self {
        let headings = labels.iter().chain(numbers).map(|&heading| heading.to_owned()).collect();
        Self { headings, labels: labels.len(), decimals, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, labels: &[&str], numbers: &[f64]) {
        debug_assert_eq!((labels.len(), labels.len() + numbers.len()), (self.labels, self.headings.len()));
        self.rows.push((labels.iter().map(|&label| label.to_owned()).collect(), numbers.to_vec()));
    }

    /// Prints it in columns, names left-aligned and numbers right-aligned.
    pub fn print(&self, console: &Console) -> Result<()> {
        let cells = |(labels, numbers): &(Vec<String>, Vec<f64>)| -> Vec<String> {
            let numbers = numbers.iter().map(|number| format!("{number:.*}", self.decimals));
            labels.iter().cloned().chain(numbers).collect()
        };
        let rows: Vec<Vec<String>> = self.rows.iter().map(cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.headings[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        for row in [&self.headings].into_iter().chain(&rows) {
            let line: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(
                    |(i, (cell, &width))| {
                        if i < self.labels { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            console.result(line.join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Writes it with full precision.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let mut file = LinesFile::create(path)?;
        file.line(&self.headings.iter().map(|heading| field(heading)).collect::<Vec<_>>().join(","))?;
        for (labels, numbers) in &self.rows {
            let labels = labels.iter().map(|label| field(label));
            let cells: Vec<String> = labels.chain(numbers.iter().map(f64::to_string)).collect();
            file.line(&cells.join(","))?;
        }
        Ok(file.commit()?)
    }
}

/// A cell of CSV, quoted where needed.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_it_must() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("t.csv");
        let mut table = Table::new(&["sequence"], &["J", "F"], 3);
        table.row(&["a \"b\", c"], &[0.1, 1.0 / 3.0]);
        table.write_csv(&path).expect("write");
        let text = std::fs::read_to_string(path).expect("read");
        assert_eq!(text, "sequence,J,F\n\"a \"\"b\"\", c\",0.1,0.3333333333333333\n");
    }
}
