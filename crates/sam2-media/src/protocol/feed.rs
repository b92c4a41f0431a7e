//! What the user says while a stream runs: JSON lines from a file, a pipe or a descriptor.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::prompts::{BoxPrompt, Prompt, jsonl};

/// How often a file is looked at for new lines.
const POLL: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    #[default]
    Add,
    More,
    Remove,
    Reset,
    Save,
    Quit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    op: Op,
    frame: Option<usize>,
    obj_id: Option<u32>,
    points: Option<Vec<[f32; 2]>>,
    labels: Option<Vec<i32>>,
    #[serde(rename = "box")]
    bbox: Option<BoxPrompt>,
    mask: Option<PathBuf>,
    path: Option<PathBuf>,
}

/// Something to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// A prompt for an object; with `more`, clicks besides the earlier ones of the same frame.
    Prompt {
        /// Which object.
        obj_id: u32,
        /// What is said about it.
        target: Prompt,
        /// Whether earlier clicks count too.
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

/// A line that was read.
#[derive(Debug)]
pub struct Order {
    /// The frame that it is about; the current one if absent.
    pub frame: Option<usize>,
    /// What to do, or why the line makes no sense.
    pub command: Result<Command>,
}

enum Event {
    Order(Order),
    /// All lines that were there in the beginning have been read.
    CaughtUp,
}

/// Orders as they come in.
pub struct Commands {
    incoming: Receiver<Event>,
    /// Orders for frames to come.
    held: Vec<Order>,
}

impl Commands {
    /// None at all.
    pub fn none() -> Self {
        Self { incoming: channel().1, held: Vec::new() }
    }

    /// Starts to read `path`. Of a file, the lines that are there already have been read when this returns, and lines that
    /// are appended later will be seen; of a pipe, lines are seen when they come.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let cannot = || format!("cannot read the prompts from {name}");
        let is_file = std::fs::metadata(path).with_context(cannot)?.is_file();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let path = path.to_owned();
        let (sender, incoming) = channel();
        let mut commands = Self { incoming, held: Vec::new() };
        let file = if is_file { Some(File::open(&path).with_context(cannot)?) } else { None };
        thread::Builder::new()
            .name("prompts".to_owned())
            // Opening a pipe waits for its writer; frames must not.
            .spawn(move || match file.map_or_else(|| File::open(&path), Ok) {
                Ok(file) => read(BufReader::new(file), is_file, &name, &folder, &sender),
                Err(e) => drop(sender.send(failed(&name, &e))),
            })
            .context("cannot start a thread for the prompts")?;
        if is_file {
            while let Ok(Event::Order(order)) = commands.incoming.recv() {
                commands.held.push(order);
            }
        }
        Ok(commands)
    }

    /// Waits until there is an order, or there never will be one.
    pub fn wait(&mut self) {
        while self.held.is_empty() {
            match self.incoming.recv() {
                Ok(Event::Order(order)) => self.held.push(order),
                Ok(Event::CaughtUp) => {}
                Err(_) => return,
            }
        }
    }

    /// The orders that are due on `frame`, in the order in which they came.
    pub fn due(&mut self, frame: usize) -> Vec<Order> {
        loop {
            match self.incoming.try_recv() {
                Ok(Event::Order(order)) => self.held.push(order),
                Ok(Event::CaughtUp) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let (due, later) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|order| order.frame.is_none_or(|wanted| wanted <= frame));
        self.held = later;
        due
    }
}

fn failed(name: &str, error: &std::io::Error) -> Event {
    let command = Err(anyhow::anyhow!("cannot read the prompts from {name}: {error}"));
    Event::Order(Order { frame: None, command })
}

fn read(mut reader: impl BufRead, is_file: bool, name: &str, folder: &Path, sender: &Sender<Event>) {
    let (mut number, mut caught_up, mut text) = (0, false, Vec::new());
    loop {
        let read = match reader.read_until(b'\n', &mut text) {
            Ok(read) => read,
            Err(e) => return drop(sender.send(failed(name, &e))),
        };
        let ended = !text.ends_with(b"\n");
        if ended && is_file && caught_up {
            // The rest of the line, or the next one, may still come.
            thread::sleep(POLL);
            continue;
        }
        number += 1;
        let line = String::from_utf8_lossy(&text).trim().trim_start_matches('\u{feff}').to_owned();
        text.clear();
        if !line.is_empty() && sender.send(order(&line, &format!("{name} line {number}"), folder)).is_err() {
            return;
        }
        if ended && is_file {
            (number, caught_up) = (number - usize::from(read == 0), true);
            drop(sender.send(Event::CaughtUp));
        } else if read == 0 {
            return;
        }
    }
}

fn order(line: &str, origin: &str, folder: &Path) -> Event {
    let (frame, command) = match parse(line, folder) {
        Ok((frame, command)) => (frame, Ok(command)),
        Err(e) => (None, Err(e.context(origin.to_owned()))),
    };
    Event::Order(Order { frame, command })
}

fn parse(line: &str, folder: &Path) -> Result<(Option<usize>, Command)> {
    let Line { op, frame, obj_id, points, labels, bbox, mask, path } =
        serde_json::from_str(line).map_err(|e| anyhow::anyhow!("{}", jsonl::reason(&e)))?;
    let has_target = points.is_some() || labels.is_some() || bbox.is_some() || mask.is_some();
    if has_target && !matches!(op, Op::Add | Op::More) {
        bail!("points, labels, box and mask belong to add and more");
    }
    let id = || -> Result<u32> {
        match obj_id {
            Some(id) if (1..=255).contains(&id) => Ok(id),
            Some(id) => bail!("obj_id is {id}, and objects are numbered 1 to 255"),
            None => bail!("obj_id is missing"),
        }
    };
    let command = match op {
        Op::Add | Op::More => {
            let more = matches!(op, Op::More);
            if more && (bbox.is_some() || mask.is_some()) {
                bail!("more takes clicks only");
            }
            let target = jsonl::target(points, labels, bbox, mask, folder)?;
            Command::Prompt { obj_id: id()?, target, more }
        }
        Op::Remove => Command::Remove(id()?),
        Op::Reset => Command::Reset,
        Op::Save => Command::Save(path.context("save needs a path")?),
        Op::Quit => Command::Quit,
    };
    Ok((frame, command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::Click;
    use std::io::Write;

    fn command(line: &str) -> Result<(Option<usize>, Command)> {
        parse(line, Path::new("folder"))
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
                if let Err(error) = command(&String::from_utf8_lossy(&bytes)) {
                    let message = format!("{error:#}");
                    assert!(!message.contains('\n') && message.len() < 1000, "case {case}: {message}");
                }
            }
        }
    }

    #[test]
    fn every_kind_of_line_is_read() {
        let clicks = vec![Click { x: 1.0, y: 2.0, label: 1 }];
        let target = Prompt::Points { clicks: clicks.clone(), bbox: None };
        let prompt = |more, target| Command::Prompt { obj_id: 3, target, more };
        for (line, expected) in [
            (r#"{"frame":7,"obj_id":3,"points":[[1,2]]}"#, (Some(7), prompt(false, target.clone()))),
            (r#"{"op":"more","obj_id":3,"points":[[1,2]],"labels":[1]}"#, (None, prompt(true, target))),
            (r#"{"obj_id":3,"mask":"m.png"}"#, (None, prompt(false, Prompt::Mask("folder/m.png".into())))),
            (r#"{"op":"remove","obj_id":3,"frame":1}"#, (Some(1), Command::Remove(3))),
            (r#"{"op":"reset"}"#, (None, Command::Reset)),
            (r#"{"op":"save","path":"s.safetensors"}"#, (None, Command::Save("s.safetensors".into()))),
            (r#"{"op":"quit"}"#, (None, Command::Quit)),
        ] {
            assert_eq!(command(line).expect(line), expected);
        }
    }

    #[test]
    fn bad_lines_have_a_reason() {
        for (line, reason) in [
            ("nonsense", "expected"),
            (r#"{"op":"dance"}"#, "unknown variant"),
            (r#"{"points":[[1,2]]}"#, "obj_id is missing"),
            (r#"{"obj_id":0,"points":[[1,2]]}"#, "1 to 255"),
            (r#"{"obj_id":1}"#, "is needed"),
            (r#"{"op":"more","obj_id":1,"box":[1,2,3,4]}"#, "clicks only"),
            (r#"{"op":"reset","points":[[1,2]]}"#, "belong to"),
            (r#"{"op":"save"}"#, "needs a path"),
        ] {
            let text = format!("{:#}", command(line).expect_err(line));
            assert!(text.contains(reason) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn a_file_is_read_at_once_and_then_followed() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        write!(file, "{{\"op\":\"reset\"}}\n\n{{\"op\":\"remove\",\"obj_id\":1,\"frame\":2}}")
            .expect("write");
        let mut commands = Commands::open(file.path()).expect("open");
        let now: Vec<_> = commands.due(0).into_iter().map(|order| order.command.expect("valid")).collect();
        assert_eq!(now, [Command::Reset]);
        let then: Vec<_> = commands.due(2).into_iter().map(|order| order.command.expect("valid")).collect();
        assert_eq!(then, [Command::Remove(1)]);
        // The rest of a line comes later than its beginning.
        write!(file, "\n{{\"op\":").expect("write");
        file.flush().expect("flush");
        thread::sleep(2 * POLL);
        writeln!(file, "\"quit\"}}").expect("write");
        file.flush().expect("flush");
        commands.wait();
        let last: Vec<_> = commands.due(9).into_iter().map(|order| order.command.expect("valid")).collect();
        assert_eq!(last, [Command::Quit]);
    }
}
