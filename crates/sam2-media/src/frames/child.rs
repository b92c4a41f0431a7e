//! A child process that reads a file and writes to a pipe. It ends with this process, however that ends, and
//! when it is silent for too long.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{self, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::error::one_line;
use crate::limits;

/// A child that gives no byte for this long is ended: it reads a file, so it has nothing to wait for.
const SILENCE: Duration = Duration::from_secs(limits::SILENCE);
/// The silence is waited for in steps, so that a stopped and continued process (Ctrl-Z) is not taken for it.
const STEP: Duration = Duration::from_millis(250);
/// Bytes kept of the child's stderr; the rest is read and dropped, so that the child never blocks.
const KEPT_STDERR: usize = 4096;
/// How long the group may take to end when it is told to; it is made to within a second.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes read at a time, and how many such parts are held.
const PART: usize = 64 << 10;
const PARTS: usize = 16;
/// How many parts wait for a child that reads, and how often it is looked whether one more fits.
const FED: usize = 2;
const PAUSE: Duration = Duration::from_millis(2);

/// A shell starts the program and waits for it, in a process group of their own. A second shell reads from a
/// pipe that this process holds open: when it ends, because this process drops it or is gone, even by
/// SIGKILL, the group is told to end, and then made to. The first shell stays, so that the program is waited
/// for.
const GUARD: &str = r#"
exec 3<&0 </dev/null
trap : TERM
{ trap '' TERM; read -r line <&3; kill -s TERM 0; sleep 1; kill -s KILL 0; } >/dev/null 2>&1 &
guard=$!
"$@" 3<&- &
child=$!
exec 3<&- >&- 2>&-
wait $child; status=$?
while kill -s 0 $child; do wait $child; status=$?; done
kill -s KILL $guard; wait $guard
exit $status"#;
/// What a shell ends with if a program is not there.
const NOT_FOUND: i32 = 127;

/// The running child. Dropping it ends the child's process group and waits for the child, so no process is
/// left behind.
pub struct Child {
    process: process::Child,
    /// Its closing ends the group; `None` without a shell.
    pipe: Option<ChildStdin>,
    output: Receiver<io::Result<Vec<u8>>>,
    part: Vec<u8>,
    read: usize,
    messages: Receiver<String>,
    /// How long it may give nothing.
    silence: Duration,
    ended: bool,
}

impl Child {
    /// Starts a program without input.
    ///
    /// # Errors
    /// If it cannot be started, or there are no more processes or threads. If it is missing, either this or
    /// [`Child::finish`] fails with [`ErrorKind::NotFound`].
    pub fn start(program: &OsStr, args: &[OsString]) -> io::Result<Self> {
        let mut process = spawn(program, args)?;
        let (pipe, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (parts, output) = sync_channel(PARTS);
        let (tail, messages) = sync_channel(1);
        let (part, silence) = (Vec::new(), SILENCE);
        let child = Self { process, pipe, output, part, read: 0, messages, silence, ended: false };
        // An error from here on drops the child, which ends it.
        thread(
            "child's output",
            Box::new(move || stdout.into_iter().for_each(|stdout| read_parts(stdout, &parts))),
        )?;
        thread("child's messages", read_messages(stderr, tail))?;
        Ok(child)
    }

    /// Starts a program that reads what [`Feed::send`] gives it. It needs no second shell that watches: its
    /// input ends with this process.
    ///
    /// # Errors
    /// As [`Child::start`].
    pub fn start_fed(program: &OsStr, args: &[OsString]) -> io::Result<(Self, Feed)> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let (mut stdin, stderr) = (process.stdin.take(), process.stderr.take());
        let (tail, messages) = sync_channel(1);
        let (parts, input) = sync_channel::<Vec<u8>>(FED);
        let (part, silence, output) = (Vec::new(), SILENCE, sync_channel(1).1);
        let child = Self { process, pipe: None, output, part, read: 0, messages, silence, ended: false };
        let write = move || {
            // Writing fails when the child has ended; the sender then finds the channel closed.
            while let (Some(pipe), Ok(part)) = (stdin.as_mut(), input.recv())
                && pipe.write_all(&part).is_ok()
            {}
        };
        thread("child's input", Box::new(write))?;
        thread("child's messages", read_messages(stderr, tail))?;
        Ok((child, Feed { parts }))
    }

    /// Waits for the end of a child whose output has been read; returns the last lines of its stderr as one.
    ///
    /// # Errors
    /// If it does not end, or was not there.
    pub fn finish(&mut self) -> io::Result<(ExitStatus, String)> {
        let Some(status) = self.wait(self.silence)? else { return Err(ErrorKind::TimedOut.into()) };
        self.ended = true;
        let messages = self.messages();
        // The loader of a program that is there ends with the same code if a library or memory is missing.
        let is_absent = self.pipe.is_some() && status.code() == Some(NOT_FOUND);
        if is_absent && !messages.contains("loading shared libraries") {
            return Err(ErrorKind::NotFound.into());
        }
        Ok((status, messages))
    }

    /// Ends the child and its group; returns the last lines of its stderr as one.
    pub fn end(&mut self) -> String {
        self.ended = true;
        // The thread that reads ends, and so does a child that writes.
        self.output = sync_channel(1).1;
        let told = self.pipe.take().is_some();
        if !told || !matches!(self.wait(GRACE), Ok(Some(_))) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        self.messages()
    }

    fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let (mut pause, mut waited) = (Duration::from_millis(1), Duration::ZERO);
        loop {
            let status = self.process.try_wait()?;
            if status.is_some() || waited >= limit {
                return Ok(status);
            }
            thread::sleep(pause);
            waited += pause;
            pause = (2 * pause).min(Duration::from_millis(50));
        }
    }

    fn messages(&mut self) -> String {
        // A process that has left the group may hold the pipe; nobody waits for its messages.
        self.messages.recv_timeout(4 * STEP).unwrap_or_default()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
        }
    }
}

/// The input of a child; dropped, it ends.
pub struct Feed {
    parts: SyncSender<Vec<u8>>,
}

impl Feed {
    /// Hands a part over.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenPipe`] if the child has ended, [`ErrorKind::TimedOut`] if it takes nothing for
    /// [`SILENCE`].
    pub fn send(&self, mut part: Vec<u8>) -> io::Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            part = match self.parts.try_send(part) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if waited >= SILENCE => return Err(ErrorKind::TimedOut.into()),
                Err(TrySendError::Full(part)) => part,
            };
            thread::sleep(PAUSE);
            waited += PAUSE;
        }
    }
}

impl BufRead for Child {
    /// Fails with [`ErrorKind::TimedOut`] if nothing comes for [`SILENCE`].
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let mut silent = Duration::ZERO;
        while self.read == self.part.len() {
            match self.output.recv_timeout(STEP) {
                Ok(part) => (self.part, self.read) = (part?, 0),
                Err(RecvTimeoutError::Timeout) if silent < self.silence => silent += STEP,
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(&self.part[self.read..])
    }

    fn consume(&mut self, bytes: usize) {
        self.read = (self.read + bytes).min(self.part.len());
    }
}

impl Read for Child {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(into)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

/// Starts the program through [`GUARD`] if there is a shell, else directly.
fn spawn(program: &OsStr, args: &[OsString]) -> io::Result<process::Child> {
    let prepare = |mut command: Command, stdin| {
        command.args(args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    #[cfg(unix)]
    {
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "sh"]).arg(program);
        let mut shell = prepare(shell, Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        match shell.spawn() {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            spawned => return spawned,
        }
    }
    prepare(Command::new(program), Stdio::null()).spawn()
}

fn thread(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

fn read_parts(mut stream: impl Read, parts: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut part = vec![0; PART];
        match stream.read(&mut part) {
            Ok(0) => return,
            Ok(read) => part.truncate(read),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return drop(parts.send(Err(e))),
        }
        // Sending fails when the child has been dropped.
        if parts.send(Ok(part)).is_err() {
            return;
        }
    }
}

/// The work of the thread that keeps the end of the child's messages.
fn read_messages(stderr: Option<ChildStderr>, tail: SyncSender<String>) -> Box<dyn FnOnce() + Send> {
    Box::new(move || drop(tail.send(stderr.map(read_tail).unwrap_or_default())))
}

/// Reads to the end and keeps the last bytes, as one line.
fn read_tail(stream: impl Read) -> String {
    let mut tail = Vec::new();
    let mut stream = BufReader::with_capacity(1024, stream);
    while let Ok(chunk) = stream.fill_buf()
        && !chunk.is_empty()
    {
        tail.extend_from_slice(chunk);
        let (read, excess) = (chunk.len(), tail.len().saturating_sub(KEPT_STDERR));
        tail.drain(..excess);
        stream.consume(read);
    }
    one_line(&String::from_utf8_lossy(&tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn shell(script: &str) -> Child {
        Child::start(OsStr::new("sh"), &["-c".into(), script.into()]).expect("sh starts")
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let text = format!("{}end", "x".repeat(10_000));
        let tail = read_tail(text.as_bytes());
        assert!(tail.ends_with("xend") && tail.len() == KEPT_STDERR);
    }

    #[cfg(unix)]
    #[test]
    fn output_messages_and_status_are_those_of_the_child() {
        let mut child = shell("head -c 3000000 /dev/zero; echo one >&2; echo two >&2; exit 3");
        let mut bytes = Vec::new();
        child.read_to_end(&mut bytes).expect("read");
        let (status, messages) = child.finish().expect("ends");
        assert_eq!((bytes.len(), status.code(), messages.as_str()), (3_000_000, Some(3), "one two"));
        let mut no_memory = shell("echo p: error while loading shared libraries: libx.so >&2; exit 127");
        let (status, messages) = no_memory.finish().expect("it was there");
        assert!(status.code() == Some(127) && messages.contains("libx.so"));
        let absent = Child::start(OsStr::new("there-is-no-such-program"), &[]);
        let error = absent.and_then(|mut child| child.finish()).expect_err("absent");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_silent_child_is_not_waited_for() {
        let mut child = shell("echo one; exec sleep 600");
        child.silence = STEP;
        let mut line = String::new();
        assert_eq!(child.read_line(&mut line).expect("a line"), 4);
        assert_eq!(child.read_line(&mut line).expect_err("silent").kind(), ErrorKind::TimedOut);
        let mut child = shell("exec >&-; exec sleep 600");
        child.silence = STEP;
        assert_eq!(child.read_line(&mut line).expect("the end of its output"), 0);
        assert_eq!(child.finish().expect_err("does not end").kind(), ErrorKind::TimedOut);
    }

    /// Whether a process is there and no zombie.
    #[cfg(target_os = "linux")]
    fn runs(process: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_dropped_child_takes_its_own_children_along() {
        // A wrapper: the process that writes is the child of the child, and holds both pipes.
        let mut child = shell("sh -c 'echo $$; exec sleep 600'; exit 0");
        let mut line = String::new();
        child.read_line(&mut line).expect("read");
        let grandchild = line.trim().to_owned();
        assert!(runs(&grandchild));
        drop(child);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while runs(&grandchild) && std::time::Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!runs(&grandchild), "process {grandchild} is left behind");
    }
}
