//! Who may use the server: pages that it served itself, to whoever has the token.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::error::{ApiError, ServeError};

/// The header with the token, for programs.
pub const TOKEN_HEADER: &str = "x-sam2-token";
const FETCH_SITE: &str = "sec-fetch-site";
const FETCH_MODE: &str = "sec-fetch-mode";

/// The address of the server, and its token.
#[derive(Debug)]
pub struct Guard {
    address: SocketAddr,
    token: Option<String>,
}

impl Guard {
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(address: SocketAddr, with_token: bool) -> Result<Self, ServeError> {
        let token = if with_token { Some(random()?) } else { None };
        Ok(Self { address, token })
    }

    /// The address that opens the page.
    pub fn link(&self) -> String {
        let ip = self.address.ip();
        // A browser on this machine does not connect to "every address".
        let ip = match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let place = SocketAddr::new(ip, self.address.port());
        match &self.token {
            Some(token) => format!("http://{place}/?t={token}"),
            None => format!("http://{place}/"),
        }
    }

    /// Whether this is a name of the server. A name of the domain system could be led here by anybody, so it
    /// is `localhost` or a number: a loopback address, or any where other machines are served too.
    fn is_own(&self, host: &str) -> bool {
        let Some(name) = host.strip_suffix(&format!(":{}", self.address.port())) else { return false };
        if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
            return true;
        }
        let number = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        !self.address.ip().is_loopback() && number.parse::<IpAddr>().is_ok()
    }

    /// The cookies of all ports of a machine are in one jar, so the port is in the name.
    fn cookie(&self) -> String {
        format!("sam2_{}", self.address.port())
    }

    fn is_token(&self, text: &str) -> bool {
        self.token.as_deref().is_some_and(|token| same(token.as_bytes(), text.as_bytes()))
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie();
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(key, value)| key == name && self.is_token(value))
    }

    /// # Errors
    /// If another page or program asked.
    ///
    /// `open` requests need no token if no browser sends them: osam's clients have none.
    pub fn check(&self, request: &Request, open: bool) -> Result<(), ApiError> {
        let headers = request.headers();
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let mut hosts = headers.get_all(HOST).iter();
        let (host, second) = (hosts.next().and_then(|value| value.to_str().ok()), hosts.next());
        let Some(host) = host.filter(|host| second.is_none() && self.is_own(host)) else {
            return Err(forbidden("bad_host", "this server answers to its own address only"));
        };
        if headers.get_all(ORIGIN).iter().count() > 1 {
            return Err(forbidden("bad_origin", "another page asked"));
        }
        let origin = text(ORIGIN.as_str());
        if origin.is_some_and(|origin| origin != format!("http://{host}")) {
            return Err(forbidden("bad_origin", "another page asked"));
        }
        let opens = text(FETCH_MODE) == Some("navigate") && request.method() == Method::GET;
        match text(FETCH_SITE) {
            Some("cross-site") => return Err(forbidden("cross_site", "another page asked")),
            // A page of another port of this machine may link here, but not use the server.
            Some("same-site") if !opens => return Err(forbidden("cross_site", "another page asked")),
            _ => {}
        }
        if open && origin.is_none() && text(FETCH_SITE).is_none() && self.address.ip().is_loopback() {
            return Ok(());
        }
        let header = text(TOKEN_HEADER);
        let by_header = match self.token {
            Some(_) => header.is_some_and(|text| self.is_token(text)),
            // No page of another origin can send it.
            None => header.is_some(),
        };
        if self.token.is_some() && !by_header && !self.has_cookie(headers) {
            let text = "open the address that sam2 serve has printed, which holds the token";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "no_token", text));
        }
        let safe = matches!(*request.method(), Method::GET | Method::HEAD);
        if !safe && origin.is_none() && !by_header {
            let text = "a request that changes something needs the header Origin or X-Sam2-Token";
            return Err(forbidden("no_origin", text));
        }
        Ok(())
    }

    /// The answer to the printed address: the token goes into a cookie and out of the address bar.
    pub fn admit(&self, request: &Request) -> Option<Response> {
        let query = request.uri().query().filter(|_| request.uri().path() == "/")?;
        let token = query.split('&').find_map(|pair| pair.strip_prefix("t="))?;
        if request.method() != Method::GET || !self.is_token(token) {
            return None;
        }
        let host = request.headers().get(HOST).and_then(|value| value.to_str().ok())?;
        let foreign = request.headers().get(FETCH_SITE).is_some_and(|site| site == "cross-site");
        if !self.is_own(host) || foreign {
            return None;
        }
        let cookie = format!("{}={token}; Path=/; SameSite=Strict; HttpOnly", self.cookie());
        Some((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, "/".to_owned())]).into_response())
    }
}

/// 128 random bits.
///
/// # Errors
/// If the system has none.
pub fn random() -> Result<String, ServeError> {
    let mut bytes = [0; 16];
    let failed = |e: getrandom::Error| ServeError::System {
        action: "get random numbers",
        source: std::io::Error::other(e.to_string()),
    };
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares in a time that does not tell where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

fn forbidden(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_answered() {
        let guard = |address: &str| Guard::new(address.parse().expect("an address"), true).expect("random");
        let here = guard("127.0.0.1:7272");
        for host in ["127.0.0.1:7272", "localhost:7272", "[::1]:7272"] {
            assert!(here.is_own(host), "{host}");
        }
        for host in ["127.0.0.1", "localhost:7273", "evil.example:7272", "192.168.0.9:7272", "", ":7272"] {
            assert!(!here.is_own(host), "{host}");
        }
        let everywhere = guard("0.0.0.0:7272");
        assert!(everywhere.is_own("192.168.0.9:7272") && everywhere.is_own("[fe80::1]:7272"));
        assert!(!everywhere.is_own("evil.example:7272"));
        assert!(everywhere.link().starts_with("http://127.0.0.1:7272/?t="));
    }

    #[test]
    fn tokens_are_random_and_compared_whole() {
        let guard = Guard::new(([127, 0, 0, 1], 1).into(), true).expect("random");
        let token = guard.token.clone().expect("a token");
        assert_eq!((token.len(), token == random().expect("random")), (32, false));
        assert!(guard.is_token(&token) && !guard.is_token(&token[1..]) && !guard.is_token(""));
        let open = Guard::new(([127, 0, 0, 1], 1).into(), false).expect("none");
        assert!(!open.is_token("") && open.link() == "http://127.0.0.1:1/");
    }
}
