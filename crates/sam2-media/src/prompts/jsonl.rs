//! The prompts file: JSON objects, one a line or in a list.

use std::path::{Path, PathBuf};

use sam2_model::Points;

use super::collection::PromptLine;
use super::document::items;
use super::fields::{Fields, KNOWN, Object};
use super::prompt::{BoxPrompt, Click, Prompt};
use crate::error::{InvalidPrompt, MediaError};
use crate::text;

const WHAT: &str = "the prompts file";

/// Reads a prompts file, or stdin if the path is `-`. Paths of masks are relative to the file. `refuse`
/// decides about an invalid line: its error ends the reading, else the line is left out.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("prompts.jsonl");
/// # std::fs::write(&path, "{\"frame\":0,\"obj_id\":1,\"points\":[[109.5,90.5]]}\nnot JSON\n")?;
/// let lines = sam2_media::prompts::jsonl::read(&path, |error| {
///     eprintln!("{error}"); // and the line is left out
///     Ok(())
/// })?;
/// assert_eq!(lines.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If it cannot be read or has no prompts, and those of `refuse`.
pub fn read(
    path: &Path,
    refuse: impl FnMut(MediaError) -> Result<(), MediaError>,
) -> Result<Vec<PromptLine>, MediaError> {
    if path == Path::new("-") {
        return parse(&text::read_stdin(WHAT)?, "stdin", Path::new(""), refuse);
    }
    let text = text::read(path, WHAT)?;
    parse(&text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")), refuse)
}

/// Parses the text of a prompts file; `name` is for messages, paths of masks are relative to `folder`.
///
/// ```
/// let text = r#"{"frame":0,"obj_id":1,"points":[[109.5,90.5]]}
///     {"frame":8,"obj_id":2,"box":[10,10,50,40]}"#;
/// let lines = sam2_media::prompts::jsonl::parse(text, "prompts.jsonl", "".as_ref(), Err)?;
/// assert_eq!((lines[1].frame, lines[1].obj_id, lines[1].mask()), (8, 2, None));
/// # Ok::<(), sam2_media::MediaError>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn parse(
    text: &str,
    name: &str,
    folder: &Path,
    mut refuse: impl FnMut(MediaError) -> Result<(), MediaError>,
) -> Result<Vec<PromptLine>, MediaError> {
    let items = items(text);
    let alone = items.len() == 1;
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let origin = format!("{name} line {}", item.line);
        match prompt(item.text, alone, folder) {
            Ok((frame, obj_id, prompt)) => lines.push(PromptLine { frame, obj_id, prompt, origin }),
            Err(source) => refuse(MediaError::PromptAt { origin, source })?,
        }
    }
    if lines.is_empty() {
        return Err(InvalidPrompt::NoPrompts(name.to_owned()).into());
    }
    Ok(lines)
}

/// The prompt of an object. Without a frame it is about frame 0; only the one prompt of a file needs no
/// number of an object.
fn prompt(text: &str, alone: bool, folder: &Path) -> Result<(usize, u32, Prompt), InvalidPrompt> {
    let mut object = Object::parse(text)?;
    let Fields { frame, obj_id, points, labels, bbox, mask } = Fields::take(&mut object)?;
    object.finish(KNOWN)?;
    let obj_id = obj_id.or(alone.then_some(1)).ok_or(InvalidPrompt::NoObjId)?;
    Ok((frame.unwrap_or(0), obj_id, combine(points, labels, bbox, mask, folder)?))
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
    if points.len() > Points::MAX {
        return Err(InvalidPrompt::ManyClicks { count: points.len(), most: Points::MAX });
    }
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

    fn parse_here(text: &str) -> Result<Vec<PromptLine>, MediaError> {
        parse(text, "p.jsonl", Path::new("folder"), Err)
    }

    fn click(x: f32, y: f32, label: i32) -> Click {
        Click { x, y, label }
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let text = "{\"frame\":0,\"obj_id\":1,\"points\":[[1,2.5],[3,4]],\"labels\":[1,0]}\n\n\
                    {\"frame\":0,\"obj_id\":7,\"box\":[1,2,3,4]}\r\n\
                    {\"frame\":4,\"obj_id\":2,\"mask\":\"m.png\"}\n\
                    {\"obj_id\":3,\"points\":[[9,9]]}";
        let clicks = vec![click(1.0, 2.5, 1), click(3.0, 4.0, 0)];
        let corners = Some(BoxPrompt([1.0, 2.0, 3.0, 4.0]));
        let expected = [
            (0, 1, Prompt::Points { clicks, bbox: None }, 1),
            (0, 7, Prompt::Points { clicks: vec![], bbox: corners }, 3),
            (4, 2, Prompt::Mask("folder/m.png".into()), 4),
            (0, 3, Prompt::Points { clicks: vec![click(9.0, 9.0, 1)], bbox: None }, 5),
        ];
        let expected = expected.map(|(frame, obj_id, prompt, line)| PromptLine {
            frame,
            obj_id,
            prompt,
            origin: format!("p.jsonl line {line}"),
        });
        assert_eq!(parse_here(text).expect("parse"), expected);
    }

    #[test]
    fn one_list_or_one_object_may_be_the_file() {
        let lines = "{\"obj_id\":1,\"points\":[[1,2]]}\n{\"obj_id\":2,\"box\":[1,2,3,4]}";
        let list = format!("[{}]", lines.replace('\n', ","));
        let plain = |text: &str| -> Vec<(usize, u32, Prompt)> {
            let lines = parse_here(text).expect(text).into_iter();
            lines.map(|line| (line.frame, line.obj_id, line.prompt)).collect()
        };
        assert_eq!(plain(&list), plain(lines));
        assert_eq!(plain(&list.replace(',', ",\n").replace('[', "[\n")), plain(lines));
        let osam = "{\n  \"points\": [[1, 2]],\n  \"point_labels\": [1]\n}\n";
        assert_eq!(plain(osam), plain(lines)[..1]);
        let two = "{\"points\":[[1,2]]}\n{\"points\":[[1,2]]}";
        assert!(in_full(&parse_here(two).expect_err("whose?")).contains("obj_id is missing"));
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
    fn bad_lines_are_named_with_their_reason_or_left_out() {
        let good = r#"{"frame":0,"obj_id":1,"points":[[1,2]]}"#;
        for (bad, reason) in [
            (r#"{"frame":0,"obj_id":2,"point_":[[1,2]]}"#, "unknown field `point_`"),
            (r#"{"frame":0,"points":[[1,2]]}"#, "obj_id is missing"),
            (r#"{"frame":-1,"obj_id":2,"points":[[1,2]]}"#, "whole number"),
            (r#"{"frame":0,"obj_id":2,"points":[[1,2]],"labels":[1,0]}"#, "1 points and 2 labels"),
            (r#"{"frame":0,"obj_id":2,"points":[[1,2]],"labels":[3]}"#, "label is 3"),
            (r#"{"frame":0,"obj_id":2,"points":[[NaN,2]]}"#, "NaN or infinite"),
            (r#"{"frame":0,"obj_id":2,"points":[[1e999,2]]}"#, "out of range"),
            (r#"{"frame":0,"obj_id":2,"points":[[1e99,2]]}"#, "finite"),
            (r#"{"frame":0,"obj_id":2}"#, "is needed"),
            (r#"{"frame":0,"obj_id":2,"mask":"a.png","box":[1,2,3,4]}"#, "cannot be combined"),
            (r#"{"frame":0,"obj_id":2,"box":[1,2,3]}"#, "4 numbers"),
            (r#"{"frame":0,"obj_id":2,"box":[1,2,3,4]"#, "EOF"),
            ("nonsense", "expected"),
        ] {
            let text = format!("{good}\n{bad}\n{good}");
            let error = in_full(&parse_here(&text).expect_err(bad));
            assert!(error.starts_with("p.jsonl line 2: ") && error.contains(reason), "{bad}: {error}");
            assert!(!error.contains('\n'));
            let mut refused = Vec::new();
            let lines = parse(&text, "p.jsonl", Path::new(""), |error| {
                refused.push(in_full(&error));
                Ok(())
            });
            assert_eq!((lines.expect("the others").len(), refused), (2, vec![error]), "{bad}");
        }
        assert!(parse_here("\n\n").expect_err("empty").to_string().contains("no prompts"));
        assert!(parse_here("[]").expect_err("empty").to_string().contains("no prompts"));
    }

    #[test]
    fn clicks_and_lines_are_bounded() {
        let line = |count: usize| {
            let points = vec!["[1,2]"; count].join(",");
            parse_here(&format!("{{\"obj_id\":1,\"points\":[{points}]}}"))
        };
        assert!(line(Points::MAX).is_ok());
        let error = in_full(&line(Points::MAX + 1).expect_err("too many"));
        assert!(error.contains("4097") && error.contains("4096"), "{error}");
        let error = in_full(&line(200_000).expect_err("too long"));
        assert!(error.contains("line 1") && error.contains("1 MB"), "{error}");
    }
}
