//! The format of a picture by its first bytes; formats that are not read have a name and advice.

use crate::error::PictureError;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Png,
    Jpeg,
    Gif,
    Bmp,
    WebP,
    Tiff,
    /// PBM, PGM, PPM and PAM.
    Pnm,
}

const TO_JPEG: &str = "convert it to JPEG or PNG first";
const HEIC: &str = "convert it to JPEG first (heif-convert IN.heic OUT.jpg), or let the phone write JPEG \
                    (iPhone: Settings, Camera, Formats, Most Compatible)";
const AVIF: &str = "convert it to PNG first (avifdec IN.avif OUT.png)";
const JXL: &str = "convert it to PNG first (djxl IN.jxl OUT.png)";
const JP2: &str = "convert it to PNG or TIFF first (opj_decompress -i IN.jp2 -o OUT.png)";
const RAW: &str = "develop it to JPEG or TIFF first (darktable, RawTherapee, or dcraw -T)";
const LAYERS: &str = "export it as PNG or JPEG";
const PAGE: &str = "render a page first (pdftoppm -png IN.pdf OUT)";
const SVG: &str = "render it first (rsvg-convert IN.svg -o OUT.png)";
const DICOM: &str = "export the slice as PNG first (dcm2img, or a DICOM viewer)";
const WEB: &str = "it may be the page of an error instead of a download: download the picture itself";
const WEB_CLIP: &str = "it may be the page of an error instead of a download: download the clip itself";
const LFS: &str = "fetch the file itself (git lfs pull)";
const UNPACK: &str = "unpack it first";
const VIDEO: &str = "use `sam2 track` for it";
const ARRAY: &str = "save the slice as PNG or TIFF first";
const SLIDE: &str = "export it as TIFF first (bfconvert IN OUT.tif, or the microscope's program)";
const AGAIN: &str = "copy or download it again";

/// What a file starts with, its name, and what to do. Both empty: it is read.
const SIGNATURES: [(usize, &[u8], &str, &str); 66] = [
    (4, b"ftypheic", "a HEIC picture", HEIC),
    (4, b"ftypheix", "a HEIC picture", HEIC),
    (4, b"ftypheim", "a HEIC picture", HEIC),
    (4, b"ftypheis", "a HEIC picture", HEIC),
    (4, b"ftyphevc", "a HEIC picture", HEIC),
    (4, b"ftyphevx", "a HEIC picture", HEIC),
    (4, b"ftypmif1", "a HEIF picture", HEIC),
    (4, b"ftypmsf1", "a HEIF picture", HEIC),
    (4, b"ftypavif", "an AVIF picture", AVIF),
    (4, b"ftypavis", "an AVIF picture", AVIF),
    (4, b"ftypcrx ", "a camera's raw picture (CR3)", RAW),
    (4, b"ftyp", "a video", VIDEO),
    (0, b"\xff\x0a", "a JPEG XL picture", JXL),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", JXL),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", JP2),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", JP2),
    (0, b"8BPS", "a Photoshop file", LAYERS),
    (0, b"gimp xcf", "a GIMP file", LAYERS),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw picture (RAF)", RAW),
    (0, b"IIRO", "a camera's raw picture (ORF)", RAW),
    (0, b"IIRS", "a camera's raw picture (ORF)", RAW),
    (0, b"MMOR", "a camera's raw picture (ORF)", RAW),
    (0, b"IIU\0", "a camera's raw picture (RW2)", RAW),
    (8, b"CR\x02\0", "a camera's raw picture (CR2)", RAW),
    (0, b"%PDF", "a PDF", PAGE),
    (0, b"%!PS", "a PostScript file", PAGE),
    (128, b"DICM", "a DICOM file", DICOM),
    (344, b"n+1\0", "a NIfTI volume", ARRAY),
    (0, b"SIMPLE  =", "a FITS file", ARRAY),
    (0, b"\x89HDF", "an HDF5 file", ARRAY),
    (0, b"\x93NUMPY", "a NumPy array", ARRAY),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture", TO_JPEG),
    (0, b"#?RADIANCE", "a Radiance HDR picture", TO_JPEG),
    (0, b"DDS ", "a DDS texture", TO_JPEG),
    (0, b"qoif", "a QOI picture", TO_JPEG),
    (0, b"farbfeld", "a farbfeld picture", TO_JPEG),
    (0, b"\0\0\x01\0", "an icon", TO_JPEG),
    (0, b"\0\0\x02\0", "a cursor or TGA picture", TO_JPEG),
    (0, b"FORM", "an IFF file", TO_JPEG),
    (0, b"PF\n", "a portable float map", TO_JPEG),
    (0, b"Pf\n", "a portable float map", TO_JPEG),
    (0, b"\x1aE\xdf\xa3", "a video", VIDEO),
    (0, b"YUV4MPEG2", "a video", VIDEO),
    (0, b"\0\0\x01\xba", "a video", VIDEO),
    (8, b"AVI ", "a video", VIDEO),
    (8, b"WAVE", "a sound file", TO_JPEG),
    (0, b"PK\x03\x04", "a ZIP archive", UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (0, b"#EXTM3U", "a playlist", "give a picture"),
    (0, b"version https://git-lfs", "a pointer of Git LFS", LFS),
    (0, b"SDPX", "a DPX picture", TO_JPEG),
    (0, b"XPDS", "a DPX picture", TO_JPEG),
    (0, b"\x01\xda", "an SGI picture", TO_JPEG),
    (0, b"\x0a\x05\x01", "a PCX picture", TO_JPEG),
    (0, b"\0\0\x0a\0", "a TGA picture", TO_JPEG),
    (0, b"BPG\xfb", "a BPG picture", TO_JPEG),
    (0, b"II\xbc\x01", "a JPEG XR picture", TO_JPEG),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile", LAYERS),
    (0, b"AT&TFORM", "a DjVu document", PAGE),
    (0, b"FOVb", "a camera's raw picture (X3F)", RAW),
    (0, b"ZISRAWFILE", "a microscope's file (CZI)", SLIDE),
    (0, b"NRRD000", "an NRRD volume", ARRAY),
    (0, b"ObjectType =", "a MetaImage volume", ARRAY),
    (0, b"\x89PNG\n", "a PNG damaged by a transfer as text", "copy it again as binary data"),
];

/// The format of a file of `len` bytes that begins with `head`.
///
/// # Errors
/// If it is none that is read; the error names what it is, where that is known.
pub(crate) fn of(head: &[u8], len: u64) -> Result<Kind, PictureError> {
    if len == 0 {
        return Err(PictureError::NoBytes);
    }
    if let Some(kind) = read(head) {
        return Ok(kind);
    }
    let named =
        SIGNATURES.iter().find(|(at, magic, ..)| head.get(*at..).is_some_and(|b| b.starts_with(magic)));
    let (what, advice) = match named {
        Some(&(.., what, advice)) => (what, advice),
        None if head.iter().all(|&byte| byte == 0) => ("a file that begins with zeros alone", AGAIN),
        None => text(head).ok_or(PictureError::Format)?,
    };
    Err(PictureError::NotRead { what, advice })
}

/// What a file of `len` bytes that begins with `head` is, and what to do, if that is known and it is no clip.
pub(crate) fn of_no_clip(head: &[u8], len: u64) -> Option<(&'static str, &'static str)> {
    match of(head, len) {
        Err(PictureError::NoBytes) => Some(("an empty file (0 bytes)", AGAIN)),
        Err(PictureError::NotRead { advice: VIDEO, .. }) => None,
        Err(PictureError::NotRead { what, advice: advice @ (LFS | UNPACK | AGAIN) }) => Some((what, advice)),
        Err(PictureError::NotRead { what, advice: WEB }) => Some((what, WEB_CLIP)),
        Err(PictureError::NotRead { what, .. }) => Some((what, "give a video, or a folder of pictures")),
        _ => None,
    }
}

/// A format that is read.
pub(crate) fn read(head: &[u8]) -> Option<Kind> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    // Canon's CR2 is a TIFF whose first picture is a preview.
    let tiff = [&b"II*\0"[..], b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08"].into_iter().any(starts)
        && head.get(8..12) != Some(b"CR\x02\0");
    let pnm = matches!(head, [b'P', b'1'..=b'7', after, ..] if after.is_ascii_whitespace() || *after == b'#');
    match () {
        () if starts(b"\x89PNG\r\n\x1a\n") => Some(Kind::Png),
        () if starts(b"\xff\xd8\xff") => Some(Kind::Jpeg),
        () if starts(b"GIF87a") || starts(b"GIF89a") => Some(Kind::Gif),
        () if starts(b"RIFF") && head.get(8..12) == Some(b"WEBP") => Some(Kind::WebP),
        () if starts(b"BM") && head.len() >= 26 && head[6..10] == [0; 4] => Some(Kind::Bmp),
        () if tiff => Some(Kind::Tiff),
        () if pnm => Some(Kind::Pnm),
        () => None,
    }
}

/// Files of text.
fn text(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let start = String::from_utf8_lossy(&head[..head.len().min(1024)]).trim_start().to_ascii_lowercase();
    if start.starts_with("<svg") || start.starts_with("<?xml") && start.contains("<svg") {
        return Some(("an SVG drawing", SVG));
    }
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Some(("a web page", WEB));
    }
    let printable = |&byte: &u8| byte >= 0x20 && byte != 0x7f || byte.is_ascii_whitespace();
    let whole = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    (whole && head.iter().all(printable)).then_some(("a text file", "give a picture"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_read_are_named() {
        for (bytes, name) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "HEIC"),
            (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
            (b"\xff\x0a\x00\x00", "JPEG XL"),
            (b"8BPS\0\x01", "Photoshop"),
            (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
            (b"%PDF-1.7", "PDF"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
            (b"\n<!DOCTYPE html><html>404</html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"shopping list\n", "text"),
            (b"P1ease", "text"),
            (b"\x89PNG\n\x1a\n\0\0", "transfer as text"),
            (b"SDPX\0\0", "DPX"),
            (b"II\xbc\x01", "JPEG XR"),
            (&[0; 600], "zeros"),
            (b"BMW and Audi are makers of motor cars", "text"),
        ] {
            let text = of(bytes, bytes.len() as u64).expect_err(name).to_string();
            assert!(text.contains(name) && text.contains("not a picture that can be read"), "{name}: {text}");
        }
        let dicom = [&[0; 128][..], b"DICM"].concat();
        assert!(of(&dicom, 132).expect_err("DICOM").to_string().contains("DICOM"));
        assert!(of(b"", 0).expect_err("empty").to_string().contains("empty"));
        assert!(matches!(of(b"\x01\x02\x03", 3), Err(PictureError::Format)));
    }

    #[test]
    fn formats_are_known_by_their_content() {
        assert_eq!(read(b"II+\0\x08\0\0\0"), Some(Kind::Tiff));
        assert_eq!(read(b"P5 3 2 255\n"), Some(Kind::Pnm));
        assert_eq!(read(b"RIFF\0\0\0\0WEBPVP8 "), Some(Kind::WebP));
        assert_eq!(read(b"RIFF\0\0\0\0WAVE"), None);
    }
}
