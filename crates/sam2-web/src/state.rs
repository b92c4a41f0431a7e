//! What was prompted and what came out of it, for one picture or clip.

use std::collections::BTreeMap;

use sam2_media::pictures::overlay;
use sam2_media::prompts::{BoxPrompt, Click, check_points};
use sam2_media::protocol::CocoRle;
use sam2_model::{Points, Rle};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::limits;
use crate::wire::{FrameObject, Op, PromptRequest};

/// The prompt of an object on a frame.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    pub points: Vec<[f32; 2]>,
    pub labels: Vec<i32>,
    #[serde(rename = "box")]
    pub bbox: Option<[f32; 4]>,
    /// A given mask, or the chosen one of three.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rle: Option<CocoRle>,
    pub candidate: Option<usize>,
}

impl Prompt {
    /// As the predictors take it. Coordinates off the picture are taken as they are, as at the command line.
    pub fn to_points(&self) -> Points {
        let labelled = self.points.iter().zip(&self.labels);
        let add = |points: Points, (&[x, y], &label): (&[f32; 2], &i32)| match label {
            1 => points.on(x, y),
            _ => points.off(x, y),
        };
        labelled.fold(Points::new(), add).within(self.bbox).allow_outside(true)
    }

    /// Whether it is a single click, which may mean a part or the whole.
    pub fn is_single_click(&self) -> bool {
        self.points.len() == 1 && self.bbox.is_none() && self.rle.is_none()
    }

    /// Checks clicks and a box against their picture.
    ///
    /// # Errors
    /// As at the command line.
    pub fn check(&self, size: (u32, u32), name: &str) -> Result<(), ApiError> {
        if self.points.len() != self.labels.len() {
            let (points, labels) = (self.points.len(), self.labels.len());
            return Err(ApiError::bad("bad_prompt", format!("{points} points have {labels} labels")));
        }
        if self.points.len() > limits::POINTS {
            let text = format!("a prompt has at most {} points", limits::POINTS);
            return Err(ApiError::bad("bad_prompt", text));
        }
        let click = |(&[x, y], &label): (&[f32; 2], &i32)| Click { x, y, label };
        let clicks: Vec<Click> = self.points.iter().zip(&self.labels).map(click).collect();
        check_points(&clicks, self.bbox.map(BoxPrompt), size, name.as_ref()).map_err(|e| ApiError::prompt(&e))
    }
}

/// Checks the number of an object.
///
/// # Errors
/// If it is not 1 to 255.
pub fn check_object(obj_id: u32) -> Result<(), ApiError> {
    if (1..=limits::OBJECTS).contains(&obj_id) {
        return Ok(());
    }
    let text = format!("object {obj_id}: numbers of objects are 1 to {}", limits::OBJECTS);
    Err(ApiError::bad("bad_object", text))
}

/// The run lengths of a mask, which must be of this size.
///
/// # Errors
/// If they are damaged or of another size.
pub fn read_rle(rle: &CocoRle, size: (u32, u32)) -> Result<Rle, ApiError> {
    let [height, width] = rle.size;
    if (width, height) != (size.0 as usize, size.1 as usize) {
        let text = format!("the mask has {width}x{height} pixels, the picture {}x{}", size.0, size.1);
        return Err(ApiError::bad("bad_mask", text));
    }
    Rle::from_coco_string(width, height, &rle.counts).map_err(|e| ApiError::bad("bad_mask", e.to_string()))
}

/// A mask and its scores.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaskEntry {
    pub rle: CocoRle,
    pub predicted_iou: f32,
    pub stability: f32,
    pub object_score: f32,
}

/// The masks of an object on a frame: that of its prompt lies over that of tracking.
#[derive(Clone, Debug, Default, PartialEq)]
struct Layers {
    prompted: Option<MaskEntry>,
    tracked: Option<MaskEntry>,
}

/// Name and colour of an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    pub name: String,
    pub color: String,
}

impl Object {
    /// An object that was not named; its colour is that of overlays.
    fn unnamed(obj_id: u32) -> Self {
        let [r, g, b] = overlay::colour(obj_id);
        Self { name: String::new(), color: format!("#{r:02x}{g:02x}{b:02x}") }
    }
}

/// The state of a picture or clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    objects: BTreeMap<u32, Object>,
    prompts: BTreeMap<(usize, u32), Prompt>,
    masks: BTreeMap<usize, BTreeMap<u32, Layers>>,
}

impl State {
    pub fn objects(&self) -> &BTreeMap<u32, Object> {
        &self.objects
    }

    /// All prompts, by frame and object.
    pub fn prompts(&self) -> &BTreeMap<(usize, u32), Prompt> {
        &self.prompts
    }

    /// Whether it has no object.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The prompt that there is after a request; `None` if there is none any more. The request was checked,
    /// except where it adds points to those that are there.
    ///
    /// # Errors
    /// If points cannot be added.
    pub fn after(&self, request: &PromptRequest) -> Result<Option<Prompt>, ApiError> {
        let PromptRequest { frame, obj_id, op, points, labels, bbox, rle, candidate } = request;
        let new = Prompt {
            points: points.clone(),
            labels: labels.clone(),
            bbox: *bbox,
            rle: rle.clone(),
            candidate: *candidate,
        };
        match (op, self.prompts.get(&(*frame, *obj_id))) {
            (Op::Clear, _) => Ok(None),
            (Op::More, Some(old)) if old.points.is_empty() && old.bbox.is_none() => {
                let text = "points cannot be added to a given mask: send them with \"op\":\"set\"";
                Err(ApiError::bad("bad_prompt", text))
            }
            (Op::More, Some(old)) => {
                let points = [&old.points[..], points].concat();
                let labels = [&old.labels[..], labels].concat();
                Ok(Some(Prompt { points, labels, bbox: bbox.or(old.bbox), rle: None, candidate: None }))
            }
            _ => Ok(Some(new)),
        }
    }

    /// Sets the prompt of an object on a frame and its mask, or removes both.
    pub fn set_prompt(&mut self, frame: usize, obj_id: u32, prompt: Option<(Prompt, MaskEntry)>) {
        match prompt {
            Some((prompt, mask)) => {
                self.objects.entry(obj_id).or_insert_with(|| Object::unnamed(obj_id));
                self.prompts.insert((frame, obj_id), prompt);
                self.masks.entry(frame).or_default().entry(obj_id).or_default().prompted = Some(mask);
            }
            None => {
                self.prompts.remove(&(frame, obj_id));
                let Some(objects) = self.masks.get_mut(&frame) else { return };
                if let Some(layers) = objects.get_mut(&obj_id) {
                    layers.prompted = None;
                    if layers.tracked.is_none() {
                        objects.remove(&obj_id);
                    }
                }
                if objects.is_empty() {
                    self.masks.remove(&frame);
                }
            }
        }
    }

    /// Replaces the mask of a prompt that is there, or else that of tracking.
    pub fn set_mask(&mut self, frame: usize, obj_id: u32, mask: MaskEntry) {
        let prompted = self.prompts.contains_key(&(frame, obj_id));
        let layers = self.masks.entry(frame).or_default().entry(obj_id).or_default();
        *(if prompted { &mut layers.prompted } else { &mut layers.tracked }) = Some(mask);
    }

    pub fn set_object(&mut self, obj_id: u32, object: Object) {
        self.objects.insert(obj_id, object);
    }

    /// Removes an object. Returns the frames that it had masks on.
    pub fn remove_object(&mut self, obj_id: u32) -> Vec<usize> {
        self.objects.remove(&obj_id);
        self.prompts.retain(|(_, object), _| *object != obj_id);
        let mut frames = Vec::new();
        self.masks.retain(|&frame, objects| {
            if objects.remove(&obj_id).is_some() {
                frames.push(frame);
            }
            !objects.is_empty()
        });
        frames
    }

    /// Frames with masks, in order.
    pub fn frames(&self) -> impl Iterator<Item = usize> {
        self.masks.keys().copied()
    }

    /// The objects on a frame.
    pub fn on(&self, frame: usize) -> Vec<FrameObject> {
        let objects = self.masks.get(&frame).into_iter().flatten();
        objects.filter_map(|(&obj_id, layers)| layers.shown(obj_id)).collect()
    }
}

impl Layers {
    fn shown(&self, obj_id: u32) -> Option<FrameObject> {
        let mask = self.prompted.as_ref().or(self.tracked.as_ref())?.clone();
        let state = match self.prompted {
            Some(_) => "prompted",
            None if mask.object_score > 0.0 => "tracked",
            None => "lost",
        };
        let MaskEntry { rle, predicted_iou, stability, object_score } = mask;
        Some(FrameObject { obj_id, rle, predicted_iou, stability, object_score, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(counts: &str, object_score: f32) -> MaskEntry {
        let rle = CocoRle { counts: counts.to_owned(), size: [2, 3] };
        MaskEntry { rle, predicted_iou: 0.5, stability: 0.5, object_score }
    }

    fn click(x: f32) -> Prompt {
        Prompt { points: vec![[x, 1.0]], labels: vec![1], ..Prompt::default() }
    }

    #[test]
    fn a_cleared_prompt_shows_what_was_tracked() {
        let mut state = State::default();
        state.set_prompt(0, 1, Some((click(1.0), mask("033", 2.0))));
        state.set_mask(4, 1, mask("6", -3.0));
        assert_eq!((state.on(0)[0].state, state.on(4)[0].state), ("prompted", "lost"));
        state.set_prompt(4, 1, Some((click(2.0), mask("033", 2.0))));
        assert_eq!((state.on(4)[0].state, state.on(4)[0].rle.counts.as_str()), ("prompted", "033"));
        state.set_prompt(4, 1, None);
        assert_eq!((state.on(4)[0].state, state.on(4)[0].rle.counts.as_str()), ("lost", "6"));
        state.set_prompt(0, 1, None);
        assert!(state.on(0).is_empty() && state.frames().eq([4]) && !state.is_empty());
        assert_eq!(state.remove_object(1), [4]);
        assert_eq!(state, State::default());
    }

    #[test]
    fn points_are_added_to_points_only() {
        let request = |op, points: Vec<[f32; 2]>| PromptRequest {
            frame: 0,
            obj_id: 1,
            op,
            labels: vec![1; points.len()],
            points,
            bbox: None,
            rle: None,
            candidate: None,
        };
        let mut state = State::default();
        let first = state.after(&request(Op::More, vec![[1.0, 1.0]])).expect("new").expect("a prompt");
        assert_eq!(first, click(1.0));
        state.set_prompt(0, 1, Some((first, mask("033", 1.0))));
        let second = state.after(&request(Op::More, vec![[2.0, 1.0]])).expect("more").expect("a prompt");
        assert_eq!(second.points, [[1.0, 1.0], [2.0, 1.0]]);
        assert_eq!(state.after(&request(Op::Clear, vec![])).expect("clear"), None);
        let given = Prompt { rle: Some(mask("033", 1.0).rle), ..Prompt::default() };
        state.set_prompt(0, 1, Some((given, mask("033", 1.0))));
        assert!(state.after(&request(Op::More, vec![[2.0, 1.0]])).is_err());
    }

    #[test]
    fn prompts_are_checked_as_at_the_command_line() {
        assert!(click(2.0).check((3, 2), "a.png").is_ok());
        for (prompt, words) in [
            (click(9.0), "a.png"),
            (click(f32::NAN), "a.png"),
            (Prompt::default(), "neither a click nor a box"),
            (Prompt { labels: vec![], ..click(1.0) }, "labels"),
            (Prompt { labels: vec![7], ..click(1.0) }, "7"),
            (Prompt { points: vec![[1.0; 2]; 1001], labels: vec![1; 1001], ..Prompt::default() }, "1000"),
            (Prompt { bbox: Some([2.0, 0.0, 1.0, 1.0]), ..Prompt::default() }, "inverted"),
        ] {
            let error = prompt.check((3, 2), "a.png").expect_err("refused");
            assert!(error.status == 400 && error.message.contains(words), "{error:?}");
        }
        assert!(check_object(1).is_ok() && check_object(255).is_ok());
        assert!(check_object(0).is_err() && check_object(256).is_err());
        let rle = |counts: &str, size| CocoRle { counts: counts.to_owned(), size };
        assert!(read_rle(&rle("033", [2, 3]), (3, 2)).is_ok());
        assert!(
            read_rle(&rle("033", [3, 2]), (3, 2)).is_err() && read_rle(&rle("~", [2, 3]), (3, 2)).is_err()
        );
    }
}
