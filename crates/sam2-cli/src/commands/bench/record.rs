//! The times of a run: as text, as JSON, and compared with an earlier run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sam2_media::text;
use serde::{Deserialize, Serialize};

/// Times and their circumstances; `--json` prints this as JSON and `--compare` reads it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Record {
    /// Such as `SAM 2.1 tiny`.
    pub model: String,
    /// `f32`, `bf16` or `int8`.
    pub precision: String,
    /// Side to which images are resized.
    pub image_size: usize,
    /// Instruction set.
    pub isa: String,
    pub threads: usize,
    /// Each time is the median of this many runs.
    pub repeat: usize,
    /// Number of objects that are tracked.
    #[serde(default = "one")]
    pub objects: u32,
    /// Time to load the checkpoint, measured once.
    pub load_ms: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everything_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_attention_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_ms: Option<f64>,
    /// Parts of `track_ms`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub track_stages_ms: BTreeMap<String, f64>,
}

fn one() -> u32 {
    1
}

impl Record {
    /// Rounds the times to whole microseconds.
    pub fn round(&mut self) {
        let parts = [
            &mut self.encode_ms,
            &mut self.click_ms,
            &mut self.everything_ms,
            &mut self.memory_attention_ms,
            &mut self.track_ms,
        ];
        let times = parts.into_iter().flatten().chain(self.track_stages_ms.values_mut());
        times.chain([&mut self.load_ms]).for_each(|ms| *ms = (*ms * 1e3).round() / 1e3);
    }

    /// Reads the output of `--json`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = text::read(path, "the earlier result")?;
        serde_json::from_str(&text).with_context(|| {
            format!("{}: not a record of sam2 bench --json (of this version)", path.display())
        })
    }

    /// The circumstances in one line.
    pub fn title(&self) -> String {
        let Self { model, precision, image_size, isa, threads, repeat, objects, .. } = self;
        let title = format!(
            "{model}, {precision}, images {image_size}, {isa}, {threads} threads, median of {repeat}"
        );
        if *objects == 1 { title } else { format!("{title}, {objects} objects") }
    }

    /// Label, time in milliseconds and note of every part.
    pub fn parts(&self) -> Vec<(String, f64, &'static str)> {
        let part = |label: &str, ms, remark| (label.to_owned(), ms, remark);
        let timed = [
            ("load the model", Some(self.load_ms), ""),
            ("encode an image", self.encode_ms, ""),
            ("answer a click", self.click_ms, ""),
            ("everything", self.everything_ms, "32x32 clicks on an encoded image, once"),
            ("memory attention", self.memory_attention_ms, "part of tracking"),
            ("track a frame", self.track_ms, "of each object 7 memories, 16 pointers"),
        ];
        let timed = timed.into_iter().filter_map(|(label, ms, remark)| Some(part(label, ms?, remark)));
        let mut parts: Vec<_> = timed.collect();
        parts.extend(
            self.track_stages_ms
                .iter()
                .map(|(name, &ms)| part(&format!("  {}", name.replace('_', " ")), ms, "")),
        );
        parts
    }

    /// The record as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let line = |(label, ms, remark): (String, f64, &str)| {
            let remark = if remark.is_empty() { String::new() } else { format!("  ({remark})") };
            format!("{label:<18}{ms:9.1} ms{remark}")
        };
        [self.title()].into_iter().chain(self.parts().into_iter().map(line)).collect()
    }

    /// Lines that compare this run with an earlier one, and the parts that are more than `percent` slower
    /// now. Loading and the stages of a frame are shown but not judged: the first is one measurement, the
    /// others are parts of the frame, which is judged.
    ///
    /// # Errors
    /// If the circumstances differ.
    pub fn beside(&self, old: &Self, percent: f64) -> Result<(Vec<String>, Vec<String>)> {
        let what = |record: &Self| {
            let Self { model, precision, image_size, threads, objects, .. } = record.clone();
            (model, precision, image_size, threads, objects)
        };
        if what(self) != what(old) {
            bail!("the two records are not comparable: {}; before: {}", self.title(), old.title());
        }
        let before: BTreeMap<_, _> = old.parts().into_iter().map(|(label, ms, _)| (label, ms)).collect();
        let mut lines = vec![self.title(), format!("{:<18}{:>12}{:>12}{:>8}", "", "before", "now", "ratio")];
        let mut slower = Vec::new();
        for (label, now, _) in self.parts() {
            let Some(&then) = before.get(&label) else { continue };
            let ratio = now / then;
            lines.push(format!("{label:<18}{then:9.1} ms{now:9.1} ms{ratio:8.2}"));
            let judged = label != "load the model" && !label.starts_with(' ');
            // Written so that a ratio of NaN counts as slower.
            let as_fast = ratio <= 1.0 + percent / 100.0;
            if judged && !as_fast {
                slower.push(label);
            }
        }
        Ok((lines, slower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(track_ms: f64) -> Record {
        Record {
            model: "m".into(),
            precision: "f32".into(),
            image_size: 1024,
            isa: "avx2".into(),
            threads: 2,
            repeat: 5,
            objects: 1,
            load_ms: 1.0,
            encode_ms: Some(100.0),
            click_ms: Some(10.0),
            everything_ms: None,
            memory_attention_ms: Some(50.0),
            track_ms: Some(track_ms),
            track_stages_ms: BTreeMap::from([("encode".to_owned(), 99.0)]),
        }
    }

    #[test]
    fn what_became_slower_is_named() {
        let old = record(200.0);
        let slower = |now: &Record| now.beside(&old, 10.0).expect("comparable").1;
        assert!(slower(&record(219.0)).is_empty());
        assert_eq!(slower(&record(221.0)), ["track a frame"]);
        assert_eq!(slower(&record(f64::NAN)), ["track a frame"]);
        let load = Record { load_ms: 9.0, ..record(200.0) };
        assert!(slower(&load).is_empty(), "loading is not judged");
        let only = Record { track_ms: None, ..record(200.0) };
        assert!(slower(&only).is_empty(), "what was not timed is not judged");
    }

    #[test]
    fn another_model_or_precision_is_refused() {
        let old = record(200.0);
        assert!(Record { precision: "int8".into(), ..old.clone() }.beside(&old, 10.0).is_err());
        assert!(Record { threads: 1, ..old.clone() }.beside(&old, 10.0).is_err());
        assert!(Record { isa: "avx512".into(), ..old.clone() }.beside(&old, 10.0).is_ok(), "to compare them");
    }

    #[test]
    fn json_goes_both_ways() {
        let text = serde_json::to_string(&record(200.0)).expect("JSON");
        let again: Record = serde_json::from_str(&text).expect("the same");
        assert_eq!(again.lines(), record(200.0).lines());
    }
}
