//! `sam2 bench` over kernels: shapes of a model and of a file, rows, refusals.

use serde_json::{Value, json};

use crate::common::{Place, accepted, refused, run, sam2};

const SHAPES: &str = r#"{
    "gemm": [{"name": "mlp", "m": 17, "k": 24, "n": 33}, {"m": 8, "k": 8, "n": 8}],
    "attention": [{"heads": 2, "queries": 9, "keys": 12, "d": 16}],
    "conv": [{"height": 9, "width": 8, "inputs": 3, "outputs": 4, "kernel": 3, "stride": 2, "padding": 1}],
    "conv_transpose": [{"height": 3, "width": 4, "inputs": 8, "outputs": 4}],
    "depthwise": [{"height": 5, "width": 6, "channels": 8, "kernel": 3}]
}"#;

/// The rows of a document, as kernel, name, size and what computed it.
fn rows(document: &Value) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let row = |row: &Value| ["kernel", "name", "size", "by"].map(|key| text(&row[key]));
    document["rows"].as_array().expect("rows").iter().map(row).collect()
}

#[test]
fn kernels_of_a_file_become_rows() {
    let place = Place::new();
    let file = place.write("shapes.json", SHAPES);
    let command = ["bench", "--shapes", &file, "--repeat", "2", "--thread-counts", "2,1", "--json"];
    let output = sam2().args(command).env("SAM2_ISA", "portable").output().expect("sam2 starts");
    let document: Value = serde_json::from_str(&accepted(&output)).expect("JSON");
    assert_eq!((&document["isa"], &document["precision"]), (&json!("portable"), &json!("f32")));
    assert!(document["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{document}");
    let found = rows(&document);
    // On 1 and 2 threads, and of every product the baseline.
    assert_eq!(found.len(), 2 * 6 + 2);
    let row = |kernel: &str, name: &str, size: &str, by: &str| [kernel, name, size, by].map(str::to_owned);
    assert_eq!(found[0], row("gemm_f32", "mlp", "17x24x33", "portable"));
    assert_eq!(found[1], row("gemm_f32", "mlp", "17x24x33", "matrixmultiply"));
    assert!(found.contains(&row("attention_f32", "-", "1x2h_9x12_d16", "portable")));
    assert!(found.contains(&row("conv_f32", "-", "9x8_3to4_k3s2p1", "portable")));
    assert!(found.contains(&row("conv_transpose_f32", "-", "3x4_8to4", "portable")));
    assert!(found.contains(&row("depthwise_f32", "-", "5x6_8_k3", "portable")));
    for row in document["rows"].as_array().expect("rows") {
        let number = |key: &str| row[key].as_f64().expect("a number");
        assert!(number("min_ms") <= number("median_ms") && number("gflops") >= 0.0, "{row}");
        assert!(number("share_of_peak") >= 0.0 && [1.0, 2.0].contains(&number("threads")), "{row}");
    }
}

#[test]
fn parts_choose_kernels_and_precision() {
    let place = Place::new();
    let file = place.write("shapes.json", SHAPES);
    let command = ["bench", "--parts", "gemm,attention", "--precision", "int8", "--thread-counts", "1"];
    let rest = ["--shapes", &file, "--repeat", "1"];
    let document = accepted(&run(&[&command[..], &rest, &["--json"]].concat()));
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let kernels: Vec<String> = rows(&document).into_iter().map(|[kernel, ..]| kernel).collect();
    assert_eq!(kernels, ["gemm_int8", "gemm_int8", "attention_int8"]);
    let text = accepted(&run(&[&command[..], &rest].concat()));
    assert_eq!(text.lines().count(), 2 + 3, "{text}");
    assert!(text.contains("GFLOP/s") && text.contains("shapes.json"), "{text}");
}

#[test]
fn shapes_that_cannot_be_run_are_refused_in_one_line() {
    let place = Place::new();
    for (text, words) in [
        ("{", &["shapes.json", "not a file of shapes"][..]),
        ("[]", &["shapes.json"]),
        (r#"{"gem": []}"#, &["unknown field `gem`", "gemm"]),
        (r#"{"gemm": [{"m": 1, "k": 1}]}"#, &["missing field `n`"]),
        (r#"{"gemm": [{"m": 1, "k": 0, "n": 1}]}"#, &["gemm, shape 0", "k is 0"]),
        (r#"{"gemm": [{"m": -1, "k": 0, "n": 1}]}"#, &["shapes.json", "-1"]),
        (r#"{"gemm": [{"m": 99999999999, "k": 8, "n": 8}]}"#, &["too large"]),
        (r#"{"attention": [{"queries": 1, "keys": 1, "d": 4096}]}"#, &["attention, shape 0", "at most"]),
        (r#"{"gemm": []}"#, &["no shapes for the wanted parts"]),
    ] {
        let file = place.write("shapes.json", text);
        refused(&run(&["bench", "--shapes", &file]), words);
    }
    refused(
        &run(&["bench", "--shapes", &place.arg("absent.json")]),
        &["cannot read the shapes", "absent.json"],
    );
    refused(&run(&["bench", "--parts", "gemm,encode"]), &["separate runs"]);
    refused(&run(&["bench", "--thread-counts", "1"]), &["--parts gemm,attention,conv"]);
    let old = place.write("old.json", "{}");
    refused(&run(&["bench", "--parts", "gemm", "--compare", &old]), &["--compare"]);
    refused(&run(&["bench", "--parts", "gemm", "--image-size", "100"]), &["multiple of 64"]);
}
