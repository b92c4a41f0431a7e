//! Commands of a stream: JSON lines from a file, a pipe or a descriptor, read while it runs. A reader that is
//! faster than the frames waits, and what waits for later frames is bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use sam2_model::text::{self, TextError};

use super::command::{Command, Request};
use crate::error::{InvalidCommand, InvalidPrompt, MediaError};
use crate::limits::{MAX_LINE, MAX_WAITING, MAX_WAITING_BYTES};
use crate::prompts::Prompt;

/// Polling interval for new lines of a file.
const POLL: Duration = Duration::from_millis(20);
/// Lines that are read ahead of the frames at most.
const AHEAD: usize = 1024;

enum Event {
    /// A request, or the reason why the line is invalid.
    Line(Line),
    /// The initial lines of the file have been read.
    CaughtUp,
}

struct Line {
    request: Result<Request, MediaError>,
    /// Its file and line.
    origin: String,
    /// Its length.
    bytes: usize,
}

/// Reader of requests.
///
/// ```
/// use sam2_media::protocol::{Command, Feed};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("prompts.jsonl");
/// std::fs::write(&path, "{\"op\":\"reset\",\"frame\":2}\n{\"op\":\"quit\",\"frame\":9}\n")?;
/// let mut feed = Feed::open(&path)?; // or a pipe
/// assert!(feed.due(0).is_empty());
/// let request = feed.due(2).remove(0)?;
/// assert_eq!(request.command, Command::Reset);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Feed {
    incoming: Receiver<Event>,
    /// What is due at once, each with its place in the order of arrival.
    now: Vec<(usize, Result<Request, MediaError>)>,
    /// Requests for later frames, by frame, each with its place and its length in bytes.
    later: BTreeMap<usize, Vec<(usize, Request, usize)>>,
    /// Number of lines so far.
    arrived: usize,
    /// Number of requests in `later`.
    waiting: usize,
    /// Sum of their lengths.
    waiting_bytes: usize,
}

impl Feed {
    /// A feed without requests.
    pub fn none() -> Self {
        Self::of(sync_channel(0).1)
    }

    fn of(incoming: Receiver<Event>) -> Self {
        let (now, later) = (Vec::new(), BTreeMap::new());
        Self { incoming, now, later, arrived: 0, waiting: 0, waiting_bytes: 0 }
    }

    /// Starts to read `path`. On return all lines of a file have been read; appended lines are read within 20
    /// ms. Lines of a pipe are read as they arrive. A line is at most [`MAX_LINE`] long; at most
    /// [`MAX_WAITING`] requests wait for later frames.
    ///
    /// # Errors
    /// If the file cannot be opened. Later errors are items of [`Feed::due`].
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let name = path.display().to_string();
        let cannot = |source: io::Error| MediaError::Feed { name: name.clone(), source: source.into() };
        let is_file = std::fs::metadata(path).map_err(cannot)?.is_file();
        let file = if is_file { Some(File::open(path).map_err(cannot)?) } else { None };
        let (sender, incoming) = sync_channel(AHEAD);
        let mut feed = Self::of(incoming);
        let pipe = path.to_owned();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let source = Source { name: name.clone(), folder, is_file, sender };
        thread::Builder::new()
            .name("prompts".to_owned())
            // Opening a pipe blocks until it has a writer; frames must not wait for it.
            .spawn(move || {
                let opened = file.map_or_else(|| File::open(&pipe), Ok).map_err(TextError::from);
                if let Err(e) = opened.and_then(|file| source.read(BufReader::new(file))) {
                    source.failed(e);
                }
            })
            .map_err(cannot)?;
        if is_file {
            // The rest of a very long file is read with the frames.
            while feed.now.len() < MAX_WAITING
                && let Ok(Event::Line(line)) = feed.incoming.recv()
            {
                feed.hold(line);
            }
        }
        Ok(feed)
    }

    /// The files of masks in the requests that were read so far and are not due yet.
    pub fn masks(&self) -> impl Iterator<Item = &Path> {
        let now = self.now.iter().filter_map(|(_, request)| request.as_ref().ok());
        let later = self.later.values().flatten().map(|(_, request, _)| request);
        now.chain(later).filter_map(|request| match &request.command {
            Command::Prompt { prompt: Prompt::Mask(path), .. } => Some(path.as_path()),
            _ => None,
        })
    }

    /// Number of requests that wait for later frames.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Waits until there is a request, or the feed has ended.
    pub fn wait(&mut self) {
        while self.now.is_empty() && self.later.is_empty() {
            match self.incoming.recv() {
                Ok(Event::Line(line)) => self.hold(line),
                Ok(Event::CaughtUp) => {}
                Err(_) => return,
            }
        }
    }

    /// The requests due on `frame` and the errors of invalid lines, in order of arrival.
    pub fn due(&mut self, frame: usize) -> Vec<Result<Request, MediaError>> {
        // Bounded, so that a writer without pauses does not keep the frames waiting.
        for _ in 0..MAX_WAITING {
            match self.incoming.try_recv() {
                Ok(Event::Line(line)) => self.hold(line),
                Ok(Event::CaughtUp) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let mut due = std::mem::take(&mut self.now);
        let still_later = self.later.split_off(&frame.saturating_add(1));
        for (place, request, bytes) in std::mem::replace(&mut self.later, still_later).into_values().flatten()
        {
            self.waiting -= 1;
            self.waiting_bytes -= bytes;
            due.push((place, Ok(request)));
        }
        due.sort_by_key(|(place, _)| *place);
        due.into_iter().map(|(_, request)| request).collect()
    }

    /// Keeps a line until it is due.
    fn hold(&mut self, Line { request, origin, bytes }: Line) {
        let place = self.arrived;
        self.arrived += 1;
        match request {
            Ok(request @ Request { frame: Some(frame), .. }) => {
                if self.waiting == MAX_WAITING || self.waiting_bytes + bytes > MAX_WAITING_BYTES {
                    let source = InvalidCommand::TooManyWaiting;
                    return self.now.push((place, Err(MediaError::Command { origin, source })));
                }
                self.waiting += 1;
                self.waiting_bytes += bytes;
                self.later.entry(frame).or_default().push((place, request, bytes));
            }
            request => self.now.push((place, request)),
        }
    }
}

/// What the thread of a feed reads.
struct Source {
    name: String,
    /// Paths of masks are relative to it.
    folder: PathBuf,
    is_file: bool,
    sender: SyncSender<Event>,
}

impl Source {
    fn failed(&self, source: TextError) {
        let error = MediaError::Feed { name: self.name.clone(), source };
        let _ = self.send(Err(error), String::new(), 0);
    }

    /// Whether the feed is still there.
    fn send(&self, request: Result<Request, MediaError>, origin: String, bytes: usize) -> bool {
        self.sender.send(Event::Line(Line { request, origin, bytes })).is_ok()
    }

    fn read(&self, mut reader: impl BufRead) -> Result<(), TextError> {
        let (mut number, mut caught_up, mut text) = (0, false, Vec::new());
        // Bytes of the line that were dropped, because it is longer than `MAX_LINE`.
        let mut dropped = 0;
        loop {
            let room = (MAX_LINE + 1).saturating_sub(text.len());
            let read = reader.by_ref().take(room as u64).read_until(b'\n', &mut text)?;
            let ended = !text.ends_with(b"\n");
            if ended && text.len() > MAX_LINE {
                dropped += text.len();
                text.clear();
                continue;
            }
            if ended && self.is_file && caught_up {
                // The rest of the line, or another line, may follow.
                thread::sleep(POLL);
                continue;
            }
            number += 1;
            let bytes = dropped + text.len();
            let request = self.request(std::mem::take(&mut text), std::mem::take(&mut dropped), number);
            if let Some((request, origin)) = request?
                && !self.send(request, origin, bytes)
            {
                return Ok(());
            }
            if ended && self.is_file {
                (number, caught_up) = (number - usize::from(bytes == 0), true);
                if self.sender.send(Event::CaughtUp).is_err() {
                    return Ok(());
                }
            } else if read == 0 {
                return Ok(());
            }
        }
    }

    /// The request of a line and its origin; `None` for an empty line.
    #[expect(clippy::type_complexity, reason = "a request, or why the line is none, and where it is from")]
    fn request(
        &self,
        text: Vec<u8>,
        dropped: usize,
        number: usize,
    ) -> Result<Option<(Result<Request, MediaError>, String)>, TextError> {
        let origin = format!("{} line {number}", self.name);
        let request = if dropped > 0 {
            Err(InvalidPrompt::LongLine { bytes: dropped + text.len() }.into())
        } else {
            match text::decode(text) {
                Ok(text) if text.trim().is_empty() => return Ok(None),
                Ok(text) => Request::parse(text.trim(), &self.folder),
                Err(TextError::NotText) => Err(InvalidPrompt::NotText.into()),
                Err(error) => return Err(error),
            }
        };
        let request = request.map_err(|source| MediaError::Command { origin: origin.clone(), source });
        Ok(Some((request, origin)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use std::io::Write;

    fn opened(text: &str) -> Feed {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(text.as_bytes()).expect("write");
        Feed::open(file.path()).expect("open")
    }

    fn removed(feed: &mut Feed, frame: usize) -> Vec<u32> {
        let id = |request: Result<Request, MediaError>| match request.expect("valid").command {
            Command::Remove(id) => id,
            other => panic!("{other:?}"),
        };
        feed.due(frame).into_iter().map(id).collect()
    }

    #[test]
    fn requests_are_due_in_the_order_in_which_they_came() {
        let line = |id: u32, frame: Option<usize>| {
            let frame = frame.map(|frame| format!(",\"frame\":{frame}")).unwrap_or_default();
            format!("{{\"op\":\"remove\",\"obj_id\":{id}{frame}}}\r\n")
        };
        let lines = [line(1, Some(3)), line(2, Some(1)), line(3, None), line(4, Some(3)), line(5, Some(0))];
        let mut feed = opened(&format!("\u{feff}{}", lines.concat()));
        assert_eq!(removed(&mut feed, 0), [3, 5]);
        assert_eq!(removed(&mut feed, 0), [0_u32; 0]);
        assert_eq!(removed(&mut feed, 5), [1, 2, 4]);
    }

    #[test]
    fn what_waits_for_later_frames_is_bounded() {
        let text = "{\"op\":\"remove\",\"obj_id\":1,\"frame\":9}\n".repeat(MAX_WAITING + 2);
        let mut feed = opened(&text);
        let refused = feed.due(0);
        assert_eq!(refused.len(), 2);
        for refused in refused {
            let error = in_full(&refused.expect_err("one too many"));
            assert!(error.contains("100000") && error.contains(" line 10000"), "{error}");
        }
        assert_eq!(removed(&mut feed, 9).len(), MAX_WAITING);
        assert_eq!((feed.waiting, feed.waiting_bytes), (0, 0));
    }

    #[test]
    fn a_line_without_an_end_is_refused_and_passed_over() {
        let good = "{\"op\":\"remove\",\"obj_id\":7}";
        for long in [MAX_LINE + 1, 3 * MAX_LINE, 5 * MAX_LINE + 77] {
            let mut feed = opened(&format!("{}\n{good}\n", "x".repeat(long)));
            let mut due = feed.due(0);
            assert_eq!(due.len(), 2, "{long}");
            let last = due.pop().expect("two").expect("the next line is read");
            assert_eq!(last.command, Command::Remove(7));
            let error = in_full(&due.pop().expect("one").expect_err("too long"));
            assert!(error.contains("line 1") && error.contains("at most 1 MB"), "{error}");
        }
        let exact = format!("{good}{}", " ".repeat(MAX_LINE - good.len()));
        assert_eq!(removed(&mut opened(&exact), 0), [7]);
        assert_eq!(removed(&mut opened(&format!("{exact}\n")), 0), [7]);
    }

    #[test]
    fn utf16_is_named() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        let text = "\u{feff}{\"op\":\"quit\"}\n".encode_utf16();
        file.write_all(&text.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).expect("write");
        let mut feed = Feed::open(file.path()).expect("open");
        let error = in_full(&feed.due(0).pop().expect("an item").expect_err("UTF-16"));
        assert!(error.contains("UTF-16"), "{error}");
    }

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
