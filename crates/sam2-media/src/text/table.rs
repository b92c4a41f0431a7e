//! Tables of numbers, as trackers and data sets write them: a box per line, or a flag per frame. Commas, tabs
//! or spaces are between the numbers.

use std::path::Path;

use crate::error::{MediaError, TableError};

/// x, y, width, height.
pub type Rect = [f64; 4];

/// Characters of a word in a message.
const MAX_SHOWN: usize = 40;

/// Reads a box per line; empty lines are skipped.
///
/// ```
/// use sam2_media::text::table;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("car.txt");
/// std::fs::write(&path, "1,2,30,40\n1.5\t2\t30\t40\n")?;
/// assert_eq!(table::read_boxes(&path)?, [[1.0, 2.0, 30.0, 40.0], [1.5, 2.0, 30.0, 40.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`super::read`], if a line is no box, and if there is none.
pub fn read_boxes(path: &Path) -> Result<Vec<Rect>, MediaError> {
    let text = super::read(path, "the table")?;
    let mut boxes = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let fault = |source| MediaError::TableLine { path: path.to_owned(), line, source };
        let mut rect = [0.0; 4];
        let mut count = 0;
        for word in words(text) {
            let value = number(word).map_err(fault)?;
            if let Some(place) = rect.get_mut(count) {
                *place = value;
            }
            count += 1;
        }
        match count {
            0 => {}
            4 => boxes.push(rect),
            _ => return Err(fault(TableError::NotABox(count))),
        }
    }
    if boxes.is_empty() { Err(MediaError::NoBoxes(path.to_owned())) } else { Ok(boxes) }
}

/// Reads all numbers of a file, however they are divided into lines.
///
/// # Errors
/// As [`super::read`], and if a word is no number.
pub fn read_numbers(path: &Path) -> Result<Vec<f64>, MediaError> {
    let text = super::read(path, "the table")?;
    let mut numbers = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        for word in words(text) {
            let fault = |source| MediaError::TableLine { path: path.to_owned(), line, source };
            numbers.push(number(word).map_err(fault)?);
        }
    }
    Ok(numbers)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', '\t', ' ']).map(str::trim).filter(|word| !word.is_empty())
}

fn number(word: &str) -> Result<f64, TableError> {
    word.parse().map_err(|_| TableError::NotANumber(word.chars().take(MAX_SHOWN).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    fn boxes(text: &str) -> Result<Vec<Rect>, String> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.txt");
        std::fs::write(&path, text).expect("write");
        read_boxes(&path).map_err(|error| in_full(&error))
    }

    #[test]
    fn boxes_have_any_separator_and_line_end() {
        let expected = Ok(vec![[1.0, 2.0, 3.5, -4.0], [0.0, 0.0, f64::INFINITY, 1e300]]);
        for text in [
            "1,2,3.5,-4\n0,0,inf,1e300",
            "1\t2\t3.5\t-4\r\n0\t0\tinf\t1e300\r\n",
            "\u{feff}1, 2, 3.5, -4\n\n  \n0 0  inf 1e300\n",
        ] {
            assert_eq!(boxes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_is_named_by_its_number_in_the_file() {
        for (text, end) in [
            ("\n\n1,2,3,4\n1,2,3\n", "x.txt line 4: a box is x,y,width,height, and the line has 3 numbers"),
            ("1,2,3,4,5\n", "x.txt line 1: a box is x,y,width,height, and the line has 5 numbers"),
            ("1,2,3,4\n\n1,2,three,4\n", "x.txt line 3: \"three\" is not a number"),
            ("\n \n", "x.txt holds no boxes"),
            ("", "x.txt holds no boxes"),
        ] {
            let error = boxes(text).expect_err("it is refused");
            assert!(error.ends_with(end), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_message_is_short_however_long_the_word() {
        let error = boxes(&"x".repeat(1 << 20)).expect_err("no number");
        assert!(error.len() < 1000 && error.contains("is not a number"), "{} bytes", error.len());
        let error = boxes(&"1,".repeat(1 << 20)).expect_err("no box");
        assert!(error.ends_with("the line has 1048576 numbers"), "{error}");
    }

    #[test]
    fn flags_may_be_in_one_line_or_in_many() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("flags.txt");
        for text in ["0,1,0", "0\n1\n0\n", "0 1\r\n\r\n0"] {
            std::fs::write(&path, text).expect("write");
            assert_eq!(read_numbers(&path).expect("flags"), [0.0, 1.0, 0.0], "{text:?}");
        }
        std::fs::write(&path, "0\n\n1,yes").expect("write");
        let error = in_full(&read_numbers(&path).expect_err("no number"));
        assert!(error.ends_with("flags.txt line 3: \"yes\" is not a number"), "{error}");
    }
}
