//! Memory policies: which memories an object's frames attend to, and which of several masks is the object.
//! One policy per object, chosen by name. `sam2` is Meta's; the others select other inputs of the same
//! network.

mod candidates;
mod custom;
mod dam4sam;
mod interface;
mod kalman;
mod sam2;
mod sam2long;
mod samurai;

use std::str::FromStr;

pub(crate) use candidates::{Candidates, HypothesisMasks, Selection};
pub(crate) use custom::CustomPolicies;
pub use custom::{History, MaskCandidates, MemoryPolicy as CustomPolicy, TrackedFrame};
pub(crate) use interface::MemoryPolicy;
#[cfg(feature = "inspect")]
pub(crate) use kalman::Kalman;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Names of the memory policies.
///
/// ```
/// use sam2_model::video::MemoryPolicyKind;
///
/// assert_eq!("samurai".parse(), Ok(MemoryPolicyKind::Samurai));
/// let names: Vec<_> = MemoryPolicyKind::ALL.into_iter().map(MemoryPolicyKind::name).collect();
/// assert_eq!(names, ["sam2", "samurai", "dam4sam", "sam2long"]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryPolicyKind {
    /// The six last frames. Meta: `sam2/modeling/sam2_base.py`.
    #[default]
    Sam2,
    /// Selects masks with a motion model; frames with uncertain masks do not become memories. arXiv
    /// 2411.11922.
    Samurai,
    /// Frames on which the object was distinguished from a distractor are kept longer. arXiv
    /// 2411.17576, 2509.13864.
    Dam4sam,
    /// Tracks three hypotheses in parallel. arXiv 2410.16268.
    Sam2long,
}

impl MemoryPolicyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sam2, Self::Samurai, Self::Dam4sam, Self::Sam2long];

    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sam2 => "sam2",
            Self::Samurai => "samurai",
            Self::Dam4sam => "dam4sam",
            Self::Sam2long => "sam2long",
        }
    }

    /// A policy for one object.
    pub(crate) fn create(self, config: &Config) -> Box<dyn MemoryPolicy> {
        match self {
            Self::Sam2 => Box::new(sam2::Sam2),
            Self::Samurai => Box::new(samurai::Samurai::new(config.samurai)),
            Self::Dam4sam => Box::new(dam4sam::Dam4sam::default()),
            Self::Sam2long => Box::new(sam2long::Sam2long),
        }
    }
}

impl FromStr for MemoryPolicyKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("unknown memory policy {name}: expected one of {}", names()))
    }
}
