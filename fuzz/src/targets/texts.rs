//! Prompts, commands, tables and lists, masks as text, and arrays.

use std::path::Path;

use sam2_media::export::results as runs;
use sam2_media::outputs::names::inside;
use sam2_media::prompts::{jsonl, mask_file};
use sam2_media::protocol::Request;
use sam2_media::text::{read_names, table};
use sam2_model::Rle;

use super::{FOLDER, check, file};

/// The reader of `sam2 compare`. A program cannot be linked, so its source is compiled here.
#[path = "../../../crates/sam2-cli/src/commands/compare/read.rs"]
#[allow(dead_code)]
mod compare;

/// Reads arrays of a file whose extension tells the format.
pub fn arrays(path: &Path) {
    check(compare::open(path).map(|_| ()));
}

/// An array, also as a mask prompt.
pub fn npy(data: &[u8]) {
    let path = file("x.npy", data);
    arrays(&path);
    check(mask_file::read(&path, None).map(|_| ()));
}

/// Several, also as a mask prompt.
pub fn npz(data: &[u8]) {
    let path = file("x.npz", data);
    arrays(&path);
    check(mask_file::read(&path, None).map(|_| ()));
}

/// A prompts file, whose first bad line ends the reading, or is left out.
pub fn prompts(data: &[u8]) {
    let path = file("prompts.jsonl", data);
    check(jsonl::read(&path, Err).map(|_| ()));
    check(jsonl::read(&path, |_| Ok(())).map(|_| ()));
}

/// A line of a stream's commands.
pub fn command(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    check(Request::parse(&text, Path::new("folder")).map(|_| ()));
}

/// A table of `eval`: boxes, or flags per frame.
pub fn table(data: &[u8]) {
    let path = file("table.txt", data);
    let boxes = table::read_boxes(&path);
    // Boxes are numbers, four a line.
    if let Ok(boxes) = &boxes {
        let numbers = table::read_numbers(&path).expect("boxes are numbers");
        assert_eq!(numbers.len(), 4 * boxes.len());
    } else {
        check(table::read_numbers(&path).map(|_| ()));
    }
    check(boxes.map(|_| ()));
}

/// A list of the videos of `vos` and `eval`. A name that is accepted stays in the folder.
pub fn names(data: &[u8]) {
    match read_names(&file("list.txt", data), "the list") {
        Ok(names) => {
            let root = FOLDER.join("masks");
            for name in names {
                match inside(&root, &name) {
                    Ok(path) => assert!(path != root && path.starts_with(&root), "{}", path.display()),
                    Err(error) => check(Err(error)),
                }
            }
        }
        Err(error) => check(Err(error)),
    }
}

/// A size and a string of COCO's run lengths; what is read is written again as it was.
pub fn rle(data: &[u8]) {
    let [width, height, text @ ..] = data else { return };
    let (width, height) = (usize::from(*width), usize::from(*height));
    let Ok(text) = std::str::from_utf8(text) else { return };
    match Rle::from_coco_string(width, height, text) {
        Ok(rle) => {
            let mask = rle.mask();
            assert_eq!(mask.area() as u64, rle.area());
            let written = rle.to_coco_string();
            assert_eq!(Rle::from_coco_string(width, height, &written).as_ref(), Ok(&rle));
        }
        Err(error) => check(Err(error)),
    }
}

/// Results of a run that are exported: a list of lines, and one of masks.
pub fn results(data: &[u8]) {
    for name in ["results.jsonl", "results.json"] {
        match runs::read(&file(name, data), None) {
            Ok((mut set, _)) => {
                set.reduce(2, 3);
                let on_frames = set.frames.iter().flat_map(|frame| &frame.objects);
                assert!(on_frames.into_iter().all(|object| object.rle.area() >= 3));
            }
            Err(error) => check(Err(error)),
        }
    }
}
