//! Ten thousand requests that no page sends.

use std::io::{BufReader, Write};

use crate::client::{read, start};

const REQUESTS: usize = 10_000;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

const PARTS: [&str; 22] = [
    "media",
    "clips",
    "frames",
    "prompts",
    "objects",
    "masks",
    "track",
    "jobs",
    "predict",
    "encode",
    "info",
    "session",
    "export",
    "ID",
    "0",
    "1",
    "-1",
    "99999999999999999999",
    "%00",
    "..%2f",
    "é",
    "a b",
];
const KNOWN: [&str; 16] = [
    "/",
    "/assets/style.css",
    "/api/v1/info",
    "/api/v1/media",
    "/api/v1/media/ID/frames/7",
    "/api/v1/media/ID",
    "/api/v1/media/ID/encode",
    "/api/v1/media/ID/predict",
    "/api/v1/clips/ID/prompts",
    "/api/v1/clips/ID/objects/1",
    "/api/v1/clips/ID/track",
    "/api/v1/clips/ID/masks",
    "/api/v1/jobs/1",
    "/api/v1/session?id=ID",
    "/api/v1/export",
    "/api/v1/media?name=a.png",
];
const BODIES: [&str; 20] = [
    "",
    "{}",
    "[]",
    "null",
    "1e999",
    "{\"frame\":0}",
    "{\"frame\":23,\"obj_id\":255,\"op\":\"clear\"}",
    "{\"frame\":0,\"obj_id\":1,\"op\":\"set\",\"points\":[[1e30,1]],\"labels\":[1]}",
    "{\"frame\":0,\"obj_id\":1,\"op\":\"set\",\"points\":[[1,1]],\"labels\":[1,0]}",
    "{\"frame\":0,\"obj_id\":1,\"op\":\"more\",\"points\":[[20,30]],\"labels\":[0]}",
    "{\"frame\":5,\"obj_id\":2,\"op\":\"set\",\"box\":[3,3,60,60]}",
    "{\"frame\":5,\"obj_id\":2,\"op\":\"set\",\"box\":[60,60,3,3]}",
    "{\"frame\":3,\"obj_id\":9,\"op\":\"mask\",\"rle\":{\"size\":[256,256],\"counts\":\"PPP\"}}",
    "{\"start\":0}",
    "{\"start\":5,\"end\":2}",
    "{\"direction\":\"both\",\"memory\":\"none\"}",
    "{\"ids\":[\"ID\"],\"format\":\"coco\"}",
    "{\"ids\":[],\"format\":\"\"}",
    "{\"name\":\"\\u0000\",\"color\":\"#12345g\"}",
    "{\"name\":\"x\",\"color\":\"#123456\"}",
];
const ODD: [&str; 8] = [
    "Content-Type: text/plain",
    "Expect: 100-continue",
    "Cookie: ;;;=;sam2=x",
    "Accept-Encoding: gzip, br",
    "Range: bytes=0-1",
    "Last-Event-ID: x",
    "If-None-Match: *",
    "X-Sam2-Client: \u{fc}",
];

#[test]
fn random_requests_neither_crash_the_server_nor_make_it_fail() {
    let server = start();
    let mut dice = Dice(7);
    let mut stream: Option<BufReader<std::net::TcpStream>> = None;
    let (mut refused, mut served) = (0, 0);
    for n in 0..REQUESTS {
        let method = dice.pick(&["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "FOO", "GET", "POST"]);
        let known = dice.roll(2) == 0;
        let mut path = if known {
            dice.pick(&KNOWN).to_owned()
        } else {
            dice.pick(&["/api/v1", "/api/v1", "/api/v1", "/assets", ""]).to_owned()
        };
        for _ in 0..if known { 0 } else { dice.roll(5) } {
            path += &format!("/{}", dice.pick(&PARTS));
        }
        if dice.roll(4) == 0 && !path.contains('?') {
            path +=
                dice.pick(&["?", "?id=ID", "?name=a.png", "?from=0&to=x", "?from=3&to=1", "?%zz", "?a=&&=b"]);
        }
        let path = path.replace("ID", &server.clip).replace(' ', "%20");
        let mut body = dice.pick(&BODIES).replace("ID", &server.clip).into_bytes();
        if dice.roll(4) == 0 && !body.is_empty() {
            let at = dice.roll(body.len());
            body[at] = dice.roll(256) as u8;
        }
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nX-Sam2-Token: {}\r\n{}\r\nContent-Length: {}\r\n\r\n",
            server.address,
            server.token,
            dice.pick(&ODD),
            body.len()
        );
        let connection = stream.get_or_insert_with(|| BufReader::new(server.connect()));
        // The server closes connections whose requests it could not read.
        let sent = connection.get_mut().write_all(&[head.as_bytes(), &body].concat());
        let answer =
            match sent.and_then(|()| if method == "HEAD" { skip(connection) } else { status(connection) }) {
                Ok(answer) => answer,
                Err(_) => {
                    stream = None;
                    continue;
                }
            };
        assert!(
            answer < 500 || answer == 503,
            "request {n}: {answer}\n{head}{}",
            String::from_utf8_lossy(&body)
        );
        if answer == 503 {
            panic!("request {n}: the queue is full of requests that were answered");
        }
        if answer >= 400 {
            refused += 1
        } else {
            served += 1
        }
        if answer == 100 {
            // The answer itself follows.
            stream = None;
        }
    }
    assert!(refused + served > REQUESTS * 9 / 10, "{refused} refused, {served} served");
    assert!(served > REQUESTS / 10, "{served} served");
    assert_eq!(server.get("/api/v1/info").status, 200, "it still answers");
}

fn status(connection: &mut BufReader<std::net::TcpStream>) -> std::io::Result<u16> {
    read(connection).map(|answer| answer.status)
}

/// An answer to HEAD has the length of a body, and no body.
fn skip(connection: &mut BufReader<std::net::TcpStream>) -> std::io::Result<u16> {
    use std::io::BufRead;
    let mut first = String::new();
    connection.read_line(&mut first)?;
    let mut line = first.clone();
    while line.trim() != "" {
        line.clear();
        connection.read_line(&mut line)?;
    }
    first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or(std::io::ErrorKind::InvalidData.into())
}
