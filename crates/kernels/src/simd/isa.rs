//! Which instruction sets exist, which the host has, and how one is entered.

use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::Dotprod;
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
use super::{Portable, Simd, SimdOp, TileOp};

/// An instruction set that the host has. Ordered from the floor to the fastest.
#[derive(Clone, Copy, Debug)]
pub enum Isa {
    /// `wide`: whatever the compilation target guarantees (SSE2 on x86-64, NEON on AArch64).
    Portable(Portable),
    /// NEON with products of bytes; floats are those of the floor.
    #[cfg(target_arch = "aarch64")]
    Dotprod(Dotprod),
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 512-bit vectors (F, BW, DQ, VL).
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// `SAM2_ISA` names an instruction set that does not exist or that this machine lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa {
    /// What was asked for.
    pub wanted: String,
    /// What can be had here.
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
    /// Every instruction set of this machine, slowest first.
    pub fn available() -> Vec<Isa> {
        let mut all = vec![Isa::Portable(Portable)];
        #[cfg(target_arch = "aarch64")]
        all.extend(Dotprod::detect().map(Isa::Dotprod));
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx2::detect().map(Isa::Avx2));
            all.extend(Avx512::detect().map(Isa::Avx512));
        }
        all
    }

    /// The one that `SAM2_ISA` names, else the fastest.
    ///
    /// # Errors
    /// If `SAM2_ISA` is set to something this machine does not have.
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

    /// `portable`, `avx2`, `avx512` or `dotprod`.
    pub fn name(&self) -> &'static str {
        match self {
            Isa::Portable(_) => "portable",
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(_) => "dotprod",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
        }
    }

    /// Runs `op` with this instruction set. Call it inside a parallel task, not around one.
    #[inline]
    pub fn dispatch<O: SimdOp>(self, op: O) -> O::Output {
        match self {
            Isa::Portable(s) => s.run(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(_) => Portable.run(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.run(op),
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
            Isa::Dotprod(_) => Portable.run_tiled(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.run_tiled(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => s.run_tiled(op),
        }
    }

    /// Rows and columns of its register tile, `(MR, NR)`.
    pub fn tile_shape(self) -> (usize, usize) {
        struct Shape;
        impl TileOp for Shape {
            type Output = (usize, usize);
            #[inline(always)]
            fn eval<S: Simd, const MR: usize, const NV: usize>(self, _: S) -> (usize, usize) {
                (MR, NV * <S::F32 as super::F32s>::LANES)
            }
        }
        self.dispatch_tiled(Shape)
    }
}
