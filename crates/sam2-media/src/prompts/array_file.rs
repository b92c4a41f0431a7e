//! Masks in NumPy files: logits of an earlier prediction, as `--save-logits` writes them, arrays of true and
//! false, shares of 0 to 1, or label maps, which are read by the rule of pictures.

use std::path::{Path, PathBuf};

use sam2_model::Mask;
use tensor::npy::{self, NpyArray};
use tensor::npz;

use crate::error::{ArrayError, MediaError};
use crate::pictures::mask::{Pixels, Stored, marks};

/// A mask of a NumPy file.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskArray {
    /// Low-resolution logits.
    Logits {
        /// Width and height.
        side: usize,
        /// Row by row; above 0 is inside.
        data: Vec<f32>,
    },
    /// Pixels.
    Pixels {
        /// Width and height.
        size: (usize, usize),
        /// Row by row.
        inside: Vec<bool>,
    },
}

impl MaskArray {
    /// The mask at the size that it has; of logits, where they are above 0. `path` is for the error.
    ///
    /// # Errors
    /// [`MediaError::MaskArray`] if no pixel is inside.
    pub fn into_mask(self, path: &Path) -> Result<Mask, MediaError> {
        let unusable = |source| MediaError::MaskArray { path: path.to_owned(), source };
        let ((width, height), inside) = match self {
            Self::Logits { side, data } => ((side, side), data.iter().map(|&x| x > 0.0).collect()),
            Self::Pixels { size, inside } => (size, inside),
        };
        if !inside.contains(&true) {
            return Err(unusable(ArrayError::Empty));
        }
        Mask::new(width, height, inside).map_err(|_| unusable(ArrayError::Empty))
    }
}

/// A file, and the number of the mask that is meant: `logits.npy`, `logits.npy:2`.
fn split(path: &Path) -> (PathBuf, Option<usize>) {
    let parts = path.to_str().filter(|_| !path.exists()).and_then(|text| text.rsplit_once(':'));
    match parts.and_then(|(file, index)| Some((file, index.parse().ok()?))) {
        Some((file, index)) => (file.into(), Some(index)),
        None => (path.to_owned(), None),
    }
}

/// Whether the name is that of a NumPy file.
pub fn is_array(path: &Path) -> bool {
    let (file, _) = split(path);
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy") || e.eq_ignore_ascii_case("npz"))
}

/// Reads a mask; a number after the name, as in `logits.npy:2`, chooses among several. Without it, of several
/// logits the most stable is taken, and its number is returned. A label map is read by the number of the
/// object; without a number it must hold one object only.
///
/// # Errors
/// If the file cannot be read, or holds no mask that is meant.
pub fn read(path: &Path, object: Option<u32>) -> Result<(MaskArray, Option<usize>), MediaError> {
    let (file, index) = split(path);
    of_file(&file, index, object).map_err(|source| MediaError::MaskArray { path: path.to_owned(), source })
}

/// The mask at the size that it has in the file; of logits, where they are above 0.
///
/// ```
/// use sam2_media::prompts::array_file;
/// use tensor::{Tensor, npy};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("mask.npy");
/// npy::write(&path, &Tensor::from_vec(&[2, 2], vec![0_u8, 1, 1, 0]).view())?;
/// assert!(array_file::is_array(&path));
/// assert_eq!(array_file::read_mask(&path, None)?.data(), [false, true, true, false]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read`], and if no pixel is inside.
pub fn read_mask(path: &Path, object: Option<u32>) -> Result<Mask, MediaError> {
    read(path, object)?.0.into_mask(path)
}

fn of_file(
    file: &Path,
    index: Option<usize>,
    object: Option<u32>,
) -> Result<(MaskArray, Option<usize>), ArrayError> {
    let is_archive = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
    let array = if is_archive { only(file)? } else { npy::read(file).map_err(ArrayError::Npy)? };
    let shape = array.shape().to_vec();
    let refused = || ArrayError::Shape(shape.clone());
    // Some libraries keep an axis for the one channel.
    let axes = match shape.as_slice() {
        [rest @ .., side, 1] if !rest.is_empty() && *side > 1 => &shape[..shape.len() - 1],
        axes => axes,
    };
    let [leading @ .., height, width] = axes else { return Err(refused()) };
    let (height, width) = (*height, *width);
    let (count, pixels) = (leading.iter().product::<usize>(), height * width);
    if count == 0 || pixels == 0 {
        return Err(refused());
    }
    if let Some(index) = index.filter(|&index| index >= count) {
        return Err(ArrayError::NoMask { index, count });
    }
    let wide = !matches!(array, NpyArray::U8(_) | NpyArray::I8(_));
    let is_whole = matches!(array, NpyArray::U8(_) | NpyArray::I8(_) | NpyArray::I32(_) | NpyArray::I64(_));
    let data = array.to_f32_lossy().into_vec();
    if !data.iter().all(|x| x.is_finite()) {
        return Err(ArrayError::NotFinite);
    }
    let mask = |k: usize| &data[k * pixels..(k + 1) * pixels];
    let one = || index.or((count == 1).then_some(0)).ok_or(ArrayError::Several(count)).map(mask);
    let pixels_of = |inside: Vec<bool>| Ok((MaskArray::Pixels { size: (width, height), inside }, None));
    let negative = data.iter().any(|&x| x < 0.0);
    // Meta's predictor returns masks as floating-point zeros and ones. Some tools write -1 for no object.
    if data.iter().all(|&x| x.fract() == 0.0) && (!negative || is_whole) {
        let numbers: Vec<u32> = one()?.iter().map(|&x| x as u32).collect();
        let pixels = Pixels::Grey { numbers, white: if wide { 65_535 } else { 255 } };
        let stored = Stored { size: (width as u32, height as u32), pixels, alpha: None, lossy: false };
        let inside = marks(stored).and_then(|marks| marks.object(object)).map_err(ArrayError::Marks)?;
        return pixels_of(inside);
    }
    if !negative && data.iter().all(|&x| x <= 1.0) {
        return pixels_of(one()?.iter().map(|&share| share >= 0.5).collect());
    }
    if width != height {
        // Logits at the size of the picture.
        return if negative { pixels_of(one()?.iter().map(|&x| x > 0.0).collect()) } else { Err(refused()) };
    }
    let best = || (0..count).max_by(|&a, &b| stability(mask(a)).total_cmp(&stability(mask(b)))).unwrap_or(0);
    let chosen = index.unwrap_or_else(best);
    let logits = MaskArray::Logits { side: width, data: mask(chosen).to_vec() };
    Ok((logits, (index.is_none() && count > 1).then_some(chosen)))
}

/// The array of an archive that is meant: the only one, or the one with a usual name.
fn only(file: &Path) -> Result<NpyArray, ArrayError> {
    let mut arrays = npz::read(file).map_err(ArrayError::Npy)?;
    let usual = ["logits", "low_res_logits", "low_res", "mask_input", "mask", "masks"];
    let named = usual.iter().find_map(|name| arrays.remove(*name));
    let names = arrays.keys().cloned().collect::<Vec<_>>().join(", ");
    let single = arrays.pop_first().filter(|_| arrays.is_empty()).map(|(_, array)| array);
    named.or(single).ok_or(ArrayError::Names(if names.is_empty() { "none".to_owned() } else { names }))
}

/// IoU of the masks above +1 and above −1.
fn stability(logits: &[f32]) -> f32 {
    let above = |threshold: f32| logits.iter().filter(|&&x| x > threshold).count() as f32;
    above(1.0) / above(-1.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use tensor::Tensor;

    /// Logits that are `low` on the left half and `high` on the right.
    fn half(low: f32, high: f32) -> Vec<f32> {
        (0..16).map(|i| if i % 4 < 2 { low } else { high }).collect()
    }

    fn saved(name: &str, shape: &[usize], data: Vec<f32>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join(name);
        let array = Tensor::from_vec(shape, data);
        match name.ends_with("npy") {
            true => npy::write(&path, &array.view()).expect("write"),
            false => npz::write(&path, &[("logits", array.into())]).expect("write"),
        }
        (dir, path)
    }

    #[test]
    fn saved_logits_are_a_mask_of_any_size() {
        for (name, shape) in [("l.npy", &[4, 4][..]), ("l.npy", &[1, 4, 4]), ("l.npz", &[1, 1, 4, 4])] {
            let (_dir, path) = saved(name, shape, half(-3.0, 5.0));
            assert!(is_array(&path));
            assert_eq!(
                read(&path, None).expect("logits"),
                (MaskArray::Logits { side: 4, data: half(-3.0, 5.0) }, None)
            );
            let mask = read_mask(&path, None).expect("a mask");
            assert_eq!((mask.width(), mask.data()), (4, [false, false, true, true].repeat(4).as_slice()));
        }
        let (_dir, path) = saved("l.npy", &[4, 4], half(-3.0, -5.0));
        assert!(in_full(&read_mask(&path, None).expect_err("empty")).contains("no object"));
    }

    #[test]
    fn one_of_several_is_chosen_by_number_or_stability() {
        let data = [half(-0.5, 0.5), half(-9.0, 9.0), half(-2.0, 0.1)].concat();
        let (_dir, path) = saved("l.npy", &[3, 4, 4], data);
        let chosen = |name: String| {
            read(Path::new(&name), None).map(|(array, note)| match array {
                MaskArray::Logits { data, .. } => (data[0], note),
                pixels => panic!("{pixels:?}"),
            })
        };
        let name = path.display();
        assert_eq!(chosen(format!("{name}")).expect("one"), (-9.0, Some(1)));
        assert_eq!(chosen(format!("{name}:2")).expect("one"), (-2.0, None));
        let error = in_full(&chosen(format!("{name}:3")).expect_err("three masks"));
        assert!(error.contains("l.npy:3") && error.contains("no mask 3"), "{error}");
    }

    #[test]
    fn arrays_of_zeros_and_ones_are_pixels() {
        let (_dir, path) = saved("m.npy", &[2, 3], vec![0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        let mask = read_mask(&path, None).expect("a mask");
        assert_eq!((mask.width(), mask.height()), (3, 2));
        assert_eq!(mask.data(), [false, true, false, true, true, false]);
        let (_dir, path) = saved("m.npy", &[2, 1, 2], vec![0.0, 1.0, 1.0, 1.0]);
        assert!(in_full(&read(&path, None).expect_err("which?")).contains("FILE:0 to FILE:1"));
        let second = format!("{}:1", path.display());
        assert_eq!(read_mask(Path::new(&second), None).expect("the second").area(), 2);
    }

    #[test]
    fn label_maps_are_read_by_the_number_of_the_object() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("labels.npy");
        let numbers: Vec<i64> = vec![-1, 0, 1, 2, 2, 0];
        npy::write(&path, &Tensor::from_vec(&[2, 3], numbers).view()).expect("write");
        let of = |object| read_mask(&path, object);
        assert_eq!(of(Some(2)).expect("object 2").data(), [false, false, false, true, true, false]);
        assert_eq!(of(Some(1)).expect("object 1").area(), 1);
        let error = in_full(&of(Some(3)).expect_err("no such object"));
        assert!(error.contains("labels.npy") && error.contains("the objects 1, 2, not object 3"), "{error}");
        assert!(in_full(&of(None).expect_err("which?")).contains("name one of them"));
        // 16 bits, column by column, as a decoded mask times its number is saved.
        let header = "{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3), }";
        let numbers = [0, 7, 0, 300, 7, 0].map(u16::to_le_bytes).concat();
        let length = (header.len() as u16).to_le_bytes();
        let file = [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), &numbers].concat();
        std::fs::write(&path, file).expect("write");
        assert_eq!(of(Some(7)).expect("object 7").data(), [false, false, true, true, false, false]);
        assert_eq!(of(Some(300)).expect("object 300").data(), [false, false, false, false, true, false]);
        // Also as floating-point numbers, which are whole.
        let (_dir, path) = saved("l.npy", &[2, 2], vec![0.0, 1.0, 2.0, 2.0]);
        assert_eq!(read_mask(&path, Some(1)).expect("object 1").area(), 1);
        // Masks of 8 bits, whatever the object.
        npy::write(&path, &Tensor::from_vec(&[1, 2], vec![0_u8, 255]).view()).expect("write");
        assert_eq!(read_mask(&path, Some(7)).expect("a mask").data(), [false, true]);
    }

    #[test]
    fn shares_logits_of_any_size_and_channels_are_read() {
        let (_dir, path) = saved("p.npy", &[1, 4], vec![0.0, 0.4, 0.5, 1.0]);
        assert_eq!(read_mask(&path, None).expect("shares").data(), [false, false, true, true]);
        let (_dir, path) = saved("l.npy", &[1, 4], vec![-8.0, -0.5, 0.5, 9.0]);
        assert_eq!(read_mask(&path, None).expect("logits").data(), [false, false, true, true]);
        let (_dir, path) = saved("c.npy", &[2, 3, 1], vec![0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        let mask = read_mask(&path, None).expect("one channel");
        assert_eq!((mask.width(), mask.height(), mask.area()), (3, 2, 3));
    }

    #[test]
    fn other_arrays_are_refused() {
        for (shape, data, word) in [
            (&[4][..], vec![1.5; 4], "[4]"),
            (&[2, 3], vec![1.5; 6], "[2, 3]"),
            (&[0, 4, 4], vec![], "[0, 4, 4]"),
            (&[2, 2], vec![1.0, f32::NAN, 2.0, 3.0], "finite"),
        ] {
            let (_dir, path) = saved("x.npy", shape, data);
            let error = in_full(&read(&path, None).expect_err(word));
            assert!(error.contains("x.npy") && error.contains(word), "{error}");
        }
        let dir = tempfile::tempdir().expect("temporary folder");
        let error = in_full(&read(&dir.path().join("absent.npy"), None).expect_err("no file"));
        assert!(error.ends_with("absent.npy: No such file or directory (os error 2)"), "{error}");
        let path = dir.path().join("two.npz");
        let array = || NpyArray::from(Tensor::from_vec(&[1, 1], vec![1.5f32]));
        npz::write(&path, &[("a", array()), ("b", array())]).expect("write");
        assert!(in_full(&read(&path, None).expect_err("which?")).contains("a, b"));
        std::fs::write(&path, "no archive").expect("write");
        let error = in_full(&read(&path, None).expect_err("damaged"));
        assert_eq!(error.matches("two.npz").count(), 1, "{error}");
    }
}
