//! The fields of a prompt's JSON object, with the names of this program, of Meta's code and of osam.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::prompt::BoxPrompt;
use crate::error::{InvalidPrompt, printable};
use crate::limits::MAX_LINE;

/// A JSON object, its fields in order, each name once.
pub(crate) struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object such as {\"frame\":0,\"obj_id\":1,\"points\":[[x,y]]}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("field `{}` appears twice", shown(&name))));
                    }
                    // A hostile line could have very many.
                    if fields.len() == MAX_FIELDS {
                        return Err(A::Error::custom("it has too many fields"));
                    }
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// What is no JSON at this place, where another language has it.
fn foreign(text: &str, line: usize, column: usize) -> Option<&'static str> {
    let rest = text.lines().nth(line.checked_sub(1)?)?.get(column.checked_sub(1)?..)?;
    let begins = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
    if begins(&["NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"]) {
        Some("a number is NaN or infinite, which JSON does not have")
    } else if begins(&["None", "True", "False", "'"]) {
        Some("it is written as Python and not as JSON: use json.dumps")
    } else if begins(&["#", "//", "/*"]) {
        Some("it is a comment, which JSON does not have")
    } else {
        None
    }
}

/// More than any prompt or command has.
const MAX_FIELDS: usize = 32;
/// Characters of an unknown name in a message.
const MAX_SHOWN: usize = 60;

/// The name of a field, for messages.
fn shown(name: &str) -> String {
    printable(name).chars().take(MAX_SHOWN).collect()
}

/// A field that was taken: the name that it had, and its value.
type Taken = Option<(String, Value)>;

impl Object {
    /// Reads one object.
    ///
    /// # Errors
    /// If it is not JSON, or longer than [`MAX_LINE`].
    pub fn parse(text: &str) -> Result<Self, InvalidPrompt> {
        if text.len() > MAX_LINE {
            return Err(InvalidPrompt::LongLine { bytes: text.len() });
        }
        serde_json::from_str(text).map_err(|error| match foreign(text, error.line(), error.column()) {
            Some(reason) => InvalidPrompt::Json { reason: reason.to_owned(), column: error.column() },
            None => InvalidPrompt::json(&error),
        })
    }

    /// Removes the field that has one of these names; null is as if it were absent.
    fn take(&mut self, names: &[&str]) -> Result<Taken, InvalidPrompt> {
        let mut taken: Taken = None;
        let named = |(name, _): &(String, Value)| names.contains(&name.as_str());
        let (found, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(named);
        self.0 = rest;
        for (name, value) in found.into_iter().filter(|(_, value)| !value.is_null()) {
            if let Some((first, _)) = taken {
                return Err(InvalidPrompt::SameField { first, second: name });
            }
            taken = Some((name, value));
        }
        Ok(taken)
    }

    /// A text field.
    pub fn text(&mut self, names: &[&str], expected: &'static str) -> Result<Option<String>, InvalidPrompt> {
        match self.take(names)? {
            None => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(text)),
            Some((field, value)) => Err(wrong(field, expected, &value)),
        }
    }

    /// Refuses what was not taken.
    pub fn finish(self, known: &'static str) -> Result<(), InvalidPrompt> {
        match self.0.into_iter().next() {
            Some((field, _)) if field == "bbox" => Err(InvalidPrompt::AmbiguousBox),
            Some((field, _)) => Err(InvalidPrompt::UnknownField { field: shown(&field), known }),
            None => Ok(()),
        }
    }
}

/// Names of the fields, for messages.
pub(crate) const KNOWN: &str = "frame, obj_id, points, labels, box and mask";

/// What a prompt's object says; nothing is checked that needs more than one field.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub frame: Option<usize>,
    pub obj_id: Option<u32>,
    pub points: Option<Vec<[f32; 2]>>,
    pub labels: Option<Vec<i32>>,
    pub bbox: Option<BoxPrompt>,
    pub mask: Option<PathBuf>,
}

impl Fields {
    /// Takes them out of an object.
    pub fn take(object: &mut Object) -> Result<Self, InvalidPrompt> {
        let frame = match object.take(&["frame", "frame_idx", "frame_index", "ann_frame_idx"])? {
            Some((field, value)) => Some(whole(field, &value, "a whole number of at least 0")?),
            None => None,
        };
        let obj_id = match object.take(&["obj_id", "obj", "object_id", "obj_idx", "ann_obj_id"])? {
            Some((field, value)) => Some(whole(field, &value, "the whole number of an object")?),
            None => None,
        };
        let points = match object.take(&["points", "point_coords", "input_points", "point"])? {
            Some((field, value)) => Some(points(&field, &value)?),
            None => None,
        };
        let labels = match object.take(&["labels", "point_labels", "input_labels", "label"])? {
            Some((field, value)) => Some(labels(&field, &value)?),
            None => None,
        };
        let bbox = match object.take(&["box", "boxes", "input_boxes", "bbox_xyxy"])? {
            Some((field, value)) => Some(bbox(&field, &value)?),
            None => None,
        };
        let mask = object.text(
            &["mask", "mask_input", "mask_inputs"],
            "the name of a file, a picture or .npy of --save-logits",
        )?;
        Ok(Self { frame, obj_id, points, labels, bbox, mask: mask.map(PathBuf::from) })
    }
}

fn wrong(field: String, expected: &'static str, value: &Value) -> InvalidPrompt {
    let mut found = value.to_string();
    if found.chars().count() > 40 {
        found = found.chars().take(37).chain("...".chars()).collect();
    }
    InvalidPrompt::Field { field, expected, found }
}

/// A whole number, which may be written `1.0`.
fn whole<N: TryFrom<i64>>(field: String, value: &Value, expected: &'static str) -> Result<N, InvalidPrompt> {
    // Larger ones are not exact.
    let exact = |x: &f64| x.fract() == 0.0 && x.abs() < 9e15;
    let number = value.as_i64().or_else(|| value.as_f64().filter(exact).map(|x| x as i64));
    number.and_then(|n| N::try_from(n).ok()).ok_or_else(|| wrong(field, expected, value))
}

/// `value`, or the one entry of it, as often as it is a list of a list.
fn unwrapped(value: &Value, depth: usize) -> &Value {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::Array(_)]) if nesting(value) > depth => unwrapped(&value[0], depth),
        _ => value,
    }
}

fn nesting(value: &Value) -> usize {
    value.as_array().map_or(0, |list| 1 + list.first().map_or(0, nesting))
}

fn number(field: &str, value: &Value, expected: &'static str) -> Result<f32, InvalidPrompt> {
    let number = value.as_f64().ok_or_else(|| wrong(field.to_owned(), expected, value))? as f32;
    if number.is_finite() {
        return Ok(number);
    }
    Err(InvalidPrompt::NotFinite(value.to_string()))
}

/// `[[x, y], …]`, one `[x, y]`, or either in further brackets.
fn points(field: &str, value: &Value) -> Result<Vec<[f32; 2]>, InvalidPrompt> {
    const EXPECTED: &str = "a list of points [x,y]";
    let refused = || wrong(field.to_owned(), EXPECTED, value);
    let point = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([x, y]) => Ok([number(field, x, EXPECTED)?, number(field, y, EXPECTED)?]),
        _ => Err(refused()),
    };
    match unwrapped(value, 2) {
        flat if nesting(flat) == 1 && flat.as_array().is_some_and(|list| !list.is_empty()) => {
            Ok(vec![point(flat)?])
        }
        Value::Array(list) => list.iter().map(point).collect(),
        _ => Err(refused()),
    }
}

/// `[1, 0, …]`, true or false for 1 or 0, or one of them alone.
fn labels(field: &str, value: &Value) -> Result<Vec<i32>, InvalidPrompt> {
    let label = |value: &Value| match value {
        Value::Bool(on) => Ok(i32::from(*on)),
        value => whole(field.to_owned(), value, "a list of labels 1 (the object) or 0 (not the object)"),
    };
    match unwrapped(value, 1) {
        Value::Array(list) => list.iter().map(label).collect(),
        value => Ok(vec![label(value)?]),
    }
}

/// Four numbers, two corners, or either in further brackets.
fn bbox(field: &str, value: &Value) -> Result<BoxPrompt, InvalidPrompt> {
    const EXPECTED: &str = "a box of 4 numbers";
    let refused = || wrong(field.to_owned(), EXPECTED, value);
    let list = unwrapped(value, 1).as_array().ok_or_else(refused)?;
    let corners: Vec<&Value> = match list.as_slice() {
        [Value::Array(from), Value::Array(to)] if from.len() == 2 && to.len() == 2 => {
            from.iter().chain(to).collect()
        }
        [Value::Array(_), ..] if list.len() > 1 => {
            return Err(InvalidPrompt::SeveralBoxes { field: field.to_owned(), count: list.len() });
        }
        numbers => numbers.iter().collect(),
    };
    let numbers: Vec<f32> =
        corners.into_iter().map(|x| number(field, x, EXPECTED)).collect::<Result<_, _>>()?;
    numbers.try_into().map(BoxPrompt).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Fields, InvalidPrompt> {
        let mut object = Object::parse(text)?;
        let fields = Fields::take(&mut object)?;
        object.finish(KNOWN).map(|()| fields)
    }

    #[test]
    fn numbers_of_other_programs_are_whole() {
        let expected = Fields {
            frame: Some(3),
            obj_id: Some(2),
            points: Some(vec![[60.0, 64.5]]),
            labels: Some(vec![1]),
            ..Fields::default()
        };
        for text in [
            r#"{"frame":3,"obj_id":2,"points":[[60,64.5]],"labels":[1]}"#,
            r#"{"frame":3.0,"obj_id":2.0,"points":[[60.0,64.5]],"labels":[1.0],"box":null,"mask":null}"#,
            r#"{"frame_idx":3,"obj":2,"point_coords":[[[60,64.5]]],"point_labels":[[true]]}"#,
            r#"{"ann_frame_idx":3e0,"ann_obj_id":2,"point":[60,64.5],"label":1}"#,
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn a_box_has_four_numbers_in_any_brackets() {
        for text in ["[1,2,3,4]", "[[1,2,3,4]]", "[[[1,2,3,4]]]", "[[1,2],[3,4]]", "[1.0,2e0,3,4]"] {
            for name in ["box", "boxes", "bbox_xyxy"] {
                let fields = parse(&format!("{{\"{name}\":{text}}}")).expect(text);
                assert_eq!(fields.bbox, Some(BoxPrompt([1.0, 2.0, 3.0, 4.0])), "{name} {text}");
            }
        }
        let several = parse(r#"{"boxes":[[1,2,3,4],[5,6,7,8]]}"#).expect_err("two objects").to_string();
        assert!(several.contains("2 boxes") && several.contains("obj_id"), "{several}");
        let coco = parse(r#"{"bbox":[1,2,3,4]}"#).expect_err("two readings").to_string();
        assert!(coco.contains("x0,y0,x1,y1") && coco.contains("width"), "{coco}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            (r#"{"frame":-1}"#, &["`frame`", "-1", "whole number"][..]),
            (r#"{"frame":0.5}"#, &["`frame`", "0.5"]),
            (r#"{"frame":[0]}"#, &["`frame`", "[0]"]),
            (r#"{"frame":1e300}"#, &["`frame`"]),
            (r#"{"obj_id":"car"}"#, &["`obj_id`", "\"car\""]),
            (r#"{"obj_id":-1}"#, &["`obj_id`"]),
            (r#"{"obj_id":5000000000}"#, &["`obj_id`"]),
            (r#"{"points":{"x":1}}"#, &["`points`", "[x,y]"]),
            (r#"{"points":[[1,2,3]]}"#, &["`points`", "[x,y]"]),
            (r#"{"points":[1,[2]]}"#, &["`points`"]),
            (r#"{"points":["a",1]}"#, &["`points`"]),
            (r#"{"points":[[1e99,1]]}"#, &["finite"]),
            (r#"{"labels":["on"]}"#, &["`labels`", "\"on\""]),
            (r#"{"labels":[0.5]}"#, &["`labels`"]),
            (r#"{"box":[1,2,3]}"#, &["`box`", "4 numbers"]),
            (r#"{"box":"1,2,3,4"}"#, &["`box`", "4 numbers"]),
            (r#"{"mask":[[0.5]]}"#, &["`mask`", "file"]),
            (r#"{"frame":0,"frame_idx":0}"#, &["`frame`", "`frame_idx`"]),
            (r#"{"frame":0,"frame":0}"#, &["`frame`", "twice"]),
            (r#"{"a\nb":1,"a\nb":2}"#, &[r"`a\u000ab`", "twice"]),
            (r#"{"pts":[[1,2]]}"#, &["unknown field `pts`", "points"]),
            (r#"{"a\nb":1}"#, &[r"unknown field `a\u000ab`"]),
            (format!("{{\"{}\":1}}", "long".repeat(999)).as_str(), &["unknown field `longlong"]),
            (r#"{"points":[[NaN,1]]}"#, &["NaN or infinite"]),
            (r#"{"box":None}"#, &["json.dumps"]),
            ("{'box':1}", &["json.dumps"]),
            ("# clicks", &["comment"]),
            ("// clicks", &["comment"]),
            (r#"[1]"#, &["object"]),
            ("12", &["object"]),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{text}: {message}");
            assert!(!message.contains(['\n', '\x1b']) && !message.contains("usize"), "{text}: {message}");
            assert!(message.len() < 250, "{text}: {message}");
        }
        let long = format!("{{\"points\":[{}]}}", "[1,2],".repeat(MAX_LINE / 6));
        assert!(matches!(parse(&long), Err(InvalidPrompt::LongLine { .. })));
    }
}
