//! The instruction sets that exist, those of the host, and the entry into one.

use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512, Avx512Vnni, AvxVnni};
use super::{Dot, DotOp, F32s, FloatsOf, Portable, Simd, SimdOp, TileOp, Tuning};
#[cfg(target_arch = "aarch64")]
use super::{Dotprod, I8mm, Neon};

/// An instruction set that the host has. Ordered from the slowest to the fastest.
///
/// ```
/// use kernels::Isa;
///
/// let names: Vec<_> = Isa::available().iter().map(Isa::name).collect();
/// assert_eq!(names[0], "portable");
/// assert!(names.contains(&Isa::best().name()));
/// assert!(Isa::known().len() >= names.len()); // those of the architecture, whether the host has them or not
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Isa {
    /// `wide`: whatever the compilation target guarantees (SSE2 on x86-64, NEON on AArch64).
    Portable(Portable),
    /// NEON, which every AArch64 has.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// NEON with dot products of bytes.
    #[cfg(target_arch = "aarch64")]
    Dotprod(Dotprod),
    /// NEON with products of matrices of bytes.
    #[cfg(target_arch = "aarch64")]
    I8mm(I8mm),
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// The same with integer products of VNNI: processors without AVX-512.
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    /// 512-bit vectors (F, BW, DQ, VL), with VNNI where the host has it.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// An instruction set of this architecture, whether the host has it or not.
#[derive(Clone, Copy, Debug)]
pub struct KnownIsa {
    /// Its name in `SAM2_ISA`.
    pub name: &'static str,
    /// The features that it requires, as `is_x86_feature_detected!` and `is_aarch64_feature_detected!` name
    /// them.
    pub features: &'static [&'static str],
    /// The instruction set, if the host has every feature.
    pub isa: Option<Isa>,
}

/// `SAM2_ISA` names an instruction set that does not exist or that the host lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa {
    /// The value of `SAM2_ISA`.
    pub wanted: String,
    /// The names of the host's instruction sets.
    pub available: Vec<&'static str>,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SAM2_ISA={}: this machine has no such instruction set; use one of: {}",
            self.wanted,
            self.available.join(", ")
        )
    }
}

impl std::error::Error for UnknownIsa {}

impl Isa {
    /// Every instruction set of this architecture, slowest first.
    pub fn known() -> Vec<KnownIsa> {
        let portable = Some(Isa::Portable(Portable));
        vec![
            KnownIsa { name: Portable::NAME, features: &[], isa: portable },
            #[cfg(target_arch = "aarch64")]
            KnownIsa { name: Neon::NAME, features: Neon::FEATURES, isa: Neon::detect().map(Isa::Neon) },
            #[cfg(target_arch = "aarch64")]
            KnownIsa {
                name: Dotprod::NAME,
                features: Dotprod::FEATURES,
                isa: Neon::detect().and_then(Dotprod::detect).map(Isa::Dotprod),
            },
            #[cfg(target_arch = "aarch64")]
            KnownIsa {
                name: I8mm::NAME,
                features: I8mm::FEATURES,
                isa: Neon::detect().and_then(I8mm::detect).map(Isa::I8mm),
            },
            #[cfg(target_arch = "x86_64")]
            KnownIsa { name: Avx2::NAME, features: Avx2::FEATURES, isa: Avx2::detect().map(Isa::Avx2) },
            #[cfg(target_arch = "x86_64")]
            KnownIsa {
                name: AvxVnni::NAME,
                features: AvxVnni::FEATURES,
                isa: Avx2::detect().and_then(AvxVnni::detect).map(Isa::AvxVnni),
            },
            #[cfg(target_arch = "x86_64")]
            KnownIsa {
                name: Avx512::NAME,
                features: Avx512::FEATURES,
                isa: Avx512::detect().map(Isa::Avx512),
            },
        ]
    }

    /// The instruction sets of the host, slowest first.
    pub fn available() -> Vec<Isa> {
        Self::known().into_iter().filter_map(|known| known.isa).collect()
    }

    /// The instruction set that `SAM2_ISA` names, else the fastest.
    ///
    /// # Errors
    /// If `SAM2_ISA` is set and the host has no instruction set of that name.
    pub fn from_env() -> Result<Isa, UnknownIsa> {
        let all = Self::available();
        match std::env::var("SAM2_ISA") {
            Ok(wanted) => {
                let available = all.iter().map(Isa::name).collect();
                all.into_iter().find(|isa| isa.name() == wanted).ok_or(UnknownIsa { wanted, available })
            }
            Err(_) => Ok(all[all.len() - 1]),
        }
    }

    /// [`Isa::from_env`], or the fastest if that fails. Decided once per process.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            Self::from_env().unwrap_or_else(|_| {
                *Self::available().last().expect("the portable instruction set is always available")
            })
        })
    }

    /// `portable`, `avx2`, `avxvnni`, `avx512`, `neon`, `dotprod` or `i8mm`.
    pub fn name(&self) -> &'static str {
        match self {
            Isa::Portable(_) => Portable::NAME,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => Neon::NAME,
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(_) => Dotprod::NAME,
            #[cfg(target_arch = "aarch64")]
            Isa::I8mm(_) => I8mm::NAME,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => Avx2::NAME,
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(_) => AvxVnni::NAME,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => Avx512::NAME,
        }
    }

    /// Sizes and choices of the kernels for this instruction set.
    pub fn tuning(self) -> &'static Tuning {
        match self {
            Isa::Portable(_) => &Portable::TUNING,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) | Isa::Dotprod(_) | Isa::I8mm(_) => Neon::tuning(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) | Isa::AvxVnni(_) => &Avx2::TUNING,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => &Avx512::TUNING,
        }
    }

    /// The features that the gateways of this instruction set enable beyond those of the compilation target.
    pub fn enabled(self) -> Vec<&'static str> {
        match self {
            Isa::Portable(_) => Vec::new(),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(s) => s.enabled(),
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(s) => s.enabled(),
            #[cfg(target_arch = "aarch64")]
            Isa::I8mm(s) => s.enabled(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.enabled(),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(s) => s.enabled(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => s.enabled(),
        }
    }

    /// Runs `op` with this instruction set. Call it inside a parallel task, not around one.
    #[inline]
    pub fn dispatch<O: SimdOp>(self, op: O) -> O::Output {
        match self {
            Isa::Portable(s) => s.run(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(s) => s.run(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(s) => s.neon().run(op),
            #[cfg(target_arch = "aarch64")]
            Isa::I8mm(s) => s.neon().run(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.run(op),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(s) => s.avx2().run(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => s.run(op),
        }
    }

    /// As [`Isa::dispatch`], with the register tile of this instruction set.
    #[inline]
    pub fn dispatch_tiled<O: TileOp>(self, op: O) -> O::Output {
        match self {
            Isa::Portable(s) => s.run_tiled(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(s) => s.run_tiled(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(s) => s.neon().run_tiled(op),
            #[cfg(target_arch = "aarch64")]
            Isa::I8mm(s) => s.neon().run_tiled(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.run_tiled(op),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(s) => s.avx2().run_tiled(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => s.run_tiled(op),
        }
    }

    /// Runs `op` with the integer dot products of this instruction set. AVX-512 without VNNI uses those of
    /// AVX2.
    #[inline]
    pub fn dispatch_dots<O: DotOp>(self, op: O) -> O::Output {
        match self {
            Isa::Portable(s) => s.run_dots(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(s) => s.run_dots(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(s) => s.run_dots(op),
            #[cfg(target_arch = "aarch64")]
            Isa::I8mm(s) => s.run_dots(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.run_dots(op),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(s) => s.run_dots(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => match Avx512Vnni::detect(s) {
                Some(s) => s.run_dots(op),
                None => Avx2::detect().expect("AVX-512 includes AVX2, FMA and F16C").run_dots(op),
            },
        }
    }

    /// Rows and columns of the register tile of floats, `(MR, NR)`.
    pub fn tile_shape(self) -> (usize, usize) {
        struct Shape;
        impl TileOp for Shape {
            type Output = (usize, usize);
            #[inline(always)]
            fn eval<S: Simd, const MR: usize, const NV: usize>(self, _: S) -> (usize, usize) {
                (MR, NV * S::F32::LANES)
            }
        }
        self.dispatch_tiled(Shape)
    }

    /// Rows and columns of the register tile of 32-bit sums.
    pub fn dot_tile_shape(self) -> (usize, usize) {
        struct Shape;
        impl DotOp for Shape {
            type Output = (usize, usize);
            #[inline(always)]
            fn eval<D: Dot, const MR: usize, const NV: usize>(self, _: D) -> (usize, usize) {
                (MR, NV * FloatsOf::<D>::LANES)
            }
        }
        self.dispatch_dots(Shape)
    }

    /// Whether an instruction multiplies pairs of bf16 numbers: [`F32s::tile_of_pairs`].
    pub(crate) fn multiplies_bf16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "aarch64")]
            Isa::I8mm(_) => std::arch::is_aarch64_feature_detected!("bf16"),
            _ => false,
        }
    }

    /// Whether products of bf16 numbers are those of matrices of 2×4 and 4×2 numbers, which have an order of
    /// sums and a rounding of their own: `bfmmla`. All others are one chain of sums.
    pub fn bf16_by_matrices(self) -> bool {
        cfg!(target_arch = "aarch64") && self.multiplies_bf16()
    }

    /// Whether an instruction multiplies eight numbers in half precision: [`F32s::tile_of_halves`]. Not for
    /// NEON alone: there the results are those of every AArch64.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn multiplies_halves(self) -> bool {
        matches!(self, Isa::Dotprod(_) | Isa::I8mm(_)) && std::arch::is_aarch64_feature_detected!("fp16")
    }

    /// Bytes per group of the right operand: [`Dot::GROUP`].
    pub(crate) fn dot_group(self) -> usize {
        struct Group;
        impl DotOp for Group {
            type Output = usize;
            #[inline(always)]
            fn eval<D: Dot, const MR: usize, const NV: usize>(self, _: D) -> usize {
                D::GROUP
            }
        }
        self.dispatch_dots(Group)
    }
}
