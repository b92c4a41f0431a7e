//! PyTorch's `.pt` files: a zip archive of a pickle and of the storages that it refers to, as `torch.save`
//! writes it.

use super::legacy;
use super::pickle::{MAX_LEN, Pickle};
use super::values::{Dict, Storages, listing};
use super::zip::Archive;
use crate::weights::fault::Fault;
use crate::weights::locate::EXTENSIONS;
use crate::weights::select::{Listing, has_model, unwrapped};
use crate::weights::source::{Part, Source};
use crate::weights::text::quoted;

/// Whether a file that begins so is one of `torch.save`, in the current or the previous format.
pub(in crate::weights) fn recognised(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || legacy::recognised(start)
}

/// The dicts that may be a model, and the configuration text, if there is one; of a part of a checkpoint all
/// tensors that are under no key.
pub(in crate::weights) fn read(source: Source<'_>, is_part: bool) -> Result<Listing<'_>, Fault> {
    read_dicts(source, &|dict| {
        if is_part && dict.path.is_empty() {
            return true;
        }
        let names: Vec<_> = dict.entries.iter().map(|(name, _)| unwrapped(name)).collect();
        has_model(names.iter().map(|name| &**name))
    })
}

/// As [`read`], of the dicts that are `wanted`.
pub(super) fn read_dicts<'a>(
    source: Source<'a>,
    wanted: &dyn Fn(&Dict) -> bool,
) -> Result<Listing<'a>, Fault> {
    if legacy::recognised(&source.start(legacy::START)?) {
        return legacy::read(source, wanted);
    }
    let archive = Archive::parse(source)?;
    if archive.names().any(|name| name.ends_with("/constants.pkl")) {
        let found = "it is a TorchScript program (torch.jit.save); save the state_dict() of its model";
        return Err(Fault::Foreign(found.to_owned()));
    }
    // A file that was unpacked and packed again may lack its folder, or be in another one.
    let folders = archive.names().filter_map(|name| name.strip_suffix("data.pkl"));
    let mut folders = folders.filter(|folder| folder.is_empty() || folder.ends_with('/'));
    let Some(folder) = folders.next() else {
        return Err(Fault::Foreign(if archive.names().any(|name| name.ends_with(".npy")) {
            "it is an archive of NumPy arrays (.npz)".to_owned()
        } else if let Some(inner) = archive.names().find(|name| is_checkpoint(name)) {
            format!("it is a zip archive in which {} is; unpack it", quoted(inner))
        } else {
            "it is a zip archive without data.pkl, so torch.save did not write it".to_owned()
        }));
    };
    if folders.next().is_some() {
        return Err("it has more than one data.pkl".into());
    }
    let small = |name: &str, limit: usize| -> Result<Option<Vec<u8>>, Fault> {
        let part = archive.get(&format!("{folder}{name}"))?;
        if let Some(len) = part.map(|part| part.len).filter(|&len| len > limit) {
            return Err(Fault::Foreign(format!("its {name} has {len} bytes, more than any checkpoint's")));
        }
        Ok(part.map(Part::read).transpose()?.map(std::borrow::Cow::into_owned))
    };
    let big_endian = match small("byteorder", 64)? {
        Some(order) if order.trim_ascii() == b"big" => true,
        Some(order) if order.trim_ascii() != b"little" => {
            return Err("its byteorder is neither little nor big".into());
        }
        _ => false,
    };
    let bytes = small("data.pkl", MAX_LEN)?.ok_or("it has no data.pkl")?;
    let pickle = Pickle::parse(&bytes)?;
    listing(&pickle, wanted, &Zipped { archive: &archive, folder, big_endian })
}

/// Whether a file in an archive is a checkpoint by its name.
fn is_checkpoint(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// The storages of a zip archive.
struct Zipped<'r, 'a> {
    archive: &'r Archive<'a>,
    /// With its slash.
    folder: &'r str,
    big_endian: bool,
}

impl<'a> Storages<'a> for Zipped<'_, 'a> {
    fn get(&self, key: &str) -> Result<Option<Part<'a>>, Fault> {
        self.archive.get(&format!("{}data/{key}", self.folder))
    }

    fn big_endian(&self) -> bool {
        self.big_endian
    }
}
