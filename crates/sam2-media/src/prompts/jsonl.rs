//! The prompts file: one JSON object per line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::collection::Prompts;
use super::prompt::{BoxPrompt, Click, Prompt};
use crate::error::{InvalidPrompt, MediaError};

/// Maximum size of a prompts file in bytes, so that a wrong path cannot exhaust the memory.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    frame: usize,
    obj_id: u32,
    points: Option<Vec<[f32; 2]>>,
    labels: Option<Vec<i32>>,
    #[serde(rename = "box")]
    bbox: Option<BoxPrompt>,
    mask: Option<PathBuf>,
}

/// Reads a prompts file, or stdin if the path is `-`. Paths of masks are relative to the file.
///
/// # Errors
/// If it cannot be read, a line is invalid, or it has no prompts.
pub fn read(path: &Path) -> Result<Prompts, MediaError> {
    let stdin = path == Path::new("-");
    let load = || {
        let reader: Box<dyn Read> =
            if stdin { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) };
        let mut bytes = Vec::new();
        reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::other(format!(
                "it has more than {} MB; a prompts file has one short line per prompt",
                MAX_BYTES >> 20
            )));
        }
        String::from_utf8(bytes).map_err(|_| io::Error::other("it is not a text file"))
    };
    let name = if stdin { "stdin".to_owned() } else { path.display().to_string() };
    let text = load().map_err(|source| MediaError::PromptsFile { name: name.clone(), source })?;
    let folder = path.parent().filter(|_| !stdin).unwrap_or(Path::new(""));
    parse(&text, &name, folder)
}

/// Parses the text of a prompts file; `name` is for messages, paths of masks are relative to `folder`.
///
/// # Errors
/// If a line is invalid, or there are no prompts.
pub fn parse(text: &str, name: &str, folder: &Path) -> Result<Prompts, MediaError> {
    let mut prompts = Prompts::default();
    // Some editors write a byte order mark, which is not JSON.
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let origin = format!("{name} line {}", number + 1);
        let (frame, obj_id, prompt) = parse_line(line, folder)
            .map_err(|source| MediaError::PromptAt { origin: origin.clone(), source })?;
        prompts.add(frame, obj_id, prompt, &origin)?;
    }
    if prompts.is_empty() {
        return Err(InvalidPrompt::NoPrompts(name.to_owned()).into());
    }
    Ok(prompts)
}

fn parse_line(line: &str, folder: &Path) -> Result<(usize, u32, Prompt), InvalidPrompt> {
    let line: Line = serde_json::from_str(line).map_err(|e| InvalidPrompt::json(&e))?;
    let Line { frame, obj_id, points, labels, bbox, mask } = line;
    if !(1..=255).contains(&obj_id) {
        return Err(InvalidPrompt::ObjId(obj_id));
    }
    Ok((frame, obj_id, combine(points, labels, bbox, mask, folder)?))
}

/// The prompt of one line; the path of a mask is relative to `folder`.
pub(crate) fn combine(
    points: Option<Vec<[f32; 2]>>,
    labels: Option<Vec<i32>>,
    bbox: Option<BoxPrompt>,
    mask: Option<PathBuf>,
    folder: &Path,
) -> Result<Prompt, InvalidPrompt> {
    let has_points = points.is_some() || bbox.is_some();
    if let Some(mask) = mask {
        if has_points || labels.is_some() {
            return Err(InvalidPrompt::MaskAndPoints);
        }
        return Ok(Prompt::Mask(folder.join(mask)));
    }
    if !has_points {
        return Err(InvalidPrompt::Nothing);
    }
    let points = points.unwrap_or_default();
    let labels = labels.unwrap_or_else(|| vec![1; points.len()]);
    if labels.len() != points.len() {
        return Err(InvalidPrompt::LabelCount { points: points.len(), labels: labels.len() });
    }
    let mut clicks = Vec::with_capacity(points.len());
    for ([x, y], label) in points.into_iter().zip(labels) {
        if !x.is_finite() || !y.is_finite() {
            return Err(InvalidPrompt::PointNotFinite);
        }
        if !matches!(label, 0 | 1) {
            return Err(InvalidPrompt::Label(label));
        }
        clicks.push(Click { x, y, label });
    }
    Ok(Prompt::Points { clicks, bbox })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    fn parse_here(text: &str) -> Result<Prompts, MediaError> {
        parse(text, "p.jsonl", Path::new("folder"))
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let text = "\u{feff}{\"frame\":0,\"obj_id\":1,\"points\":[[1,2.5],[3,4]],\"labels\":[1,0]}\n\n\
                    {\"frame\":0,\"obj_id\":7,\"box\":[1,2,3,4]}\r\n\
                    {\"frame\":4,\"obj_id\":2,\"mask\":\"m.png\"}\n\
                    {\"frame\":4,\"obj_id\":3,\"points\":[[9,9]]}";
        let prompts = parse_here(text).expect("parse");
        let frames: Vec<usize> = prompts.frames().map(|(frame, _)| frame).collect();
        assert_eq!(frames, [0, 4]);
        let on_0: Vec<_> = prompts.on(0).collect();
        let clicks = vec![Click { x: 1.0, y: 2.5, label: 1 }, Click { x: 3.0, y: 4.0, label: 0 }];
        assert_eq!(on_0[0], (1, &Prompt::Points { clicks, bbox: None }));
        assert_eq!(
            on_0[1],
            (7, &Prompt::Points { clicks: vec![], bbox: Some(BoxPrompt([1.0, 2.0, 3.0, 4.0])) })
        );
        let on_4: Vec<_> = prompts.on(4).collect();
        assert_eq!(on_4[0], (2, &Prompt::Mask("folder/m.png".into())));
        assert_eq!(
            on_4[1].1,
            &Prompt::Points { clicks: vec![Click { x: 9.0, y: 9.0, label: 1 }], bbox: None }
        );
    }

    #[test]
    fn damaged_lines_are_read_or_refused_in_one_line() {
        let text = "{\"frame\":0,\"obj_id\":1,\"points\":[[1,2.5],[3,4]],\"labels\":[1,0]}\n\
                    {\"frame\":0,\"obj_id\":7,\"box\":[1,2,3,4]}\n\
                    {\"frame\":4,\"obj_id\":2,\"mask\":\"m.png\"}\n";
        for case in 0..2000 {
            let bytes = sam2_tests::mutate::mutated(text.as_bytes(), text.len(), case);
            if let Err(error) = parse_here(&String::from_utf8_lossy(&bytes)) {
                let message = error.to_string();
                assert!(!message.contains('\n') && message.len() < 1000, "case {case}: {message}");
            }
        }
    }

    #[test]
    fn bad_lines_are_named_with_their_reason() {
        let good = r#"{"frame":0,"obj_id":1,"points":[[1,2]]}"#;
        for (bad, reason) in [
            (r#"{"frame":0,"obj_id":2,"point":[[1,2]]}"#, "unknown field `point`"),
            (r#"{"frame":0,"points":[[1,2]]}"#, "missing field `obj_id`"),
            (r#"{"frame":-1,"obj_id":2,"points":[[1,2]]}"#, "invalid value"),
            (r#"{"frame":0,"obj_id":0,"points":[[1,2]]}"#, "1 to 255"),
            (r#"{"frame":0,"obj_id":256,"points":[[1,2]]}"#, "1 to 255"),
            (r#"{"frame":0,"obj_id":2,"points":[[1,2]],"labels":[1,0]}"#, "1 points and 2 labels"),
            (r#"{"frame":0,"obj_id":2,"points":[[1,2]],"labels":[3]}"#, "label is 3"),
            (r#"{"frame":0,"obj_id":2,"points":[[NaN,2]]}"#, "expected value"),
            (r#"{"frame":0,"obj_id":2,"points":[[1e999,2]]}"#, "out of range"),
            (r#"{"frame":0,"obj_id":2,"points":[[1e99,2]]}"#, "out of range"),
            (r#"{"frame":0,"obj_id":2}"#, "is needed"),
            (r#"{"frame":0,"obj_id":2,"mask":"a.png","box":[1,2,3,4]}"#, "cannot be combined"),
            (r#"{"frame":0,"obj_id":2,"box":[1,2,3]}"#, "invalid length"),
            (r#"{"frame":0,"obj_id":2,"box":[1,2,3,4]"#, "EOF"),
            ("nonsense", "expected"),
        ] {
            let text = in_full(&parse_here(&format!("{good}\n{bad}\n")).expect_err(bad));
            assert!(text.starts_with("p.jsonl line 2: ") && text.contains(reason), "{bad}: {text}");
            assert!(!text.contains('\n'));
        }
        assert!(parse_here("\n\n").expect_err("empty").to_string().contains("no prompts"));
    }
}
