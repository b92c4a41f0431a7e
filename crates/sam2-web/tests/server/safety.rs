//! Who is answered: one test for every line of defence.

use std::net::IpAddr;

use sam2_web::Server;

use crate::client::{options, start, start_with};

#[test]
fn only_loopback_is_open_without_a_token() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut options = options(folder.path());
    options.host = IpAddr::from([0, 0, 0, 0]);
    options.token = false;
    let error = Server::start(sam2_micro::model(), options).expect_err("refused").to_string();
    assert!(error.contains("0.0.0.0") && error.contains("--no-token"), "{error}");
    assert!(start().address.ip().is_loopback());
}

#[test]
fn another_host_is_refused() {
    let server = start();
    let (port, token) = (server.address.port(), server.token.clone());
    let status = |host: &str| {
        let headers = [("Host", host), ("X-Sam2-Token", token.as_str())];
        server.send("GET", "/api/v1/media", &headers, b"").status
    };
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        assert_eq!(status(&host), 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "", &format!("evil.example:{port}")] {
        assert_eq!(status(host), 403, "{host}");
    }
    let two = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil\r\n\r\n");
    assert!(matches!(server.raw(two.as_bytes()).status, 400 | 403));
    assert_eq!(server.raw(b"GET / HTTP/1.0\r\n\r\n").status, 403);
}

#[test]
fn another_origin_is_refused() {
    let server = start();
    let (here, token) = (server.address.to_string(), server.token.clone());
    let send = |method: &str, headers: &[(&str, &str)]| {
        let headers = [headers, &[("X-Sam2-Token", token.as_str())]].concat();
        server.send(method, "/api/v1/media", &headers, b"")
    };
    let own = format!("http://{here}");
    assert_eq!(send("GET", &[("Origin", &own)]).status, 200);
    for origin in ["http://evil.example", "null", "", &format!("https://{here}"), "http://127.0.0.1:1"] {
        for method in ["GET", "POST"] {
            let answer = send(method, &[("Origin", origin)]);
            assert_eq!((answer.status, answer.code().as_str()), (403, "bad_origin"), "{origin}");
        }
    }
    for site in ["cross-site", "same-site"] {
        assert_eq!(send("GET", &[("Sec-Fetch-Site", site)]).code(), "cross_site");
    }
    assert_eq!(send("GET", &[("Sec-Fetch-Site", "same-origin")]).status, 200);
    assert_eq!(send("GET", &[("Sec-Fetch-Site", "none")]).status, 200);
}

#[test]
fn without_the_token_nothing_is_answered() {
    let server = start();
    for path in ["/", "/assets/app.js", "/api/v1/info", "/api/v1/events", "/?t=", "/?t=0", "/nothing"] {
        let answer = server.send("GET", path, &[], b"");
        assert_eq!((answer.status, answer.code().as_str()), (401, "no_token"), "{path}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let wrong = "0".repeat(server.token.len());
    assert_eq!(server.send("GET", "/", &[("X-Sam2-Token", &wrong)], b"").status, 401);
    assert_eq!(server.token.len(), 32, "128 bits");

    let redirect = server.send("GET", &format!("/?t={}", server.token), &[], b"");
    assert_eq!((redirect.status, redirect.header("location")), (303, Some("/")));
    let cookie = redirect.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.contains("SameSite=Strict") && cookie.contains("HttpOnly"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair");
    let page = server.send("GET", "/", &[("Cookie", &format!("a=b; {pair}"))], b"");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(server.send("GET", "/", &[("Cookie", &pair[..pair.len() - 1])], b"").status, 401);
    // A page of another site cannot have the cookie set by an address that it knows.
    let headers = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(server.send("GET", &format!("/?t={}", server.token), &headers, b"").status, 403);
}

#[test]
fn what_changes_something_needs_origin_or_token() {
    let server = start();
    let redirect = server.send("GET", &format!("/?t={}", server.token), &[], b"");
    let cookie = redirect.header("set-cookie").and_then(|text| text.split(';').next()).expect("a cookie");
    let own = format!("http://{}", server.address);
    let body = br#"{"frame":0}"#;
    let send = |headers: &[(&str, &str)]| server.send("POST", &server.media("encode"), headers, body);
    assert_eq!(send(&[("Cookie", cookie)]).code(), "no_origin");
    assert_eq!(send(&[("Cookie", cookie), ("Origin", &own)]).status, 202);
    assert_eq!(send(&[("X-Sam2-Token", &server.token)]).status, 202);

    let open = start_with(|options| options.token = false);
    let send = |headers: &[(&str, &str)]| open.send("POST", &open.media("encode"), headers, body);
    assert_eq!(open.send("GET", "/", &[], b"").status, 200);
    assert_eq!(send(&[]).code(), "no_origin");
    assert_eq!(send(&[("X-Sam2-Token", "any")]).status, 202);
}

#[test]
fn no_answer_lets_another_origin_read_it() {
    let server = start();
    let headers = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")];
    let own = format!("http://{}", server.address);
    let token = [("X-Sam2-Token", server.token.as_str()), ("Origin", &own)];
    for answer in [
        server.send("OPTIONS", "/api/v1/media", &headers, b""),
        server.send("OPTIONS", "/api/v1/media", &token, b""),
        server.send("GET", "/", &token, b""),
        server.get("/api/v1/info"),
        server.get(&server.media("frames/0")),
    ] {
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'self'; img-src 'self' blob:"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(answer.header("server-timing").expect("a time").contains("dur="));
    }
    assert_eq!(server.send("OPTIONS", "/api/v1/media", &token, b"").status, 405);
}

#[test]
fn no_address_leads_to_a_file() {
    let server = start();
    for path in [
        "/assets/..%2fCargo.toml",
        "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/../src/lib.rs",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/app.js%00.html",
        "/assets/",
        "//etc/passwd",
        "/../../etc/passwd",
        "/api/v1/media/..%2f..%2fetc%2fpasswd/frames/0",
        "/api/v1/media/%2fetc%2fpasswd/frames/0",
        "/api/v1/session?id=/etc/passwd",
        "/api/v1/session?id=../../etc/passwd",
    ] {
        let answer = server.get(path);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("root:"), "{path}");
    }
    // A file of prompts names masks by their paths; from a page it must not.
    let line = r#"{"frame":0,"obj_id":1,"mask":"/etc/passwd"}"#;
    let answer = server.put(&format!("/api/v1/session?id={}", server.clip), line);
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_prompt"));
}
