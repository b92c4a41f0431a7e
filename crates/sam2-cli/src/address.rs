//! Addresses in place of files. The program has no network.

use std::ffi::OsStr;
use std::path::Path;

/// Why an argument cannot be used, if it is an address: `https://…`, or `--option=https://…`.
pub fn refusal(arg: &OsStr) -> Option<String> {
    let text = arg.to_str().filter(|text| !Path::new(text).exists())?;
    let address = match text.split_once('=') {
        Some((option, value)) if option.starts_with('-') => value,
        _ => text,
    };
    let (scheme, _) = address.split_once("://")?;
    let named = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if scheme.len() < 2 || !scheme.chars().all(named) {
        return None;
    }
    Some(match scheme.to_ascii_lowercase().as_str() {
        "file" => format!("{address} is an address; give the path alone"),
        "rtsp" | "rtsps" | "rtmp" | "rtp" | "srt" | "udp" | "tcp" => format!(
            "{address} is an address; let ffmpeg read it: ffmpeg -i {address} -f yuv4mpegpipe - | \
             sam2 stream - --prompts FILE"
        ),
        _ => format!("{address} is an address; download the file first"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_files() {
        let refusal = |arg: &str| refusal(OsStr::new(arg));
        for (arg, words) in [
            ("https://example.org/a.jpg", "download the file first"),
            ("HTTP://example.org/a.jpg", "download the file first"),
            ("--model=https://example.org/tiny.pt", "download"),
            ("s3://bucket/a.mp4", "download the file first"),
            ("file:///tmp/a.jpg", "the path alone"),
            ("rtsp://camera/1", "ffmpeg"),
        ] {
            let text = refusal(arg).expect(arg);
            assert!(text.contains("is an address") && text.contains(words), "{arg}: {text}");
            assert!(!text.contains("--model"), "{text}");
        }
        for arg in ["photo.jpg", "C:\\a.jpg", "a:b", "://", "-p", "--point=1,2", "x y://z", "-"] {
            assert_eq!(refusal(arg), None, "{arg}");
        }
    }
}
