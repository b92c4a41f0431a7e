//! Meta's `.pt` files: a zip archive of a pickle and of the storages that it refers to, as `torch.save`
//! writes it.

use std::collections::BTreeMap;

use super::pickle::{Global, Id, Node, Pickle};
use super::zip::Archive;
use crate::weights::contents::CONFIG_KEY;
use crate::weights::stored::{Element, Stored};
use crate::weights::text::quoted;

/// First object of a file in the format before PyTorch 1.6: a pickle of this number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// Maximum number of axes.
const MAX_DIMS: usize = 8;
/// Views may overlap, so a small file can describe much data. All tensors together may have at most this many
/// times the file's size plus this many bytes.
const MAX_EXPANSION: u64 = 4;
const EXPANSION_SLACK: u64 = 1 << 20;

/// Whether this is a file of `torch.save`, in the current or the previous format.
pub(in crate::weights) fn recognised(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(LEGACY)
}

/// The tensors of the dict `model`, and the configuration text next to it, if there is one.
pub(in crate::weights) fn read(bytes: &[u8]) -> Result<Contents<'_>, String> {
    if bytes.starts_with(LEGACY) {
        return Err(
            "PyTorch before 1.6 wrote it; load it and save it again with a current PyTorch".to_owned()
        );
    }
    let archive = Archive::parse(bytes)?;
    let mut pickles = archive.names().filter_map(|name| name.strip_suffix("/data.pkl"));
    let folder = pickles.next().filter(|folder| !folder.contains('/'));
    let folder = folder.ok_or("it is a zip archive without data.pkl, so torch.save did not write it")?;
    if pickles.next().is_some() {
        return Err("it has more than one data.pkl".to_owned());
    }
    if let Some(order) = archive.get(&format!("{folder}/byteorder"))?
        && order.trim_ascii() != b"little"
    {
        return Err("it was written by a big-endian machine".to_owned());
    }
    let pickle = archive.get(&format!("{folder}/data.pkl"))?.ok_or("it has no data.pkl")?;
    let pickle = Pickle::parse(pickle)?;
    let reader = Reader { archive: &archive, pickle: &pickle, folder };
    let tensors = reader.model()?;
    let total: u64 = tensors.values().fold(0, |sum, tensor| sum.saturating_add(tensor.size()));
    if total > bytes.len() as u64 * MAX_EXPANSION + EXPANSION_SLACK {
        return Err(format!("its tensors have {total} bytes in a file of {}", bytes.len()));
    }
    Ok((tensors, reader.config()))
}

type Contents<'a> = (BTreeMap<String, Stored<'a>>, Option<String>);

struct Reader<'r, 'a> {
    archive: &'r Archive<'a>,
    pickle: &'r Pickle<'a>,
    folder: &'a str,
}

impl<'a> Reader<'_, 'a> {
    fn model(&self) -> Result<BTreeMap<String, Stored<'a>>, String> {
        let missing = "it holds no dict \"model\", which Meta's checkpoints do";
        let Node::Dict(root) = self.pickle.root() else { return Err(missing.to_owned()) };
        let mut models = root.iter().filter(|(key, _)| self.text(*key) == Some("model"));
        let Some(&(_, model)) = models.next() else { return Err(missing.to_owned()) };
        let (Node::Dict(model), None) = (self.pickle.node(model), models.next()) else {
            return Err(missing.to_owned());
        };
        let mut tensors = BTreeMap::new();
        for &(key, value) in model {
            let name = self.text(key).ok_or("the names in its dict \"model\" are not all text")?;
            let tensor = self.value(value).map_err(|reason| format!("tensor {}: {reason}", quoted(name)))?;
            if tensors.insert(name.to_owned(), tensor).is_some() {
                return Err(format!("tensor {} is there twice", quoted(name)));
            }
        }
        Ok(tensors)
    }

    /// The configuration that [`super::writer`] puts next to the model.
    fn config(&self) -> Option<String> {
        let Node::Dict(root) = self.pickle.root() else { return None };
        let (_, value) = root.iter().find(|(key, _)| self.text(*key) == Some(CONFIG_KEY))?;
        self.text(*value).map(str::to_owned)
    }

    /// A tensor, or a parameter that wraps one.
    fn value(&self, id: Id) -> Result<Stored<'a>, String> {
        let (version, arguments) = match self.pickle.node(id) {
            Node::Call(Global::Tensor(version), arguments) => (*version, self.items(*arguments)?),
            Node::Call(Global::Parameter, arguments) => {
                match self.items(*arguments)? {
                    // data, requires_grad, hooks; a parameter does not wrap another one
                    &[data, _, _] => match self.pickle.node(data) {
                        Node::Call(Global::Tensor(version), arguments) => (*version, self.items(*arguments)?),
                        _ => return Err("a parameter that is not made of a tensor".to_owned()),
                    },
                    _ => return Err("a parameter with other arguments than three".to_owned()),
                }
            }
            _ => return Err("not a tensor".to_owned()),
        };
        let fits = match version {
            1 => arguments.len() == 4,
            2 => matches!(arguments.len(), 6 | 7),
            _ => matches!(arguments.len(), 7 | 8),
        };
        if !fits {
            return Err(format!("{} arguments", arguments.len()));
        }
        let (bytes, mut element) = self.storage(arguments[0])?;
        if version == 3 {
            let Node::Global(Global::DType(name, size)) = *self.pickle.node(arguments[6]) else {
                return Err("its type is not one".to_owned());
            };
            element = Element::new(name, size);
        }
        let offset = self.number(arguments[1]).ok_or("its offset is not a number")?;
        let (shape, strides) = (self.numbers(arguments[2])?, self.numbers(arguments[3])?);
        if shape.len() > MAX_DIMS {
            return Err(format!("it has {} axes", shape.len()));
        }
        Stored::view(element, bytes, offset, shape, strides)
    }

    /// Bytes and type of the elements of a storage.
    fn storage(&self, id: Id) -> Result<(&'a [u8], Element), String> {
        let bad = "its storage is not described as torch.save does";
        let Node::Persistent(name) = *self.pickle.node(id) else { return Err(bad.to_owned()) };
        let &[kind, class, key, location, count] = self.items(name)? else { return Err(bad.to_owned()) };
        let Node::Global(Global::Storage(element, size)) = *self.pickle.node(class) else {
            return Err(bad.to_owned());
        };
        let (Some("storage"), Some(key), Some(_), Some(count)) =
            (self.text(kind), self.text(key), self.text(location), self.number(count))
        else {
            return Err(bad.to_owned());
        };
        let bytes = self.archive.get(&format!("{}/data/{key}", self.folder))?;
        let bytes = bytes.ok_or_else(|| format!("its storage {} is not in the file", quoted(key)))?;
        if count.checked_mul(size.into()) != Some(bytes.len()) {
            let found = bytes.len();
            return Err(format!("its storage has {found} bytes, {count} elements of {size} are announced"));
        }
        Ok((bytes, Element::new(element, size)))
    }

    fn text(&self, id: Id) -> Option<&'a str> {
        match *self.pickle.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self, id: Id) -> Option<usize> {
        match *self.pickle.node(id) {
            Node::Int(value) => usize::try_from(value).ok(),
            _ => None,
        }
    }

    fn items(&self, id: Id) -> Result<&[Id], String> {
        match self.pickle.node(id) {
            Node::Tuple(items) => Ok(items),
            _ => Err("its description is damaged".to_owned()),
        }
    }

    fn numbers(&self, id: Id) -> Result<Vec<usize>, String> {
        let items = self.items(id)?;
        if items.len() > MAX_DIMS {
            return Err(format!("it has {} axes", items.len()));
        }
        let numbers: Option<Vec<usize>> = items.iter().map(|&id| self.number(id)).collect();
        numbers.ok_or_else(|| "its shape or strides are not numbers".to_owned())
    }
}
