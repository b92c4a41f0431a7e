//! `include/sam2.h` is what cbindgen makes of the crate.

use std::path::Path;

#[test]
fn the_committed_header_is_that_of_the_crate() {
    let folder = &Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sam2-capi");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("cbindgen.toml");
    let bindings = cbindgen::Builder::new().with_crate(folder).with_config(config).generate();
    let mut made = Vec::new();
    bindings.expect("the crate is read").write(&mut made);
    let made = String::from_utf8(made).expect("UTF-8");
    let path = folder.join("include/sam2.h");
    if std::env::var_os("SAM2_UPDATE_HEADER").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let committed = std::fs::read_to_string(&path).expect("include/sam2.h");
    let command = "SAM2_UPDATE_HEADER=1 cargo test -p sam2-tests --test capi header";
    assert!(committed == made, "include/sam2.h is out of date: {command}");
}
