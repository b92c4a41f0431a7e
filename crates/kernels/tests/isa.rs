//! The suites run every instruction set of the host. These tests check which those are, and that an
//! instruction set's features, its detection and its gateways agree.

#[macro_use]
mod common;

use kernels::gemm::KC;
use kernels::simd::{Simd, SimdOp};
use kernels::{Isa, peak};

on_every_isa! {
    gateways_enable_the_listed_features,
    register_tiles_are_whole_vectors,
    tuning_fits_the_kernels,
    peaks_are_measured,
    a_name_finds_its_instruction_set,
}

/// Whether the host has a feature, independently of the lists of the instruction sets.
fn host_has(feature: &str) -> bool {
    #[cfg(target_arch = "x86_64")]
    return match feature {
        "avx2" => is_x86_feature_detected!("avx2"),
        "fma" => is_x86_feature_detected!("fma"),
        "f16c" => is_x86_feature_detected!("f16c"),
        "avxvnni" => is_x86_feature_detected!("avxvnni"),
        "avx512f" => is_x86_feature_detected!("avx512f"),
        "avx512bw" => is_x86_feature_detected!("avx512bw"),
        "avx512dq" => is_x86_feature_detected!("avx512dq"),
        "avx512vl" => is_x86_feature_detected!("avx512vl"),
        other => panic!("add {other} to this list"),
    };
    #[cfg(target_arch = "aarch64")]
    return match feature {
        "neon" => std::arch::is_aarch64_feature_detected!("neon"),
        "dotprod" => std::arch::is_aarch64_feature_detected!("dotprod"),
        "i8mm" => std::arch::is_aarch64_feature_detected!("i8mm"),
        other => panic!("add {other} to this list"),
    };
    #[allow(unreachable_code)]
    {
        panic!("{feature}: this architecture has no optional features")
    }
}

#[test]
fn an_instruction_set_is_available_where_the_host_has_its_features() {
    for known in Isa::known() {
        let has_all = known.features.iter().all(|feature| host_has(feature));
        assert_eq!(known.isa.is_some(), has_all, "{}: {:?}", known.name, known.features);
        assert!(known.isa.is_none_or(|isa| isa.name() == known.name), "{}", known.name);
    }
}

#[test]
fn every_known_instruction_set_has_tests() {
    let known: Vec<_> = Isa::known().iter().map(|known| known.name).collect();
    assert_eq!(known, common::TESTED);
    assert_eq!(known[0], "portable");
}

/// `SAM2_REQUIRE_ISA` names an instruction set that a test machine must have, so that a suite cannot pass by
/// testing less.
#[test]
fn required_instruction_set_is_available() {
    if let Ok(required) = std::env::var("SAM2_REQUIRE_ISA") {
        let names: Vec<_> = Isa::available().iter().map(Isa::name).collect();
        assert!(names.contains(&required.as_str()), "SAM2_REQUIRE_ISA={required}, host has {names:?}");
    }
}

/// An operation that needs nothing.
struct Nothing;

impl SimdOp for Nothing {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) {}
}

fn gateways_enable_the_listed_features(isa: Isa) {
    isa.dispatch(Nothing);
    let known = Isa::known().into_iter().find(|known| known.name == isa.name()).expect("it is known");
    assert_eq!(isa.enabled(), known.features);
}

fn register_tiles_are_whole_vectors(isa: Isa) {
    let (rows, columns) = isa.tile_shape();
    assert!(rows >= 1 && columns.is_multiple_of(8), "{rows}×{columns}");
    let dots = isa.dot_tile_shape();
    assert!(columns.is_multiple_of(dots.1), "{columns} columns of floats, {dots:?} sums");
}

fn tuning_fits_the_kernels(isa: Isa) {
    let tuning = isa.tuning();
    let (rows, columns) = isa.tile_shape();
    assert!((rows..=216).contains(&tuning.gemm.mc) && tuning.gemm.kc == KC, "{tuning:?}");
    assert!(tuning.grid_queries >= columns && tuning.grid_queries_i16 >= columns, "{tuning:?}");
    assert!(tuning.grid_strip != Some(0), "{tuning:?}");
}

/// Rows of a block of `A`, queries and strips of attention over grids, from the caches of known boards.
#[cfg(target_arch = "aarch64")]
#[test]
fn block_sizes_follow_the_caches() {
    use kernels::simd::{Caches, Neon};

    for (name, sizes, rows, queries, strip) in [
        ("Raspberry Pi 5", "512K,2M", 112, 48, 16),
        ("Raspberry Pi 4, a quarter of 1 MB", "256K,1M", 56, 48, 16),
        ("RK3588, its small cores", "128K,3M", 40, 48, 16),
        ("Orin Nano", "256K,4M", 56, 48, 16),
        ("Graviton 2", "1M,32M", 216, 96, 4),
    ] {
        let caches = Caches::parse(sizes).expect("two sizes");
        let tuning = Neon::tuning_for(caches);
        let chosen = (tuning.gemm.mc, tuning.grid_queries, tuning.grid_strip);
        assert_eq!(chosen, (rows, queries, Some(strip)), "{name}");
    }
    for damaged in ["", "512K", "512K,", "0,2M", "x,2M", "512K,99999999999999999999M"] {
        assert_eq!(Caches::parse(damaged), None, "{damaged:?}");
    }
}

/// A folder as Linux has it on a board with 1 MB of L2 for four cores and no third level.
#[cfg(target_arch = "aarch64")]
#[test]
fn caches_are_read_from_the_system() {
    use kernels::simd::Caches;

    let folder = std::env::temp_dir().join(format!("sam2-caches-{}", std::process::id()));
    for (index, level, size, sharing) in [(0, 1, "32K", "0"), (1, 1, "48K", "0"), (2, 2, "1024K", "0-3")] {
        let cache = folder.join(format!("index{index}"));
        std::fs::create_dir_all(&cache).expect("a folder");
        for (name, text) in
            [("level", level.to_string()), ("size", size.into()), ("shared_cpu_list", sharing.into())]
        {
            std::fs::write(cache.join(name), text + "\n").expect("a file");
        }
    }
    assert_eq!(Caches::reported(&folder), Some(Caches { l2: 256 << 10, last: 1 << 20 }));
    std::fs::remove_dir_all(&folder).expect("the folder goes");
    assert_eq!(Caches::reported(&folder), None);
}

fn peaks_are_measured(isa: Isa) {
    assert!(peak::multiply_adds(isa) > 1e6 && peak::byte_products(isa) > 1e6);
}

fn a_name_finds_its_instruction_set(isa: Isa) {
    assert!(Isa::available().iter().any(|other| other.name() == isa.name()));
    assert_eq!(isa.name(), isa.name().to_lowercase());
}
