//! The commands of a stream.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::InvalidCommand;
use crate::error::InvalidPrompt;
use crate::prompts::fields::{Fields, Object};
use crate::prompts::{BoxPrompt, Prompt, jsonl};

/// The kind of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Adds an object, or replaces its clicks on this frame.
    #[default]
    Add,
    /// Adds clicks to those of this frame.
    More,
    /// Forgets an object.
    Remove,
    /// Forgets all objects.
    Reset,
    /// Saves the session to a file.
    Save,
    /// Ends the stream.
    Quit,
}

impl Op {
    fn parse(text: Option<String>) -> Result<Self, InvalidCommand> {
        let Some(text) = text else { return Ok(Self::Add) };
        Ok(match text.as_str() {
            "add" => Self::Add,
            "more" => Self::More,
            "remove" => Self::Remove,
            "reset" => Self::Reset,
            "save" => Self::Save,
            "quit" => Self::Quit,
            // Not the whole of a long line.
            _ => return Err(InvalidCommand::UnknownOp(text.chars().take(60).collect())),
        })
    }
}

/// A command as its JSON line has it; [`Request::new`] checks which fields belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CommandLine {
    /// The kind; [`Op::Add`] if absent.
    pub op: Op,
    /// Index of the frame on which it is due; the current one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<usize>,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obj_id: Option<u32>,
    /// `[x, y]` of every click, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Vec<[f32; 2]>>,
    /// For every click, 1 = the object, 0 = not the object; all 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<i32>>,
    /// x0, y0, x1, y1, pixels.
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BoxPrompt>,
    /// File of a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
    /// File of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl CommandLine {
    /// Reads a line, with the field names of a prompts file.
    ///
    /// ```
    /// use sam2_media::protocol::{CommandLine, Op};
    ///
    /// assert_eq!(CommandLine::parse(r#"{"op":"reset"}"#)?.op, Op::Reset);
    /// # Ok::<(), sam2_media::error::InvalidCommand>(())
    /// ```
    ///
    /// # Errors
    /// If it is not JSON, or a field is unknown or has the wrong type.
    pub fn parse(line: &str) -> Result<Self, InvalidCommand> {
        const KNOWN: &str = "op, frame, obj_id, points, labels, box, mask and path";
        let mut object = Object::parse(line)?;
        let op = Op::parse(object.text(&["op"], "a text such as \"remove\"")?)?;
        let path = object.text(&["path"], "the name of a file")?.map(PathBuf::from);
        let Fields { frame, obj_id, points, labels, bbox, mask } = Fields::take(&mut object)?;
        object.finish(KNOWN)?;
        Ok(Self { op, frame, obj_id, points, labels, bbox, mask, path })
    }
}

/// A checked command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A prompt for an object.
    Prompt {
        /// The object.
        obj_id: u32,
        /// Clicks, box or mask.
        prompt: Prompt,
        /// Whether the clicks are added to earlier ones of the same frame, or replace them.
        more: bool,
    },
    /// Forget an object.
    Remove(u32),
    /// Forget all objects.
    Reset,
    /// Write the session to a file.
    Save(PathBuf),
    /// End the stream.
    Quit,
}

/// A command and its frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Index of the frame on which it is due; the current one if absent.
    pub frame: Option<usize>,
    /// The command.
    pub command: Command,
}

impl Request {
    /// Parses and checks a line; the path of a mask is relative to `folder`.
    ///
    /// ```
    /// use sam2_media::protocol::{Command, Request};
    ///
    /// let request = Request::parse(r#"{"op":"remove","obj_id":3,"frame":12}"#, "".as_ref())?;
    /// assert_eq!((request.frame, request.command), (Some(12), Command::Remove(3)));
    /// # Ok::<(), sam2_media::error::InvalidCommand>(())
    /// ```
    ///
    /// # Errors
    /// If it is not JSON, or its fields do not belong together.
    pub fn parse(line: &str, folder: &Path) -> Result<Self, InvalidCommand> {
        Self::new(CommandLine::parse(line)?, folder)
    }

    /// Checks a line; the path of a mask is relative to `folder`.
    ///
    /// ```
    /// use sam2_media::protocol::{Command, CommandLine, Op, Request};
    ///
    /// let line = CommandLine { op: Op::Quit, ..CommandLine::default() };
    /// assert_eq!(serde_json::to_string(&line)?, r#"{"op":"quit"}"#); // for another program
    /// assert_eq!(Request::new(line, "".as_ref())?.command, Command::Quit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If its fields do not belong together.
    pub fn new(line: CommandLine, folder: &Path) -> Result<Self, InvalidCommand> {
        let CommandLine { op, frame, obj_id, points, labels, bbox, mask, path } = line;
        let has_prompt = points.is_some() || labels.is_some() || bbox.is_some() || mask.is_some();
        if has_prompt && !matches!(op, Op::Add | Op::More) {
            return Err(InvalidCommand::PromptNotTaken);
        }
        let id = || obj_id.ok_or(InvalidPrompt::NoObjId);
        let command = match op {
            Op::Add | Op::More => {
                let more = op == Op::More;
                if more && (bbox.is_some() || mask.is_some()) {
                    return Err(InvalidCommand::MoreThanClicks);
                }
                let prompt = jsonl::combine(points, labels, bbox, mask, folder)?;
                Command::Prompt { obj_id: id()?, prompt, more }
            }
            Op::Remove => Command::Remove(id()?),
            Op::Reset => Command::Reset,
            Op::Save => Command::Save(path.ok_or(InvalidCommand::NoPath)?),
            Op::Quit => Command::Quit,
        };
        Ok(Self { frame, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::Click;

    fn parse(line: &str) -> Result<Request, InvalidCommand> {
        Request::parse(line, Path::new("folder"))
    }

    #[test]
    fn damaged_lines_are_read_or_refused_in_one_line() {
        for text in [
            r#"{"op":"add","frame":3,"obj_id":1,"points":[[1,2.5],[3,4]],"labels":[1,0]}"#,
            r#"{"op":"more","obj_id":7,"box":[1,2,3,4]}"#,
            r#"{"op":"save","path":"x.safetensors"}"#,
        ] {
            for case in 0..700 {
                let bytes = sam2_tests::mutate::mutated(text.as_bytes(), text.len(), case);
                if let Err(error) = parse(&String::from_utf8_lossy(&bytes)) {
                    let message = error.to_string();
                    assert!(!message.contains('\n') && message.len() < 1000, "case {case}: {message}");
                }
            }
        }
    }

    #[test]
    fn a_long_name_of_a_command_is_not_quoted_whole() {
        for letter in ["x", "\\u0000", "ß", "\\n"] {
            let line = format!(r#"{{"op":"{}"}}"#, letter.repeat(100_000));
            let message = parse(&line).expect_err("no such command").to_string();
            assert!(message.len() < 1000 && !message.contains('\n'), "{} bytes", message.len());
        }
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let clicks = vec![Click { x: 1.0, y: 2.0, label: 1 }];
        let points = Prompt::Points { clicks, bbox: None };
        let prompt = |more, prompt| Command::Prompt { obj_id: 3, prompt, more };
        for (line, frame, command) in [
            (r#"{"frame":7,"obj_id":3,"points":[[1,2]]}"#, Some(7), prompt(false, points.clone())),
            (r#"{"op":"more","obj_id":3,"points":[[1,2]],"labels":[1]}"#, None, prompt(true, points)),
            (r#"{"obj_id":3,"mask":"m.png"}"#, None, prompt(false, Prompt::Mask("folder/m.png".into()))),
            (r#"{"op":"remove","obj_id":3,"frame":1}"#, Some(1), Command::Remove(3)),
            (r#"{"op":"reset"}"#, None, Command::Reset),
            (r#"{"op":"save","path":"s.safetensors"}"#, None, Command::Save("s.safetensors".into())),
            (r#"{"op":"quit"}"#, None, Command::Quit),
            (r#"{"op":"remove","obj":3.0,"frame_idx":1.0}"#, Some(1), Command::Remove(3)),
            (r#"{"op":"remove","obj_id":70000}"#, None, Command::Remove(70_000)),
        ] {
            assert_eq!(parse(line).expect(line), Request { frame, command });
        }
    }

    #[test]
    fn lines_can_be_written() {
        let line = CommandLine {
            obj_id: Some(3),
            points: Some(vec![[1.0, 2.5]]),
            bbox: Some(BoxPrompt([1.0, 2.0, 3.0, 4.0])),
            ..CommandLine::default()
        };
        let text = serde_json::to_string(&line).expect("JSON");
        assert_eq!(text, r#"{"op":"add","obj_id":3,"points":[[1.0,2.5]],"box":[1.0,2.0,3.0,4.0]}"#);
        assert_eq!(parse(&text), Request::new(line, Path::new("folder")));
    }

    #[test]
    fn bad_lines_have_a_reason() {
        for (line, reason) in [
            ("nonsense", "expected"),
            (r#"{"op":"dance"}"#, "dance"),
            (r#"{"op":7}"#, "`op` is 7"),
            (r#"{"obj_id":1,"pointz":[[1,2]]}"#, "unknown field `pointz`"),
            (r#"{"points":[[1,2]]}"#, "obj_id is missing"),
            (r#"{"obj_id":1}"#, "is needed"),
            (r#"{"op":"more","obj_id":1,"box":[1,2,3,4]}"#, "clicks only"),
            (r#"{"op":"reset","points":[[1,2]]}"#, "belong to"),
            (r#"{"op":"save"}"#, "needs a path"),
        ] {
            let text = parse(line).expect_err(line).to_string();
            assert!(text.contains(reason) && !text.contains('\n'), "{line}: {text}");
        }
    }
}
