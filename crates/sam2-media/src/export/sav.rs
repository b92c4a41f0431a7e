//! The annotations of Meta's data set SA-V: `sav_dataset/README.md` of the reference.

use sam2_model::Rle;

use super::json::{joined, quoted, rle};
use super::set::Set;

/// The file `{video_id}_manual.json`. Annotated frame i is frame `every · i` of the clip, from its first one
/// on, so that the reader's sampling fits.
pub fn text(set: &Set) -> String {
    let (width, height) = set.size;
    let ids = set.ids();
    let last = set.frames.last().map_or(0, |frame| frame.index);
    let pixels = width as usize * height as usize;
    let nothing = u32::try_from(pixels).ok();
    let nothing = nothing.and_then(|n| Rle::from_counts(width as usize, height as usize, vec![n]).ok());
    let nothing = nothing.as_ref().map(rle).unwrap_or_default();
    let steps = (0..=last).step_by(set.every.max(1));
    let on = |index: usize| set.frames.iter().find(|frame| frame.index == index);
    let mut masklet = steps.clone().map(|index| {
        let mask = |&id: &u32| on(index).and_then(|frame| Set::mask(frame, id));
        let mut masks = ids.iter().map(|id| mask(id).map_or(nothing.clone(), |object| rle(&object.rle)));
        format!("[{}]", joined(&mut masks))
    });
    let tracks: Vec<Track> = ids.iter().map(|&id| Track::of(set, id, steps.clone())).collect();
    let of = |value: &dyn Fn(&Track) -> String| joined(&mut tracks.iter().map(value));
    let frames = steps.clone().count();
    format!(
        "{{\"video_id\":{},\"video_duration\":{:?},\"video_frame_count\":{:?},\"video_height\":{:?},\
         \"video_width\":{:?},\"video_resolution\":{:?},\"video_environment\":[],\"video_split\":\"\",\n\
         \"masklet\":[{}],\n\"masklet_id\":{ids:?},\"masklet_size_rel\":[{}],\"masklet_size_abs\":[{}],\
         \"masklet_size_bucket\":[{}],\"masklet_visibility_changes\":[{}],\
         \"masklet_first_appeared_frame\":[{}],\"masklet_frame_count\":[{}],\
         \"masklet_edited_frame_count\":[{}],\"masklet_type\":[{}],\"masklet_num\":{}}}\n",
        quoted(&set.name),
        set.length as f64 / set.fps,
        set.length as f64,
        f64::from(height),
        f64::from(width),
        pixels as f64,
        joined(&mut masklet),
        of(&|track| format!("{:?}", track.area / pixels as f64)),
        of(&|track| format!("{:?}", track.area)),
        of(&|track| quoted(track.bucket())),
        of(&|track| track.changes.to_string()),
        of(&|track| track.first.to_string()),
        of(&|_| frames.to_string()),
        of(&|_| "0".to_owned()),
        of(&|_| quoted("manual")),
        ids.len()
    )
}

struct Track {
    /// Mean over the frames on which it is visible, pixels.
    area: f64,
    changes: usize,
    first: usize,
}

impl Track {
    fn of(set: &Set, id: u32, steps: impl Iterator<Item = usize>) -> Self {
        let area = |index: usize| {
            let frame = set.frames.iter().find(|frame| frame.index == index);
            frame.and_then(|frame| Set::mask(frame, id)).map(|object| object.rle.area())
        };
        let areas: Vec<(usize, Option<u64>)> = steps.map(|index| (index, area(index))).collect();
        let start = areas.iter().position(|(_, area)| area.is_some()).unwrap_or(0);
        let changes = areas[start..].windows(2).filter(|pair| pair[0].1.is_some() != pair[1].1.is_some());
        let visible: Vec<u64> = areas.iter().filter_map(|(_, area)| *area).collect();
        Self {
            area: visible.iter().sum::<u64>() as f64 / visible.len().max(1) as f64,
            changes: changes.count(),
            first: areas.get(start).map_or(0, |(index, _)| *index),
        }
    }

    /// SA-V's three sizes.
    fn bucket(&self) -> &'static str {
        match self.area {
            area if area < 32.0 * 32.0 => "small",
            area if area < 96.0 * 96.0 => "medium",
            _ => "large",
        }
    }
}
