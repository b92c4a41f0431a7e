//! The table of published checkpoints.

/// A published checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Name of its file, without an extension.
    pub name: &'static str,
    /// Other names of it, in lower case, with `_` in place of `-`.
    pub short: &'static [&'static str],
    /// Its repository at Hugging Face.
    pub repository: &'static str,
    /// Address of its file.
    pub address: &'static str,
}

/// A checkpoint of Meta: size of SAM 2.1 or 2, and its other names.
macro_rules! meta {
    ($folder:literal, $version:literal, $file:literal, $hub:literal, $short:expr) => {
        Published {
            name: concat!($version, "_hiera_", $file),
            short: $short,
            repository: concat!("facebook/", $version, "-hiera-", $hub),
            address: concat!(
                "https://dl.fbaipublicfiles.com/segment_anything_2/",
                $folder,
                "/",
                $version,
                "_hiera_",
                $file,
                ".pt"
            ),
        }
    };
}

/// A checkpoint of EfficientTAM; all are in one repository.
macro_rules! efficienttam {
    ($name:literal) => {
        Published {
            name: $name,
            short: &[],
            repository: "yunyangx/efficient-track-anything",
            address: concat!(
                "https://huggingface.co/yunyangx/efficient-track-anything/resolve/main/",
                $name,
                ".pt"
            ),
        }
    };
}

/// All of them. A short name is that of one row only.
pub const ALL: &[Published] = &[
    meta!("092824", "sam2.1", "tiny", "tiny", &["tiny", "t", "sam2.1_hiera_t"]),
    meta!("092824", "sam2.1", "small", "small", &["small", "s", "sam2.1_hiera_s"]),
    meta!(
        "092824",
        "sam2.1",
        "base_plus",
        "base-plus",
        &["base+", "base_plus", "base", "b+", "sam2.1_hiera_b+", "sam2.1_hiera_base+"]
    ),
    meta!("092824", "sam2.1", "large", "large", &["large", "l", "sam2.1_hiera_l"]),
    meta!("072824", "sam2", "tiny", "tiny", &["sam2_hiera_t"]),
    meta!("072824", "sam2", "small", "small", &["sam2_hiera_s"]),
    meta!("072824", "sam2", "base_plus", "base-plus", &["sam2_hiera_b+", "sam2_hiera_base+"]),
    meta!("072824", "sam2", "large", "large", &["sam2_hiera_l"]),
    Published {
        name: "edgetam",
        short: &[],
        repository: "facebook/EdgeTAM",
        address: "https://github.com/facebookresearch/EdgeTAM/raw/main/checkpoints/edgetam.pt",
    },
    efficienttam!("efficienttam_ti_512x512"),
    efficienttam!("efficienttam_s_512x512"),
    efficienttam!("efficienttam_ti"),
    efficienttam!("efficienttam_ti_1"),
    efficienttam!("efficienttam_ti_2"),
    efficienttam!("efficienttam_s"),
    efficienttam!("efficienttam_s_1"),
    efficienttam!("efficienttam_s_2"),
];

impl Published {
    /// Whether its repository has other checkpoints of the table, so that its name means none of them.
    pub(super) fn shares_its_repository(&self) -> bool {
        ALL.iter().filter(|row| row.repository == self.repository).count() > 1
    }
}

/// The checkpoint that this name means: that of its file, with or without extension, of its repository, or a
/// short one; upper case and `-` do not matter.
pub fn named(name: &str) -> Option<&'static Published> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let name = plain(name);
    let stem = name.strip_suffix(".pt").or_else(|| name.strip_suffix(".safetensors")).unwrap_or(&name);
    ALL.iter().find(|row| {
        let (owner, repository) = row.repository.split_once('/').unwrap_or(("", row.repository));
        let repository = plain(repository);
        let named = stem == repository || name == format!("{}/{repository}", plain(owner));
        stem == row.name || row.short.contains(&stem) || named && !row.shares_its_repository()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_name_means_one_checkpoint() {
        for (name, expected) in [
            ("tiny", "sam2.1_hiera_tiny"),
            ("Tiny", "sam2.1_hiera_tiny"),
            ("base+", "sam2.1_hiera_base_plus"),
            ("base-plus", "sam2.1_hiera_base_plus"),
            ("facebook/sam2.1-hiera-large", "sam2.1_hiera_large"),
            ("sam2.1-hiera-base-plus", "sam2.1_hiera_base_plus"),
            ("sam2.1_hiera_small.pt", "sam2.1_hiera_small"),
            ("sam2.1_hiera_b+", "sam2.1_hiera_base_plus"),
            ("facebook/sam2-hiera-tiny", "sam2_hiera_tiny"),
            ("sam2_hiera_l", "sam2_hiera_large"),
            ("EdgeTAM", "edgetam"),
            ("facebook/EdgeTAM", "edgetam"),
            ("efficienttam_ti_512x512", "efficienttam_ti_512x512"),
            ("efficienttam-s-1.pt", "efficienttam_s_1"),
        ] {
            assert_eq!(named(name).map(|row| row.name), Some(expected), "{name}");
        }
        // A repository of several checkpoints is none of them.
        let several = ["yunyangx/efficient-track-anything", "efficient_track_anything"];
        let wrong = ["", "huge", "someone/sam2.1-hiera-tiny", "tiny.onnx", "./tiny", "efficienttam"];
        for other in wrong.into_iter().chain(several) {
            assert_eq!(named(other), None, "{other}");
        }
        for row in ALL {
            let repository = Some(row.repository).filter(|_| !row.shares_its_repository());
            for name in row.short.iter().copied().chain([row.name]).chain(repository) {
                assert_eq!(named(name), Some(row), "{name} is of one row");
            }
            assert!(row.address.ends_with(&format!("/{}.pt", row.name)), "{}", row.address);
        }
    }
}
