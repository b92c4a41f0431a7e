//! The classes of objects.

use std::collections::BTreeMap;

use crate::error::ExportError;

/// The class of objects without one.
const DEFAULT: &str = "object";

/// Names of classes, and the class of every object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classes {
    names: Vec<String>,
    of: Vec<(u32, usize)>,
}

impl Classes {
    /// `names` is the list of classes, `pairs` assigns objects to them, as in `1=car,2=person`; a comma that
    /// no number follows belongs to the name. `ids` are the objects.
    ///
    /// Without pairs, a list of one name is the class of all objects, and of several names the one on line n
    /// is the class of object n. An object without a class is an `object`.
    ///
    /// ```
    /// use sam2_media::export::Classes;
    ///
    /// let classes = Classes::new(None, "1=car,2=person", &[1, 2, 7])?;
    /// assert_eq!(classes.names(), ["car", "person", "object"]);
    /// assert_eq!((classes.of(2), classes.of(7)), (1, 2));
    /// # Ok::<(), sam2_media::error::ExportError>(())
    /// ```
    ///
    /// # Errors
    /// If a pair cannot be read, is about an object twice, or names a class that the list does not have; or
    /// if there are more objects than names.
    pub fn new(names: Option<Vec<String>>, pairs: &str, ids: &[u32]) -> Result<Self, ExportError> {
        let listed = names.is_some();
        let mut classes = Self { names: names.unwrap_or_default(), of: Vec::new() };
        if let Some(twice) =
            (1..classes.names.len()).find(|&i| classes.names[..i].contains(&classes.names[i]))
        {
            return Err(ExportError::Classes(format!(
                "the class {:?} is listed twice",
                classes.names[twice]
            )));
        }
        for (id, name) in split(pairs)? {
            let known = classes.names.iter().position(|known| *known == name);
            let class = match known {
                Some(class) => class,
                None if listed => {
                    return Err(ExportError::Classes(format!("the list of names has no class {name:?}")));
                }
                None => classes.add(&name),
            };
            if classes.known(id).is_some() {
                return Err(ExportError::Classes(format!("object {id} has two classes")));
            }
            classes.of.push((id, class));
        }
        let (lines, by_line) = (classes.names.len(), listed && pairs.is_empty());
        for &id in ids {
            let class = match id as usize {
                _ if classes.known(id).is_some() => continue,
                _ if by_line && lines == 1 => 0,
                line if by_line && (1..=lines).contains(&line) => line - 1,
                _ if by_line => {
                    return Err(ExportError::Classes(format!(
                        "the list of names has {lines} lines and none for object {id}: say which class it \
                         has with --classes {id}=NAME"
                    )));
                }
                _ => match classes.names.iter().position(|known| known == DEFAULT) {
                    Some(class) => class,
                    None => classes.add(DEFAULT),
                },
            };
            classes.of.push((id, class));
        }
        if classes.names.is_empty() {
            classes.add(DEFAULT);
        }
        Ok(classes)
    }

    /// The classes of objects with names of their own; the others of `ids` have the default class.
    ///
    /// ```
    /// use sam2_media::export::Classes;
    ///
    /// let classes = Classes::named(&[(2, "a car, 1=red".to_owned())].into(), &[1, 2]);
    /// assert_eq!(classes.names(), ["object", "a car, 1=red"]);
    /// assert_eq!((classes.of(1), classes.of(2)), (0, 1));
    /// ```
    pub fn named(names: &BTreeMap<u32, String>, ids: &[u32]) -> Self {
        let mut classes = Self::default();
        for &id in ids {
            let name = names.get(&id).map_or(DEFAULT, String::as_str);
            let known = classes.names.iter().position(|known| known == name);
            let class = known.unwrap_or_else(|| classes.add(name));
            classes.of.push((id, class));
        }
        if classes.names.is_empty() {
            classes.add(DEFAULT);
        }
        classes
    }

    fn add(&mut self, name: &str) -> usize {
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Index of the class of an object.
    pub fn of(&self, id: u32) -> usize {
        self.known(id).unwrap_or(0)
    }

    fn known(&self, id: u32) -> Option<usize> {
        self.of.iter().find(|(other, _)| *other == id).map(|(_, class)| *class)
    }
}

/// The pairs of `1=car,2=person`.
fn split(pairs: &str) -> Result<Vec<(u32, String)>, ExportError> {
    let mut found: Vec<(u32, String)> = Vec::new();
    for part in pairs.split(',').filter(|_| !pairs.trim().is_empty()) {
        let pair = part.split_once('=').and_then(|(id, name)| Some((id.trim().parse().ok()?, name.trim())));
        match (pair, found.last_mut()) {
            (Some((id, name)), _) if !name.is_empty() => found.push((id, name.to_owned())),
            (None, Some((_, name))) => *name += &format!(",{part}"),
            _ => {
                return Err(ExportError::Classes(format!(
                    "{part:?} is no class of an object, which is written as 1=car"
                )));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(names: &[&str], pairs: &str, ids: &[u32]) -> Result<Vec<String>, String> {
        let names = (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect());
        let classes = Classes::new(names, pairs, ids);
        let classes = classes.map_err(|error| error.to_string())?;
        Ok(ids.iter().map(|&id| classes.names()[classes.of(id)].clone()).collect())
    }

    #[test]
    fn objects_get_their_classes() {
        assert_eq!(new(&[], "", &[1, 9]), Ok(vec!["object".into(), "object".into()]));
        assert_eq!(new(&["ball"], "", &[1, 9]), Ok(vec!["ball".into(), "ball".into()]));
        assert_eq!(new(&["a", "b"], "", &[1, 2]), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(new(&["a", "b"], "2=a", &[2, 3]), Ok(vec!["a".into(), "object".into()]));
        let odd = "1=a, \"red\" car,2=Größe = 3";
        assert_eq!(new(&[], odd, &[1, 2]), Ok(vec!["a, \"red\" car".into(), "Größe = 3".into()]));
        for (names, pairs, ids, words) in [
            (&["a", "b"][..], "", &[3][..], "--classes 3=NAME"),
            (&["a"], "1=b", &[1], "no class \"b\""),
            (&[], "1=a,1=b", &[1], "two classes"),
            (&[], "car", &[1], "1=car"),
            (&[], "1=", &[1], "1=car"),
            (&["a", "a"], "", &[1], "twice"),
        ] {
            let error = new(names, pairs, ids).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
