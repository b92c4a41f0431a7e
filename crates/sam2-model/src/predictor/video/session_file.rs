//! Reading the file of a session: no more than its header announces, and no more than there is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use safetensors::tensor::Metadata;

/// Maximum length of a header, as in the format's own library, bytes.
const MAX_HEADER: u64 = 100_000_000;

/// The bytes of the safetensors file `path`, which may also be a pipe. What is no such file ends at its
/// header.
pub(in crate::predictor) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes)?;
    let length = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if length > MAX_HEADER {
        return Ok(bytes);
    }
    file.by_ref().take(length).read_to_end(&mut bytes)?;
    let header = bytes.get(8..).unwrap_or_default();
    if let Ok(metadata) = serde_json::from_slice::<Metadata>(header) {
        // One byte more shows that there is more.
        file.take((metadata.data_len() as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_a_header_announces() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x");
        let header = br#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#;
        let whole = [&(header.len() as u64).to_le_bytes()[..], header, b"abc"].concat();
        let read_back = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("write");
            read(&path).expect("it is read").len()
        };
        assert_eq!(read_back(&whole), whole.len());
        assert_eq!(read_back(&whole[..whole.len() - 1]), whole.len() - 1);
        assert_eq!(read_back(&[&whole[..], &[0; 1000]].concat()), whole.len() + 1);
        assert_eq!(read_back(&[0; 1000]), 8);
        assert_eq!(read_back(&[0xff; 1000]), 8);
        assert_eq!(read_back(b"abc"), 3);
        #[cfg(unix)]
        assert_eq!(read(Path::new("/dev/zero")).expect("it is read").len(), 8);
    }
}
