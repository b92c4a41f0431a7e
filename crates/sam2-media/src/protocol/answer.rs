//! The output of `sam2 stream` and the lines of `tracks.jsonl`.

use sam2_model::video::{ObjectEvent, ObjectOutput};
use sam2_model::{Mask, Rle};
use serde::{Deserialize, Serialize};

/// One output line of a stream.
///
/// ```
/// use sam2_media::protocol::Answer;
///
/// let answer: Answer = serde_json::from_str(r#"{"error":"obj_id is missing","frame":4}"#)?;
/// assert_eq!(answer, Answer::Error { error: "obj_id is missing".to_owned(), frame: 4 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The objects on a frame.
    Frame {
        /// Index of the frame.
        frame: usize,
        /// The objects, in the order in which they were first prompted.
        objects: Vec<ObjectAnswer>,
        /// Milliseconds from the frame to its masks.
        ms: f64,
        /// Frames of a camera that passed since the beginning while others were in work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped: Option<usize>,
    },
    /// A command that was refused.
    Error {
        /// The reason, in one line.
        error: String,
        /// Index of the current frame.
        frame: usize,
    },
}

/// An object on a frame of a stream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ObjectAnswer {
    /// Its scores and box.
    #[serde(flatten)]
    pub object: ObjectLine,
    /// Its mask, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rle: Option<CocoRle>,
}

/// A mask as run lengths in the text form of COCO.
///
/// ```
/// use sam2_media::protocol::CocoRle;
/// use sam2_model::Mask;
///
/// let mask = Mask::new(3, 2, vec![true, true, false, true, false, false])?;
/// let rle = serde_json::to_string(&CocoRle::from(&mask.rle()))?;
/// assert_eq!(rle, r#"{"counts":"033","size":[2,3]}"#); // for pycocotools
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct CocoRle {
    /// Column-major run lengths, starting with 0, compressed as in `pycocotools`.
    pub counts: String,
    /// Height and width, pixels.
    pub size: [usize; 2],
}

impl From<&Rle> for CocoRle {
    fn from(rle: &Rle) -> Self {
        Self { counts: rle.to_coco_string(), size: [rle.height(), rle.width()] }
    }
}

/// One line of `tracks.jsonl`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TrackLine {
    /// Index of the frame.
    pub frame: usize,
    /// The object.
    #[serde(flatten)]
    pub object: ObjectLine,
    /// Its mask, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rle: Option<CocoRle>,
}

/// Scores and box of an object on a frame.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ObjectLine {
    /// Its id.
    pub obj_id: u32,
    /// Object score: logit of the object being present.
    pub object_score: f32,
    /// The model's estimate of the mask's IoU with the object, 0 ..= 1.
    pub predicted_iou: f32,
    /// IoU of the masks at thresholds −1 and +1 of the logits, 0 ..= 1.
    pub stability_score: f32,
    /// What has changed since the last frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Pixels inside the mask.
    pub area: usize,
    /// x0, y0, x1, y1 of the mask in pixels, all inside; `None` if it is empty.
    pub bbox_xyxy: Option<[usize; 4]>,
}

impl ObjectLine {
    /// Scores and box of `object`, whose mask is `mask`.
    ///
    /// ```
    /// use sam2_media::protocol::{ObjectLine, TrackLine};
    /// use sam2_model::video::FrameOutput;
    ///
    /// /// The lines of one frame in `tracks.jsonl`.
    /// fn lines(output: &FrameOutput) -> serde_json::Result<Vec<String>> {
    ///     let objects = output.objects.iter().zip(output.masks());
    ///     let line = |object| TrackLine { frame: output.frame_idx, object, rle: None };
    ///     let lines = objects.map(|(object, mask)| line(ObjectLine::new(object, &mask)));
    ///     lines.map(|line| serde_json::to_string(&line)).collect()
    /// }
    /// ```
    pub fn new(object: &ObjectOutput, mask: &Mask) -> Self {
        Self {
            obj_id: object.obj_id,
            object_score: object.object_score,
            predicted_iou: object.predicted_iou,
            stability_score: object.stability_score,
            event: object.event.map(Event::from),
            area: mask.area(),
            bbox_xyxy: mask.bbox_xyxy(),
        }
    }
}

/// A change of an object's visibility.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It has become absent.
    Lost,
    /// It is present again.
    Found,
}

impl From<ObjectEvent> for Event {
    fn from(event: ObjectEvent) -> Self {
        match event {
            ObjectEvent::Lost => Self::Lost,
            ObjectEvent::Found => Self::Found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ObjectLine {
        ObjectLine {
            obj_id: 7,
            object_score: 3.25,
            predicted_iou: 0.7,
            stability_score: 1.0,
            event: Some(Event::Lost),
            area: 6,
            bbox_xyxy: Some([1, 2, 3, 4]),
        }
    }

    #[test]
    fn answers_are_read_back_from_their_lines() {
        let rle = Some(CocoRle { counts: "03".to_owned(), size: [2, 3] });
        let plain = ObjectLine { event: None, bbox_xyxy: None, ..object() };
        let objects = vec![ObjectAnswer { object: object(), rle }, ObjectAnswer { object: plain, rle: None }];
        let frame = Answer::Frame { frame: 3, objects, ms: 1.25, dropped: None };
        let text = serde_json::to_string(&frame).expect("JSON");
        assert_eq!(
            text,
            "{\"frame\":3,\"objects\":[{\"obj_id\":7,\"object_score\":3.25,\"predicted_iou\":0.7,\
             \"stability_score\":1.0,\"event\":\"lost\",\"area\":6,\"bbox_xyxy\":[1,2,3,4],\
             \"rle\":{\"counts\":\"03\",\"size\":[2,3]}},{\"obj_id\":7,\"object_score\":3.25,\
             \"predicted_iou\":0.7,\"stability_score\":1.0,\"area\":6,\"bbox_xyxy\":null}],\"ms\":1.25}"
        );
        assert_eq!(serde_json::from_str::<Answer>(&text).expect("an answer"), frame);
        let error = Answer::Error { error: "obj_id is missing".to_owned(), frame: 4 };
        let text = serde_json::to_string(&error).expect("JSON");
        assert_eq!(text, r#"{"error":"obj_id is missing","frame":4}"#);
        assert_eq!(serde_json::from_str::<Answer>(&text).expect("an answer"), error);
        let rle = Some(CocoRle { counts: "03".to_owned(), size: [2, 3] });
        let line = TrackLine { frame: 9, object: object(), rle };
        let text = serde_json::to_string(&line).expect("JSON");
        assert_eq!(serde_json::from_str::<TrackLine>(&text).expect("a line"), line);
    }
}
