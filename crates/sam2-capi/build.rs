//! The name under which programs look for the shared library. Its number is SAM2_ABI_VERSION.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsam2.so.1");
    }
}
