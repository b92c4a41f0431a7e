//! Commands of a stream: JSON lines from a file, a pipe or a descriptor, read while it runs.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::command::{Command, Request};
use crate::error::MediaError;
use crate::prompts::Prompt;

/// Polling interval for new lines of a file.
const POLL: Duration = Duration::from_millis(20);

enum Event {
    /// A request, or the reason why the line is invalid.
    Line(Result<Request, MediaError>),
    /// The initial lines of the file have been read.
    CaughtUp,
}

/// Reader of requests.
pub struct Feed {
    incoming: Receiver<Event>,
    /// Requests for later frames.
    held: Vec<Result<Request, MediaError>>,
}

impl Feed {
    /// A feed without requests.
    pub fn none() -> Self {
        Self { incoming: channel().1, held: Vec::new() }
    }

    /// Starts to read `path`. On return all lines of a file have been read; appended lines are read within 20
    /// ms. Lines of a pipe are read as they arrive.
    ///
    /// # Errors
    /// If the file cannot be opened. Later errors are items of [`Feed::due`].
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let name = path.display().to_string();
        let cannot = |source| MediaError::Feed { name: path.display().to_string(), source };
        let is_file = std::fs::metadata(path).map_err(cannot)?.is_file();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let file = if is_file { Some(File::open(path).map_err(cannot)?) } else { None };
        let (sender, incoming) = channel();
        let mut feed = Self { incoming, held: Vec::new() };
        let pipe = path.to_owned();
        thread::Builder::new()
            .name("prompts".to_owned())
            // Opening a pipe blocks until it has a writer; frames must not wait for it.
            .spawn(move || match file.map_or_else(|| File::open(&pipe), Ok) {
                Ok(file) => read(BufReader::new(file), is_file, &name, &folder, &sender),
                Err(e) => drop(sender.send(failed(&name, e))),
            })
            .map_err(cannot)?;
        if is_file {
            while let Ok(Event::Line(line)) = feed.incoming.recv() {
                feed.held.push(line);
            }
        }
        Ok(feed)
    }

    /// The files of masks in the requests that were read so far and are not due yet.
    pub fn masks(&self) -> impl Iterator<Item = &Path> {
        self.held.iter().flatten().filter_map(|request| match &request.command {
            Command::Prompt { prompt: Prompt::Mask(path), .. } => Some(path.as_path()),
            _ => None,
        })
    }

    /// Waits until there is a request, or the feed has ended.
    pub fn wait(&mut self) {
        while self.held.is_empty() {
            match self.incoming.recv() {
                Ok(Event::Line(line)) => self.held.push(line),
                Ok(Event::CaughtUp) => {}
                Err(_) => return,
            }
        }
    }

    /// The requests due on `frame` and the errors of invalid lines, in order of arrival.
    pub fn due(&mut self, frame: usize) -> Vec<Result<Request, MediaError>> {
        loop {
            match self.incoming.try_recv() {
                Ok(Event::Line(line)) => self.held.push(line),
                Ok(Event::CaughtUp) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let is_due = |line: &Result<Request, MediaError>| match line {
            Ok(request) => request.frame.is_none_or(|wanted| wanted <= frame),
            Err(_) => true,
        };
        let (due, later) = std::mem::take(&mut self.held).into_iter().partition(is_due);
        self.held = later;
        due
    }
}

fn failed(name: &str, source: io::Error) -> Event {
    Event::Line(Err(MediaError::Feed { name: name.to_owned(), source }))
}

fn read(mut reader: impl BufRead, is_file: bool, name: &str, folder: &Path, sender: &Sender<Event>) {
    let (mut number, mut caught_up, mut text) = (0, false, Vec::new());
    loop {
        let read = match reader.read_until(b'\n', &mut text) {
            Ok(read) => read,
            Err(e) => return drop(sender.send(failed(name, e))),
        };
        let ended = !text.ends_with(b"\n");
        if ended && is_file && caught_up {
            // The rest of the line, or another line, may follow.
            thread::sleep(POLL);
            continue;
        }
        number += 1;
        let line = String::from_utf8_lossy(&text).trim().trim_start_matches('\u{feff}').to_owned();
        text.clear();
        if !line.is_empty() {
            let request = Request::parse(&line, folder)
                .map_err(|source| MediaError::Command { origin: format!("{name} line {number}"), source });
            if sender.send(Event::Line(request)).is_err() {
                return;
            }
        }
        if ended && is_file {
            (number, caught_up) = (number - usize::from(read == 0), true);
            drop(sender.send(Event::CaughtUp));
        } else if read == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_read_at_once_and_then_followed() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        write!(file, "{{\"op\":\"reset\"}}\n\n{{\"op\":\"remove\",\"obj_id\":1,\"frame\":2}}")
            .expect("write");
        let mut feed = Feed::open(file.path()).expect("open");
        let due = |feed: &mut Feed, frame| -> Vec<Command> {
            feed.due(frame).into_iter().map(|request| request.expect("valid").command).collect()
        };
        assert_eq!(due(&mut feed, 0), [Command::Reset]);
        assert_eq!(due(&mut feed, 2), [Command::Remove(1)]);
        // The rest of a line is written later than its beginning.
        write!(file, "\n{{\"op\":").expect("write");
        file.flush().expect("flush");
        thread::sleep(2 * POLL);
        writeln!(file, "\"quit\"}}").expect("write");
        file.flush().expect("flush");
        feed.wait();
        assert_eq!(due(&mut feed, 9), [Command::Quit]);
    }
}
