//! NumPy `.npz` archives: a zip file with one `.npy` member per array.

use crate::npy::{NpyArray, NpyError, read_single};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Characters of a member's name in messages.
const MAX_SHOWN: usize = 100;

/// Reads every array of an archive, by name without the `.npy` suffix, ordered by name.
///
/// ```
/// # use tensor::{Tensor, npz};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("fixture.npz");
/// npz::write(&path, &[("x", Tensor::from_vec(&[2], vec![1.0f32, 2.0]).into())])?;
/// let arrays = npz::read(&path)?;
/// assert_eq!(arrays["x"].to_f64().data(), [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NpyError::At`] naming the file (and the member) for damaged archives, duplicate names, members that are
/// not `.npy`, and everything [`crate::npy::read`] refuses.
pub fn read(path: impl AsRef<Path>) -> Result<BTreeMap<String, NpyArray>, NpyError> {
    let path = path.as_ref();
    let go = || {
        let mut archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(archive_error)?;
        let mut arrays = BTreeMap::new();
        for i in 0..archive.len() {
            let mut member = archive.by_index(i).map_err(archive_error)?;
            let file_name = member.name().map_err(archive_error)?.into_owned();
            let Some(name) = file_name.strip_suffix(".npy") else {
                let reason = format!("member {:?} is not a .npy file", shown(&file_name));
                return Err(NpyError::Archive { reason });
            };
            let array = read_single(&mut member).map_err(|error| error.at(path.join(shown(&file_name))))?;
            if arrays.insert(name.to_owned(), array).is_some() {
                return Err(NpyError::Archive { reason: format!("array {:?} appears twice", shown(name)) });
            }
        }
        Ok(arrays)
    };
    go().map_err(|error| match error {
        at @ NpyError::At { .. } => at,
        other => other.at(path),
    })
}

/// The name of a member in a message of one short line, whatever the archive calls it.
fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Writes an archive with deflated members; the same arrays always give the same bytes.
///
/// ```
/// # use tensor::{Tensor, npz};
/// # let folder = tempfile::tempdir()?;
/// let arrays = [("x", Tensor::full(&[2, 2], 1.0f32).into()), ("labels", Tensor::full(&[2], 3u8).into())];
/// npz::write(folder.path().join("fixture.npz"), &arrays)?; // np.load("fixture.npz")["labels"]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NpyError::At`] naming the path if it cannot be written, or if a name appears twice.
pub fn write<S: AsRef<str>>(path: impl AsRef<Path>, arrays: &[(S, NpyArray)]) -> Result<(), NpyError> {
    let path = path.as_ref();
    let go = || {
        let mut writer = ZipWriter::new(BufWriter::new(File::create(path)?));
        // A fixed time stamp and no permissions: archives are compared byte for byte.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(arrays.iter().any(|(_, a)| a.len() >= 1 << 28));
        for (name, array) in arrays {
            writer.start_file(format!("{}.npy", name.as_ref()), options).map_err(archive_error)?;
            array.write_to(&mut writer)?;
        }
        Ok(writer.finish().map_err(archive_error)?.flush()?)
    };
    go().map_err(|error: NpyError| error.at(path))
}

fn archive_error(error: ZipError) -> NpyError {
    match error {
        ZipError::Io(error) => NpyError::Io(error),
        other => NpyError::Archive { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;
    use proptest::prelude::*;

    fn sample() -> Vec<(String, NpyArray)> {
        vec![
            ("b/x".to_owned(), Tensor::from_vec(&[2, 2], vec![1f32, 2.0, 3.0, f32::INFINITY]).into()),
            ("a".to_owned(), Tensor::from_vec(&[3], vec![1u8, 2, 3]).into()),
            ("empty".to_owned(), Tensor::<i64>::zeros(&[0, 4]).into()),
        ]
    }

    #[test]
    fn archives_round_trip_and_are_reproducible() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1.npz"), dir.path().join("2.npz"));
        write(&one, &sample()).unwrap();
        write(&two, &sample()).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        assert_eq!(read(&one).unwrap(), BTreeMap::from_iter(sample()));
    }

    #[test]
    fn errors_name_file_and_member() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npz");
        std::fs::write(&path, b"not a zip file").unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().ends_with("x.npz"));
        assert!(matches!(error.root(), NpyError::Archive { .. }), "{error:?}");

        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file("bad.npy", SimpleFileOptions::default()).unwrap();
        zip.write_all(b"nonsense").unwrap();
        zip.finish().unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().ends_with("bad.npy"), "{error}");
        assert!(matches!(error.root(), NpyError::Magic));

        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let name = format!("two\nlines\u{1b}{}.npy", "x".repeat(5000));
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"nonsense").unwrap();
        zip.finish().unwrap();
        let text = read(&path).unwrap_err().to_string();
        assert!(text.contains("two lines xxx") && text.len() < 400, "{text}");

        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file("readme.txt", SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap();
        assert!(matches!(read(&path).unwrap_err().root(), NpyError::Archive { .. }));
    }

    #[test]
    fn duplicate_names_are_refused_on_writing() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrays = sample();
        arrays[1].0 = arrays[0].0.clone();
        let error = write(dir.path().join("x.npz"), &arrays).unwrap_err();
        assert!(matches!(error.root(), NpyError::Archive { .. }), "{error:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn damaged_archives_never_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.npz");
            write(&path, &sample()).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            for (at, value) in edits {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let len = cut.index(2 * bytes.len());
            bytes.truncate(len);
            std::fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
        }
    }
}
