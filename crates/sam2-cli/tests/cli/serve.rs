//! `sam2 serve` as a process: what it prints, how it ends, and what a kill leaves. `SAM2_KILLS` is how often
//! it is killed, 4 if absent. Its addresses are tested in `sam2-web`.
#![cfg(unix)]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Place, refused, run, sam2};

struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    link: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut command = sam2();
        command.arg("serve").args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sam2 starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut link = String::new();
        stdout.read_line(&mut link).expect("a line");
        assert!(link.starts_with("http://127.0.0.1:"), "{link:?}");
        Self { child, stdout, link: link.trim_end().to_owned() }
    }

    /// An answer with status 200, or `None` if the server has gone.
    fn send(&self, method: &str, path: &str, body: &str) -> Option<Value> {
        let rest = self.link.strip_prefix("http://").expect("an address");
        let (address, token) = rest.split_once("/?t=").expect("a token");
        let mut stream = TcpStream::connect(address).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Sam2-Token: {token}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 20"), "{method} {path}: {text}");
        // Half an answer is none.
        serde_json::from_str(body).ok()
    }

    fn clip(&self) -> String {
        let media = self.send("GET", "/api/v1/media", "").expect("the list");
        format!("/api/v1/clips/{}", media[0]["id"].as_str().expect("an id"))
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
    }

    /// Waits for the end: its code, and what it printed after the address and as notes.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut notes) = (String::new(), String::new());
        self.stdout.read_to_string(&mut rest).expect("text");
        self.child.stderr.take().expect("stderr").read_to_string(&mut notes).expect("text");
        (self.child.wait().expect("it ends").code(), rest, notes)
    }
}

#[test]
fn one_line_is_printed_and_a_signal_ends_it_cleanly() {
    let place = Place::new();
    for signal in ["INT", "TERM"] {
        let session = place.arg(&format!("{signal}.jsonl"));
        let server = Server::start(&["--port", "0", "--session", &session]);
        let (_, token) = server.link.split_once("/?t=").expect("a token");
        assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{}", server.link);
        assert_eq!(server.send("GET", "/api/v1/info", "").expect("an answer")["embedded"], true);
        server.signal(signal);
        let (code, rest, notes) = server.end();
        assert_eq!((code, rest.as_str()), (Some(0), ""), "{notes}");
        assert!(notes.contains(&session) && !notes.contains("error"), "{notes}");
        assert!(std::path::Path::new(&session).is_file());
    }
}

#[test]
fn without_a_session_there_is_one_in_the_cache_while_there_is_something_in_it() {
    let place = Place::new();
    let mut command = sam2();
    command.env("XDG_CACHE_HOME", place.path()).args(["serve", "--port", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sam2 starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
    let mut link = String::new();
    stdout.read_line(&mut link).expect("a line");
    let server = Server { child, stdout, link: link.trim_end().to_owned() };
    let files = || crate::common::list(&place.join("sam2"));
    assert_eq!(files().len(), 1);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    assert_eq!(files(), Vec::<String>::new());
}

#[test]
fn the_next_free_port_is_taken_but_not_in_place_of_a_given_one() {
    let place = Place::new();
    let (a, b) = (place.arg("a.jsonl"), place.arg("b.jsonl"));
    let (first, second) = (Server::start(&["--session", &a]), Server::start(&["--session", &b]));
    let port = |server: &Server| {
        let (_, rest) = server.link.rsplit_once(':').expect("a port");
        rest.split('/').next().and_then(|port| port.parse::<u16>().ok()).expect("a number")
    };
    assert!(port(&first) >= 7272 && port(&first) != port(&second));
    let taken = port(&first).to_string();
    let third = place.arg("c.jsonl");
    refused(&run(&["serve", "-q", "--port", &taken, "--session", &third]), &[&taken, "--port"]);
    [first, second].into_iter().for_each(|server| {
        server.signal("KILL");
        server.end();
    });
}

#[test]
fn what_would_do_harm_is_refused() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    refused(&run(&["serve", "-q", &photo, "--session", &photo]), &["photo.png", "input"]);
    let text = place.write("notes.txt", "shopping list");
    refused(&run(&["serve", "-q", "--session", &text]), &["notes.txt", "no session"]);
    assert_eq!(std::fs::read_to_string(&text).expect("read"), "shopping list");
    let session = place.arg("s.jsonl");
    refused(
        &run(&["serve", "-q", "--host", "0.0.0.0", "--no-token", "--session", &session]),
        &["--no-token"],
    );
    refused(&run(&["serve", "-q", &place.arg("absent.mp4"), "--session", &session]), &["absent.mp4"]);
    assert_eq!(run(&["serve", "-q", "--max-upload", "much"]).status.code(), Some(2));
}

/// A number in 0 .. 1.
fn random() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn a_kill_loses_no_answered_prompt() {
    let count = std::env::var("SAM2_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    for round in 0..count {
        let place = Place::new();
        let session = place.arg("session.jsonl");
        let server = Server::start(&["--port", "0", "--session", &session]);
        let clip = server.clip();
        let mut answered = Vec::new();
        let delay = Duration::from_secs_f64(0.2 + 2.0 * random());
        let (pid, killer) = (server.child.id().to_string(), delay);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(killer);
            let status = Command::new("kill").args(["-s", "KILL", &pid]).status();
            assert!(status.expect("kill starts").success());
        });
        // Prompts without a pause, and now and then a pass, until there is no answer.
        for n in 0.. {
            let (frame, obj_id, x) = (n % 24, n / 24 % 255 + 1, 60 + n % 100);
            let prompt = json!({
                "frame": frame, "obj_id": obj_id, "op": "set", "points": [[x, 90]], "labels": [1]
            });
            let path = format!("{clip}/prompts");
            let Some(answer) = server.send("POST", &path, &prompt.to_string()) else { break };
            answered.push((frame, obj_id, x, answer["objects"].clone()));
            // A pass in between, so that previews and tracked masks are written too.
            if n == 10 && server.send("POST", &format!("{clip}/track"), "{}").is_none() {
                break;
            }
        }
        killer.join().expect("it was killed");
        server.end();
        assert!(!answered.is_empty(), "round {round}: nothing was answered within {delay:?}");
        let next = Server::start(&["--port", "0", "--session", &session]);
        let clip = next.clip();
        let prompts = next.send("GET", &format!("{clip}/prompts"), "").expect("the prompts");
        let masks = next.send("GET", &format!("{clip}/masks"), "").expect("the masks");
        let (prompts, masks) = (prompts["prompts"].as_array(), masks["frames"].as_array());
        for (frame, obj_id, x, objects) in &answered {
            let found = prompts.into_iter().flatten().any(|prompt| {
                prompt["frame"] == *frame
                    && prompt["obj_id"] == *obj_id
                    && prompt["points"] == json!([[f64::from(*x), 90.0]])
            });
            assert!(
                found,
                "round {round}, {delay:?}: the prompt on frame {frame} of object {obj_id} is lost"
            );
            let kept = masks.into_iter().flatten().find(|mask| mask["frame"] == *frame).expect("the frame");
            let of = |objects: &Value| {
                let list = objects.as_array().into_iter().flatten().cloned();
                list.into_iter().find(|object| object["obj_id"] == *obj_id)
            };
            assert!(of(&kept["objects"]).is_some() && of(objects).is_some(), "round {round}: a mask is lost");
        }
        next.signal("KILL");
        next.end();
    }
}
