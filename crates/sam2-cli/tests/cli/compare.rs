//! `sam2 compare`: errors, names that only one file has, and exit codes.

use serde_json::{Value, json};
use std::process::Output;
use tensor::npy::NpyArray;
use tensor::{Tensor, npy, npz};

use crate::common::{Place, accepted, refused, run, stdout};

fn floats(shape: &[usize], data: &[f32]) -> NpyArray {
    Tensor::from_vec(shape, data.to_vec()).into()
}

fn save(place: &Place, name: &str, arrays: &[(&str, NpyArray)]) -> String {
    npz::write(place.join(name), arrays).expect("write");
    place.arg(name)
}

/// Requires exit code 1; returns stdout.
#[track_caller]
fn differs(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    assert!(output.stderr.is_empty());
    stdout(output)
}

#[test]
fn equal_files_end_with_0() {
    let place = Place::new();
    let arrays = [("x", floats(&[2, 2], &[1.0, 2.0, f32::INFINITY, -4.0])), ("empty", floats(&[0, 3], &[]))];
    let (a, b) = (save(&place, "a.npz", &arrays), save(&place, "b.npz", &arrays));
    let text = accepted(&run(&["compare", &a, &b, "--rtol", "0", "--atol", "0"]));
    assert!(text.contains("x      f32 [2, 2]: equal\n"), "{text}");
    assert!(text.contains("2 of 2 arrays equal within rtol 0, atol 0"), "{text}");
}

#[test]
fn differences_are_counted_and_placed() {
    let place = Place::new();
    let b = save(&place, "b.npz", &[("x", floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))]);
    let a = save(&place, "a.npz", &[("x", floats(&[2, 3], &[1.0, 2.5, 3.0, 4.0, 9.0, 6.0]))]);
    let text = differs(&run(&["compare", &a, &b]));
    assert!(
        text.contains("2 of 6 beyond tolerance, first [0, 1] 2.5 vs 2.0; worst [1, 1] 9.0 vs 5.0"),
        "{text}"
    );
    assert!(text.contains("0 of 1 arrays equal"), "{text}");
    let text = accepted(&run(&["compare", &a, &b, "--atol", "4"]));
    assert!(text.contains("within tolerance; worst [1, 1]"), "{text}");
    accepted(&run(&["compare", &a, &b, "--rtol", "0.8"]));

    let json: Value = serde_json::from_str(&differs(&run(&["compare", &a, &b, "--json"]))).expect("JSON");
    assert_eq!((&json["equal"], &json["rtol"], &json["atol"]), (&json!(false), &json!(1e-5), &json!(1e-8)));
    let row = &json["arrays"][0];
    assert_eq!((&row["name"], &row["beyond"], &row["count"]), (&json!("x"), &json!(2), &json!(6)));
    assert_eq!(row["a"], json!({"shape": [2, 3], "dtype": "f32"}));
    assert_eq!(row["first"], json!({"index": [0, 1], "a": 2.5, "b": 2.0}));
    assert_eq!(row["worst"], json!({"index": [1, 1], "a": 9.0, "b": 5.0}));
    let figure = |name: &str| row[name].as_f64().expect("a number");
    assert!((figure("relative_l2") - (16.25f64 / 91.0).sqrt()).abs() < 1e-12);
    assert!((figure("cosine") - 112.0 / (149.25f64 * 91.0).sqrt()).abs() < 1e-12, "{row}");
}

#[test]
fn nan_is_never_equal() {
    let place = Place::new();
    let a = save(&place, "a.npz", &[("x", floats(&[3], &[0.0, f32::NAN, 1.0]))]);
    let text = differs(&run(&["compare", &a, &a, "--rtol", "1e9", "--atol", "1e9"]));
    assert!(text.contains("1 of 3 beyond tolerance, first [1] NaN vs NaN"), "{text}");
    let json: Value = serde_json::from_str(&differs(&run(&["compare", &a, &a, "--json"]))).expect("JSON");
    let row = &json["arrays"][0];
    assert_eq!(
        (&row["worst"]["a"], &row["cosine"], &row["equal"]),
        (&json!("NaN"), &Value::Null, &json!(false))
    );
}

#[test]
fn arrays_of_one_side_and_other_shapes_are_named() {
    let place = Place::new();
    let one = floats(&[1], &[1.0]);
    let a = save(&place, "a.npz", &[("same", one.clone()), ("left", one.clone()), ("shape", one.clone())]);
    let b =
        save(&place, "b.npz", &[("same", one.clone()), ("right", one), ("shape", floats(&[1, 1], &[1.0]))]);
    let text = differs(&run(&["compare", &a, &b]));
    for words in
        ["left   only in", "right  only in", "shapes differ: f32 [1] and f32 [1, 1]", "1 of 4 arrays equal"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json: Value = serde_json::from_str(&differs(&run(&["compare", &a, &b, "--json"]))).expect("JSON");
    assert_eq!((&json["only_in_a"], &json["only_in_b"]), (&json!(["left"]), &json!(["right"])));
}

#[test]
fn kinds_of_files_and_types_mix() {
    let place = Place::new();
    let values = Tensor::from_vec(&[2], vec![0.5f32, 2.0]);
    npy::write(place.join("a.npy"), &values.view()).expect("write");
    npy::write(place.join("b.npy"), &Tensor::from_vec(&[2], vec![0.5f64, 2.0]).view()).expect("write");
    let bytes: Vec<u8> = values.data().iter().flat_map(|v| v.to_le_bytes()).collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &bytes).expect("a view");
    let file = safetensors::serialize([("y", view)], None).expect("a file");
    let (npy, double) = (place.arg("a.npy"), place.arg("b.npy"));
    let tensors = place.write("a.safetensors", file);
    let text = accepted(&run(&["compare", &npy, &double]));
    assert!(text.contains("f32 [2] (reference f64): equal"), "{text}");
    accepted(&run(&["compare", &npy, &tensors]));
    accepted(&run(&["compare", &tensors, &tensors]));
    let two = save(&place, "two.npz", &[("x", floats(&[1], &[1.0])), ("y", floats(&[1], &[1.0]))]);
    refused(&run(&["compare", &npy, &two]), &["two.npz", "2 arrays"]);
}

#[test]
fn unusable_files_end_with_2() {
    let place = Place::new();
    let good = save(&place, "good.npz", &[("x", floats(&[1], &[1.0]))]);
    let empty = save(&place, "empty.npz", &[]);
    let broken = place.write("broken.npz", "nonsense");
    let tensors = place.write("broken.safetensors", [9, 0, 0, 0, 0, 0, 0, 0, b'{']);
    let text = place.write("text.txt", "1 2 3");
    let missing = place.arg("missing.npy");
    for (a, b, words) in [
        (&broken, &good, &["broken.npz"][..]),
        (&good, &tensors, &["broken.safetensors"]),
        (&text, &good, &["text.txt", ".npz"]),
        (&good, &missing, &["missing.npy"]),
        (&empty, &empty, &["neither", "holds an array"]),
    ] {
        let output = run(&["compare", a, b]);
        refused(&output, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    for wrong in [["--rtol", "-1"], ["--atol", "nan"], ["--atol", "inf"]] {
        let output = run(&[&["compare", &good, &good][..], &wrong].concat());
        refused(&output, &["number"]);
        assert_eq!(output.status.code(), Some(2));
    }
}
