//! The objects of a pickle: dicts, and the tensors in them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::pickle::{Global, Id, Node, Pickle};
use crate::weights::advice;
use crate::weights::fault::Fault;
use crate::weights::keys::CONFIG_KEY;
use crate::weights::select::{Group, Listing, unwrapped};
use crate::weights::source::Part;
use crate::weights::stored::{Element, Stored};
use crate::weights::text::quoted;

/// Maximum number of axes.
const MAX_DIMS: usize = 8;
/// Dicts are looked for under this many keys, and in lists of at most this many items.
const MAX_DEPTH: usize = 3;
const MAX_ITEMS: usize = 16;
/// Number of dicts that may be a model.
const MAX_DICTS: usize = 100;
/// Keys under which scripts put the model itself.
const MODELS: [&str; 6] = ["model", "state_dict", "model_state_dict", "ema", "net", "module"];
/// Characters of a key in a path.
const MAX_KEY: usize = 40;

/// Where storages are: looked up by key.
pub(super) trait Storages<'a> {
    /// The bytes of a storage of `count` elements of `size` bytes; `None` if there is none of this key.
    fn get(&self, key: &str) -> Result<Option<Part<'a>>, Fault>;

    /// Whether elements are in the byte order of a big-endian machine.
    fn big_endian(&self) -> bool;
}

/// A dict of a pickle, not read yet.
pub(super) struct Dict<'p> {
    pub path: String,
    /// Entries whose key is text.
    pub entries: Vec<(&'p str, Id)>,
}

/// The `wanted` dicts of a file with this pickle, and the configuration that [`super::writer`] puts beside
/// the model.
pub(super) fn listing<'a>(
    pickle: &Pickle,
    wanted: &dyn Fn(&Dict) -> bool,
    storages: &impl Storages<'a>,
) -> Result<Listing<'a>, Fault> {
    let dicts = pickle.dicts();
    let about = pickle.about(&dicts);
    let root = dicts.first().filter(|root| root.path.is_empty());
    let config = root.and_then(|root| {
        let (_, id) = root.entries.iter().find(|(name, _)| *name == CONFIG_KEY)?;
        pickle.text(*id)
    });
    let metadata = config.map(|text| HashMap::from([(CONFIG_KEY.to_owned(), text.to_owned())]));
    let wanted = dicts.into_iter().filter(|dict| wanted(dict)).take(MAX_DICTS);
    let groups = wanted.map(|dict| pickle.group(dict, storages)).collect::<Result<_, Fault>>()?;
    Ok(Listing { groups, metadata, about })
}

/// A storage as a pickle names it.
pub(super) struct StorageName<'p> {
    pub key: &'p str,
    pub element: (&'static str, u8),
    pub count: usize,
    /// In the format before PyTorch 1.6: offset and number of elements of the part that is meant.
    pub view: Option<(usize, usize)>,
}

impl<'p> Pickle<'p> {
    /// The dicts of text keys, outermost first, each once.
    pub(super) fn dicts(&self) -> Vec<Dict<'p>> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut queue = VecDeque::from([(self.root(), String::new(), 0)]);
        while let Some((id, path, depth)) = queue.pop_front() {
            if !seen.insert(id) {
                continue;
            }
            let mut entries = Vec::new();
            let mut inner = |key: &str, value: Id| {
                let nested = matches!(self.node(value), Node::Dict(_) | Node::List(_) | Node::Tuple(_));
                if nested && depth < MAX_DEPTH {
                    let key: String = key.chars().take(MAX_KEY).collect();
                    let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                    queue.push_back((value, path, depth + 1));
                }
            };
            match self.node(id) {
                Node::Dict(pairs) => {
                    for &(key, value) in pairs {
                        if let Some(key) = self.text(key) {
                            entries.push((key, value));
                            inner(key, value);
                        }
                    }
                }
                Node::List(items) | Node::Tuple(items) if items.len() <= MAX_ITEMS => {
                    items.iter().enumerate().for_each(|(i, &value)| inner(&i.to_string(), value));
                }
                _ => {}
            }
            if !entries.is_empty() {
                found.push(Dict { path, entries });
            }
        }
        found
    }

    /// Reads the tensors of a dict.
    pub(super) fn group<'a>(&self, dict: Dict<'p>, storages: &impl Storages<'a>) -> Result<Group<'a>, Fault> {
        let (mut tensors, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (written, id) in dict.entries {
            let name = unwrapped(written);
            let mut twice = false;
            if matches!(self.node(id), Node::Call(..)) {
                match self.tensor(id, storages) {
                    Ok(tensor) => twice = tensors.insert(name.into_owned(), tensor).is_some(),
                    // Of a type of a later PyTorch: it matters only if the model has this tensor.
                    Err(Fault::Foreign(what)) => drop(others.insert(name.into_owned(), what)),
                    Err(fault) => return Err(fault.within(&format!("tensor {}", quoted(&name)))),
                }
            } else {
                others.insert(name.into_owned(), self.kind(id));
            }
            if twice {
                return Err(format!("tensor {} is there twice", quoted(written)).into());
            }
        }
        Ok(Group { path: dict.path, tensors, others })
    }

    /// A tensor, or a parameter that wraps one.
    fn tensor<'a>(&self, id: Id, storages: &impl Storages<'a>) -> Result<Stored<'a>, Fault> {
        let (version, arguments) = match self.node(id) {
            Node::Call(Global::Tensor(version), arguments) => (*version, self.items(*arguments)?),
            Node::Call(Global::Parameter, arguments) => match self.items(*arguments)? {
                // data, requires_grad, hooks and perhaps a state; a parameter does not wrap another one
                &[data, _, _] | &[data, _, _, _] => match self.node(data) {
                    Node::Call(Global::Tensor(version), arguments) => (*version, self.items(*arguments)?),
                    _ => return Err("a parameter that is not made of a tensor".into()),
                },
                _ => return Err("a parameter with other arguments than three or four".into()),
            },
            _ => return Err("not a tensor".into()),
        };
        let fits = match version {
            1 => arguments.len() == 4,
            2 => matches!(arguments.len(), 6 | 7),
            _ => matches!(arguments.len(), 7 | 8),
        };
        if !fits {
            return Err(format!("{} arguments", arguments.len()).into());
        }
        let (bytes, mut element) = self.storage(arguments[0], storages)?;
        if version == 3 {
            element = match *self.node(arguments[6]) {
                Node::Global(Global::DType(name, size)) => Element::new(name, size),
                Node::Global(Global::Foreign(_)) => {
                    return Err(Fault::Foreign(format!("a tensor of {}", self.kind(arguments[6]))));
                }
                _ => return Err("its type is not one".into()),
            };
        }
        let offset = self.number(arguments[1]).ok_or("its offset is not a number")?;
        let (shape, strides) = (self.numbers(arguments[2])?, self.numbers(arguments[3])?);
        if shape.len() > MAX_DIMS {
            return Err(format!("it has {} axes", shape.len()).into());
        }
        let stored = Stored::view(element, bytes, offset, shape, strides)?;
        Ok(if storages.big_endian() { stored.big_endian() } else { stored })
    }

    /// Bytes and type of the elements of a storage.
    fn storage<'a>(&self, id: Id, storages: &impl Storages<'a>) -> Result<(Part<'a>, Element), Fault> {
        let Some(name) = self.storage_name(id) else {
            return Err(match self.foreign_storage(id) {
                Some(class) => Fault::Foreign(format!("a tensor of {}", self.kind(class))),
                None => "its storage is not described as torch.save does".into(),
            });
        };
        let bytes = storages.get(name.key)?;
        let bytes = bytes.ok_or_else(|| format!("its storage {} is not in the file", quoted(name.key)))?;
        let (element, size) = name.element;
        if name.count.checked_mul(size.into()) != Some(bytes.len) {
            let (found, count) = (bytes.len, name.count);
            let reason = format!("its storage has {found} bytes, {count} elements of {size} are announced");
            return Err(reason.into());
        }
        let size_of = |n: usize| n.checked_mul(size.into());
        let bytes = match name.view {
            None => bytes,
            Some((offset, count)) => match (size_of(offset), size_of(count)) {
                (Some(at), Some(len)) if at.checked_add(len).is_some_and(|end| end <= bytes.len) => {
                    bytes.sub(at, len)
                }
                _ => return Err("its part of a storage lies outside the storage".into()),
            },
        };
        Ok((bytes, Element::new(element, size)))
    }

    /// The class of a storage that is not known here.
    fn foreign_storage(&self, id: Id) -> Option<Id> {
        let Node::Persistent(name) = *self.node(id) else { return None };
        let &class = self.items(name).ok()?.get(1)?;
        matches!(self.node(class), Node::Global(Global::Foreign(_))).then_some(class)
    }

    /// The description of a storage.
    pub(super) fn storage_name(&self, id: Id) -> Option<StorageName<'p>> {
        let Node::Persistent(name) = *self.node(id) else { return None };
        let (fields, view) = match self.items(name).ok()? {
            fields @ &[_, _, _, _, _] => (fields, None),
            // The format before PyTorch 1.6 adds None, or key, offset and size of a view.
            [fields @ .., view] if fields.len() == 5 => match self.node(*view) {
                Node::Tuple(items) => match items[..] {
                    [_, offset, size] => (fields, Some((self.number(offset)?, self.number(size)?))),
                    _ => return None,
                },
                Node::Other => (fields, None),
                _ => return None,
            },
            _ => return None,
        };
        let &[kind, class, key, location, count] = fields else { return None };
        let Node::Global(Global::Storage(element, size)) = *self.node(class) else { return None };
        self.text(location)?;
        (self.text(kind)? == "storage").then_some(())?;
        let count = self.number(count)?;
        Some(StorageName { key: self.text(key)?, element: (element, size), count, view })
    }

    pub(super) fn text(&self, id: Id) -> Option<&'p str> {
        match *self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, id: Id) -> Option<usize> {
        match *self.node(id) {
            Node::Int(value) => usize::try_from(value).ok(),
            _ => None,
        }
    }

    fn items(&self, id: Id) -> Result<&[Id], String> {
        match self.node(id) {
            Node::Tuple(items) => Ok(items),
            _ => Err("its description is damaged".to_owned()),
        }
    }

    fn numbers(&self, id: Id) -> Result<Vec<usize>, String> {
        let items = match self.node(id) {
            Node::Tuple(items) | Node::List(items) => items,
            _ => return Err("its description is damaged".to_owned()),
        };
        if items.len() > MAX_DIMS {
            return Err(format!("it has {} axes", items.len()));
        }
        let numbers: Option<Vec<usize>> = items.iter().map(|&id| self.number(id)).collect();
        numbers.ok_or_else(|| "its shape or strides are not numbers".to_owned())
    }

    /// What the file is, if it holds no model.
    pub(super) fn about(&self, dicts: &[Dict]) -> String {
        let some = |names: &mut dyn Iterator<Item = &str>| {
            let names: Vec<String> = names.take(4).map(|name| name.chars().take(60).collect()).collect();
            names.join(", ").escape_debug().to_string()
        };
        if let Node::Object(_) = self.node(self.root()) {
            let kind = self.kind(self.root());
            return format!("it is {kind}, pickled whole; save its state_dict() in its place");
        }
        let is_tensor = |id: Id| matches!(self.node(id), Node::Call(..));
        if let Some(root) = dicts.first().filter(|root| root.path.is_empty()) {
            let has = |key: &str| root.entries.iter().any(|(name, _)| *name == key);
            if has("state") && has("param_groups") {
                return "it is the state of an optimizer".to_owned();
            }
        }
        if let Some(dict) = dicts.iter().find(|dict| dict.entries.iter().any(|(_, id)| is_tensor(*id))) {
            let names = || dict.entries.iter().filter(|(_, id)| is_tensor(*id)).map(|(name, _)| *name);
            if let Some(advice) = advice::of(names()) {
                return advice.to_owned();
            }
            return format!("it holds tensors of another model, such as {}", some(&mut names()));
        }
        // Some scripts save the model itself and not its tensors.
        let modules = dicts.iter().flat_map(|dict| &dict.entries).filter(|(name, _)| MODELS.contains(name));
        for &(name, id) in modules {
            if let Node::Object(_) = self.node(id) {
                let kind = self.kind(id);
                return format!("its {name} is {kind}, pickled whole; save its state_dict() in its place");
            }
        }
        match dicts.first() {
            Some(root) => {
                format!("it holds the keys {}", some(&mut root.entries.iter().map(|(name, _)| *name)))
            }
            None if matches!(self.node(self.root()), Node::Dict(_)) => "it holds an empty dict".to_owned(),
            None => format!("it holds {}", self.kind(self.root())),
        }
    }
}
