//! The suites run every instruction set the host has; here is the proof that it is not just one.

use kernels::{Isa, peak};

#[test]
fn portable_is_always_first_and_names_are_unique() {
    let names: Vec<_> = Isa::available().iter().map(Isa::name).collect();
    assert_eq!(names[0], "portable");
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(names, unique);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn hosts_with_avx512_list_three_instruction_sets() {
    let names: Vec<_> = Isa::available().iter().map(Isa::name).collect();
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        assert!(names.len() >= 3, "{names:?}");
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        assert!(names.len() >= 2, "{names:?}");
    }
}

#[cfg(target_arch = "aarch64")]
#[test]
fn hosts_with_products_of_bytes_list_them() {
    let names: Vec<_> = Isa::available().iter().map(Isa::name).collect();
    assert_eq!(names.contains(&"dotprod"), std::arch::is_aarch64_feature_detected!("dotprod"), "{names:?}");
}

/// `SAM2_REQUIRE_ISA` names what a test machine must have, so that a suite cannot pass by testing less.
#[test]
fn required_instruction_set_is_available() {
    if let Ok(required) = std::env::var("SAM2_REQUIRE_ISA") {
        let names: Vec<_> = Isa::available().iter().map(Isa::name).collect();
        assert!(names.contains(&required.as_str()), "SAM2_REQUIRE_ISA={required}, host has {names:?}");
    }
}

#[test]
fn register_tiles_are_whole_vectors() {
    for isa in Isa::available() {
        let (rows, columns) = isa.tile_shape();
        assert!(rows >= 1 && columns.is_multiple_of(8), "{}: {rows}×{columns}", isa.name());
        let dots = isa.dot_tile_shape();
        assert!(columns.is_multiple_of(dots.1), "{}: {columns} columns of floats, {dots:?} sums", isa.name());
    }
}

#[test]
fn every_instruction_set_has_a_peak() {
    for isa in Isa::available() {
        assert!(peak::multiply_adds(isa) > 1e6 && peak::byte_products(isa) > 1e6, "{}", isa.name());
    }
}
