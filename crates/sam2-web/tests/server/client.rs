//! A server of the embedded model and clip, and a small HTTP/1.1 client.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sam2_web::{Options, Server};
use serde_json::Value;

pub struct Running {
    pub server: Server,
    pub address: SocketAddr,
    pub token: String,
    pub folder: tempfile::TempDir,
    /// The bundled clip.
    pub clip: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {text}", self.status))
    }

    /// The word of an error.
    pub fn code(&self) -> String {
        let json = self.json();
        let message = json["error"]["message"].as_str().expect("a message");
        assert!(!message.is_empty() && !message.contains('\n') && message.len() < 400, "{message}");
        json["error"]["code"].as_str().expect("a code").to_owned()
    }
}

pub fn options(folder: &Path) -> Options {
    Options {
        paths: Vec::new(),
        embedded_clip: Some(("demo.gif", sam2_micro::DEMO_CLIP)),
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        fixed_port: true,
        session: folder.join("session.jsonl"),
        allow_write: None,
        max_upload: 1_000_000,
        token: true,
        osam: false,
        threads: 2,
        model_name: "embedded".to_owned(),
        embedded: true,
    }
}

pub fn start() -> Running {
    start_with(|_| {})
}

pub fn start_with(change: impl FnOnce(&mut Options)) -> Running {
    start_in(tempfile::tempdir().expect("temporary folder"), change)
}

pub fn start_in(folder: tempfile::TempDir, change: impl FnOnce(&mut Options)) -> Running {
    let mut options = options(folder.path());
    change(&mut options);
    let server = Server::start(sam2_micro::model(), options).expect("starts");
    let link = server.link();
    let rest = link.strip_prefix("http://").expect("an address");
    let (address, query) = rest.split_once('/').expect("a path");
    let token = query.strip_prefix("?t=").unwrap_or_default().to_owned();
    let address = address.parse().expect("an address");
    let mut running = Running { server, address, token, folder, clip: String::new() };
    let media = running.get("/api/v1/media").json();
    running.clip = media[0]["id"].as_str().unwrap_or_default().to_owned();
    running
}

impl Running {
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream
    }

    /// Sends these bytes and reads the answer.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).expect("sends");
        read(&mut BufReader::new(stream)).expect("an answer")
    }

    /// A request with these headers, and Host.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text += &format!("Host: {}\r\n", self.address);
        }
        headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        if !body.is_empty() || method != "GET" {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        self.raw(&[text.as_bytes(), b"\r\n", body].concat())
    }

    fn with_token(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.send(method, path, &[("X-Sam2-Token", &self.token)], body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.with_token("GET", path, b"")
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.with_token("DELETE", path, b"")
    }

    pub fn put(&self, path: &str, body: &str) -> Answer {
        self.with_token("PUT", path, body.as_bytes())
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.with_token("POST", path, body.as_ref())
    }

    /// A path below the bundled clip's.
    pub fn clip(&self, rest: &str) -> String {
        format!("/api/v1/clips/{}/{rest}", self.clip)
    }

    pub fn media(&self, rest: &str) -> String {
        format!("/api/v1/media/{}/{rest}", self.clip)
    }

    /// Follows the events from `last` on, or from now on.
    pub fn events(&self, last: Option<u64>) -> Events {
        let mut stream = self.connect();
        let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        let head = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nX-Sam2-Token: {}\r\n{last}\r\n",
            self.address, self.token
        );
        stream.write_all(head.as_bytes()).expect("sends");
        let mut reader = BufReader::new(stream);
        let (status, headers) = head_of(&mut reader).expect("an answer");
        let kind = headers.iter().find(|(name, _)| name == "content-type").expect("a type");
        assert_eq!((status, kind.1.as_str()), (200, "text/event-stream"));
        let mut events = Events { reader, text: String::new() };
        // So that what is done from here on is heard.
        assert_eq!(events.line(), ": sam2");
        events
    }

    /// The private folder of the server, which has a file in it.
    pub fn upload_folder(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(std::env::temp_dir()).expect("list").flatten();
        let own = entries.filter(|e| e.file_name().to_string_lossy().starts_with("sam2-serve-"));
        own.map(|entry| entry.path()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.stop();
    }
}

/// A stream of events.
pub struct Events {
    reader: BufReader<TcpStream>,
    text: String,
}

impl Events {
    fn line(&mut self) -> String {
        while !self.text.contains('\n') {
            let part = chunk(&mut self.reader).expect("the stream goes on");
            assert!(!part.is_empty(), "the stream has ended");
            self.text += &String::from_utf8(part).expect("text");
        }
        let (line, rest) = self.text.split_once('\n').expect("a line");
        let line = line.to_owned();
        self.text = rest.to_owned();
        line
    }

    /// Number, name and data of the next event.
    pub fn next(&mut self) -> (u64, String, Value) {
        let (mut id, mut name) = (0, String::new());
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().expect("a number");
            } else if let Some(text) = line.strip_prefix("event: ") {
                name = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return (id, name, serde_json::from_str(text).expect("JSON"));
            }
        }
    }

    /// The data of the next event of this name.
    pub fn until(&mut self, wanted: &str) -> Value {
        loop {
            let (_, name, data) = self.next();
            assert!(name != "failed" || wanted == "failed", "{data}");
            if name == wanted {
                return data;
            }
        }
    }
}

type Head = (u16, Vec<(String, String)>);

fn head_of(reader: &mut impl BufRead) -> std::io::Result<Head> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no answer: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok((status, headers)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn chunk(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let len = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; len + 2];
    reader.read_exact(&mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// Reads one answer.
pub fn read(reader: &mut impl BufRead) -> std::io::Result<Answer> {
    let (status, headers) = head_of(reader)?;
    let value = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut body = Vec::new();
    if value("transfer-encoding").is_some() {
        loop {
            let part = chunk(reader)?;
            if part.is_empty() {
                break;
            }
            body.extend(part);
        }
    } else if let Some(len) = value("content-length").and_then(|len| len.parse().ok()) {
        body = vec![0; len];
        reader.read_exact(&mut body)?;
    }
    Ok(Answer { status, headers, body })
}
