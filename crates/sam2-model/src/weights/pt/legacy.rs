//! The format of `torch.save` before PyTorch 1.6, which it still writes on request: pickles of a magic
//! number, of a version, of facts about the machine, of the objects, and of the keys of the storages; then
//! the storages, each behind its number of elements. Storages are little-endian on every machine.

use std::collections::HashMap;

use super::pickle::{Id, MAX_LEN, Node, Pickle};
use super::values::{Dict, Storages, listing};
use crate::weights::fault::Fault;
use crate::weights::select::Listing;
use crate::weights::source::{Part, Source};
use crate::weights::text::quoted;

/// The magic number as `LONG1`, which is among the first bytes from protocol 2 on, and as a line.
const MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19";
const MAGIC_LINE: &[u8] = b"L119547037146038801333356L\n";
/// Number of bytes that [`recognised`] looks at.
pub(super) const START: usize = 32;
/// Bytes in which the pickles are looked for first. Then four times as many, until they are whole.
const FIRST_WINDOW: usize = 1 << 20;
/// The one version.
const VERSION: i64 = 1001;

/// Whether a file begins so.
pub(super) fn recognised(start: &[u8]) -> bool {
    let start = &start[..start.len().min(START)];
    start.starts_with(MAGIC_LINE) || start.windows(MAGIC.len()).any(|window| window == MAGIC)
}

/// The `wanted` dicts of a file.
pub(super) fn read<'a>(source: Source<'a>, wanted: &dyn Fn(&Dict) -> bool) -> Result<Listing<'a>, Fault> {
    let mut window = FIRST_WINDOW;
    loop {
        let bytes = source.start(window)?;
        match Pickles::parse(&bytes) {
            Ok(pickles) => {
                let storages = pickles.storages(source)?;
                return listing(&pickles.objects, wanted, &Parts(storages));
            }
            Err(Failure { is_cut: true, .. }) if (bytes.len() as u64) < source.len() && window < MAX_LEN => {
                window *= 4;
            }
            Err(failure) => return Err(failure.fault),
        }
    }
}

struct Failure {
    fault: Fault,
    is_cut: bool,
}

struct Pickles<'b> {
    objects: Pickle<'b>,
    keys: Pickle<'b>,
    /// Bytes of all pickles.
    len: usize,
}

impl<'b> Pickles<'b> {
    fn parse(bytes: &'b [u8]) -> Result<Self, Failure> {
        let mut len = 0;
        let mut next = || {
            let (pickle, used) = Pickle::parse_first(&bytes[len..])
                .map_err(|e| Failure { fault: e.fault, is_cut: e.is_cut })?;
            len += used;
            Ok(pickle)
        };
        let _magic = next()?;
        let version = next()?;
        if !matches!(version.node(version.root()), Node::Int(VERSION)) {
            let fault = Fault::Foreign("PyTorch before 0.2 wrote it; save it again with PyTorch".to_owned());
            return Err(Failure { fault, is_cut: false });
        }
        let _machine = next()?;
        let (objects, keys) = (next()?, next()?);
        Ok(Self { objects, keys, len })
    }

    /// Where each storage is.
    fn storages<'a>(&self, source: Source<'a>) -> Result<HashMap<String, Part<'a>>, Fault> {
        let mut sizes = HashMap::new();
        for (id, node) in (0..).zip(self.objects.nodes()) {
            if let Node::Persistent(_) = node
                && let Some(name) = self.objects.storage_name(id as Id)
                && sizes.insert(name.key, name.element.1).is_some_and(|size| size != name.element.1)
            {
                return Err(format!("its storage {} has two types", quoted(name.key)).into());
            }
        }
        let Node::List(keys) = self.keys.node(self.keys.root()) else {
            return Err("its list of storages is missing".into());
        };
        let mut at = self.len as u64;
        let mut parts = HashMap::new();
        for &key in keys {
            let key = self.keys.text(key).ok_or("the keys of its storages are not text")?;
            let size = *sizes.get(key).ok_or_else(|| format!("it never uses its storage {}", quoted(key)))?;
            let cut = || Fault::from(format!("its storage {} is cut short", quoted(key)));
            let mut count = [0; 8];
            source.part(at, 8).ok_or_else(cut)?.read_into(&mut count)?;
            let len = u64::from_le_bytes(count).checked_mul(size.into()).ok_or_else(cut)?;
            let part = source.part(at + 8, len).ok_or_else(cut)?;
            at += 8 + len;
            if parts.insert(key.to_owned(), part).is_some() {
                return Err(format!("its storage {} is there twice", quoted(key)).into());
            }
        }
        Ok(parts)
    }
}

struct Parts<'a>(HashMap<String, Part<'a>>);

impl<'a> Storages<'a> for Parts<'a> {
    fn get(&self, key: &str) -> Result<Option<Part<'a>>, Fault> {
        Ok(self.0.get(key).copied())
    }

    fn big_endian(&self) -> bool {
        false
    }
}
