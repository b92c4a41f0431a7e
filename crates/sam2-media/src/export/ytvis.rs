//! YouTube-VIS: COCO's format for clips.

use super::json::{categories, joined, quoted, rle};
use super::set::{Object, Set};

/// The file `instances.json`.
pub fn text(set: &Set) -> String {
    let ((width, height), length) = (set.size, set.frames.len());
    let files = joined(&mut set.frames.iter().map(|frame| quoted(&frame.file)));
    let mut annotations = set.ids().into_iter().zip(1..).map(|(id, number)| {
        let list = |of: &dyn Fn(&Object) -> String| {
            joined(&mut set.frames.iter().map(|frame| Set::mask(frame, id).map_or("null".to_owned(), of)))
        };
        format!(
            "{{\"id\":{number},\"video_id\":1,\"category_id\":{},\"iscrowd\":0,\"width\":{width},\
             \"height\":{height},\"length\":{length},\"track_id\":{id},\"segmentations\":[{}],\
             \"bboxes\":[{}],\"areas\":[{}]}}",
            set.classes.of(id) + 1,
            list(&|object| rle(&object.rle)),
            list(&|object| format!("{:?}", object.bbox())),
            list(&|object| object.rle.area().to_string())
        )
    });
    format!(
        "{{\"videos\":[{{\"id\":1,\"name\":{},\"width\":{width},\"height\":{height},\"length\":{length},\
         \"file_names\":[{files}]}}],\n\"annotations\":[{}],\n\"categories\":[{}]}}\n",
        quoted(&set.name),
        joined(&mut annotations),
        categories(set.classes.names())
    )
}
