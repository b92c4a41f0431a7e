//! `sam2 eval` against the public evaluators' scores of the same folders (`tools/eval_fixtures.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{Place, accepted, refused, run};
use png::{BitDepth, ColorType, Encoder};
use serde_json::Value;
use tensor::{Tensor, npy::NpyArray};

/// Tolerance of scores that the evaluators compute in float64.
const EXACT: f64 = 1e-9;
/// Tolerance of pytracking's scores: it averages in float32, in percent.
const FLOAT32: f64 = 1e-4;

struct Fixtures(BTreeMap<String, NpyArray>);

impl Fixtures {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/eval.npz");
        Self(tensor::npz::read(path).expect("eval.npz"))
    }

    fn f64s(&self, name: &str) -> Tensor<f64> {
        self.0[name].clone().try_into().unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The part of every name between `prefix` and `suffix`.
    fn names(&self, prefix: &str, suffix: &str) -> Vec<String> {
        let middle = |name: &String| Some(name.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
        self.0.keys().filter_map(middle).collect()
    }

    /// Writes label maps `[frames, height, width]` as 00000.png ... or under the numbers of `index`.
    fn write_maps(&self, name: &str, index: Option<&str>, folder: &Path) {
        fs::create_dir_all(folder).expect("folder");
        let maps: Tensor<u8> = self.0[name].clone().try_into().expect("u8");
        let index: Option<Tensor<i64>> = index.map(|name| self.0[name].clone().try_into().expect("i64"));
        let (height, width) = (maps.shape()[1], maps.shape()[2]);
        for (i, map) in maps.data().chunks_exact(height * width).enumerate() {
            let number = index.as_ref().map_or(i as i64, |index| index.data()[i]);
            let file = fs::File::create(folder.join(format!("{number:05}.png"))).expect("create");
            let mut encoder = Encoder::new(file, width as u32, height as u32);
            encoder.set_color(ColorType::Indexed);
            encoder.set_depth(BitDepth::Eight);
            encoder.set_palette((0..=255).flat_map(|i| [i; 3]).collect::<Vec<u8>>());
            encoder.write_header().expect("header").write_image_data(map).expect("pixels");
        }
    }

    /// The DAVIS sequences below two folders, one folder each.
    fn write_davis(&self, truth: &Path, found: &Path) -> Vec<String> {
        let sequences = self.names("davis/", "/truth");
        for sequence in &sequences {
            self.write_maps(&format!("davis/{sequence}/truth"), None, &truth.join(sequence));
            self.write_maps(&format!("davis/{sequence}/found"), None, &found.join(sequence));
        }
        sequences
    }
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&accepted(&run(args))).expect("JSON")
}

#[track_caller]
fn close(value: &Value, expected: f64, tolerance: f64, what: &str) {
    let value = value.as_f64().unwrap_or_else(|| panic!("{what}: {value} is no number"));
    assert!((value - expected).abs() <= tolerance, "{what}: {value} for {expected}");
}

#[test]
fn davis_numbers_are_those_of_the_public_evaluator() {
    let (fixtures, place) = (Fixtures::read(), Place::new());
    let root = place.join("davis");
    let sequences = fixtures.write_davis(&root.join("Annotations/480p"), &place.join("found"));
    fs::create_dir_all(root.join("ImageSets/2017")).expect("folder");
    fs::write(root.join("ImageSets/2017/val.txt"), sequences.join("\n")).expect("list");
    let (gt, pred, csv) = (place.arg("davis"), place.arg("found"), place.arg("out.csv"));
    let report = json(&["eval", "davis", "--gt", &gt, "--pred", &pred, "--json", "--csv", &csv]);
    let names = ["J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"];
    for (name, expected) in ["J&F-Mean"].iter().chain(&names).zip(fixtures.f64s("davis/expected").data()) {
        close(&report[*name], *expected, EXACT, name);
    }
    let objects = report["objects"].as_array().expect("objects");
    let mut lines = 1;
    for sequence in &sequences {
        let expected = fixtures.f64s(&format!("davis/{sequence}/expected"));
        let own: Vec<&Value> = objects.iter().filter(|o| o["sequence"] == sequence.as_str()).collect();
        assert_eq!(own.len(), expected.shape()[0], "{sequence}");
        lines += own.len();
        for (object, expected) in own.iter().zip(expected.data().chunks_exact(6)) {
            for (name, expected) in names.iter().zip(expected) {
                close(&object[*name], *expected, EXACT, &format!("{sequence} {} {name}", object["object"]));
            }
        }
    }
    assert_eq!(fs::read_to_string(&csv).expect("CSV").lines().count(), lines);

    // The annotation folder itself also works; the table is the same for any number of threads.
    let gt = place.arg("davis/Annotations/480p");
    let table = |threads| accepted(&run(&["eval", "davis", "--gt", &gt, "--pred", &pred, "-t", threads]));
    assert!(
        table("1").starts_with("J&F-Mean  J-Mean") && table("1").contains("late-object"),
        "{}",
        table("1")
    );
    assert_eq!(table("1"), table("3"));

    // Void pixels change the score only in sequences that have them.
    let without = json(&["eval", "davis", "--gt", &gt, "--pred", &pred, "--ignore-void", "--json"]);
    let changed = |name: &str| {
        let of = |report: &Value| {
            let objects = report["objects"].as_array().expect("objects");
            objects.iter().find(|o| o["sequence"] == name).expect("sequence")["J-Mean"].clone()
        };
        of(&report) != of(&without)
    };
    assert!(changed("void") && !changed("blobs"));
}

#[test]
fn sav_numbers_are_those_of_the_public_evaluator() {
    let (fixtures, place) = (Fixtures::read(), Place::new());
    for object in fixtures.names("sav/", "/truth") {
        let name = |part: &str| format!("sav/{object}/{part}");
        let index = name("index");
        fixtures.write_maps(&name("truth"), Some(&index), &place.join("sav").join(&object));
        fixtures.write_maps(&name("found"), None, &place.join("sav-found").join(&object));
    }
    fixtures.write_davis(&place.join("flat"), &place.join("flat-found"));
    for case in ["sav", "flat"] {
        let (gt, pred) = (place.arg(case), place.arg(&format!("{case}-found")));
        for (rules, flag) in [("inner", "--skip-first-and-last"), ("all", "--all-frames")] {
            let report = json(&["eval", "sav", "--gt", &gt, "--pred", &pred, "--strict", flag, "--json"]);
            let expected = fixtures.f64s(&format!("{case}/expected/{rules}"));
            for (name, expected) in ["J&F", "J", "F"].iter().zip(expected.data()) {
                close(&report[*name], *expected, EXACT, &format!("{case} {rules} {name}"));
            }
            let videos = fixtures.names(&format!("{case}/expected/{rules}/"), "");
            assert_eq!(report["videos"].as_array().expect("videos").len(), videos.len());
            for video in videos {
                let expected = fixtures.f64s(&format!("{case}/expected/{rules}/{video}"));
                let found = report["videos"]
                    .as_array()
                    .expect("videos")
                    .iter()
                    .find(|v| v["video"] == video.as_str());
                let objects = found.expect("video")["objects"].as_array().expect("objects");
                assert_eq!(objects.len(), expected.shape()[0], "{case} {rules} {video}");
                for (object, expected) in objects.iter().zip(expected.data().chunks_exact(3)) {
                    let what = format!("{case} {rules} {video} {}", object["object"]);
                    assert_eq!(object["object"], format!("{:03}", expected[0]), "{what}");
                    close(&object["J"], expected[1], EXACT, &what);
                    close(&object["F"], expected[2], EXACT, &what);
                }
            }
        }
    }
}

#[test]
fn lasot_numbers_are_those_of_pytracking() {
    let (fixtures, place) = (Fixtures::read(), Place::new());
    let lines = |name: &str| {
        let array = fixtures.f64s(name);
        let columns = array.shape().get(1).copied().unwrap_or(1);
        let row = |row: &[f64]| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        array.data().chunks_exact(columns).map(row).collect::<Vec<_>>()
    };
    fs::create_dir(place.join("found")).expect("folder");
    let sequences = fixtures.names("lasot/", "/truth");
    for sequence in &sequences {
        let (class, _) = sequence.split_once('-').expect("class-number");
        let folder = place.join("lasot").join(class).join(sequence);
        fs::create_dir_all(&folder).expect("folder");
        let of = |part: &str| lines(&format!("lasot/{sequence}/{part}"));
        fs::write(folder.join("groundtruth.txt"), of("truth").join("\n")).expect("truth");
        fs::write(folder.join("full_occlusion.txt"), of("occluded").join(",")).expect("flags");
        fs::write(folder.join("out_of_view.txt"), of("out_of_view").join(",")).expect("flags");
        // Boxes beyond the last frame are ignored.
        fs::write(place.join(&format!("found/{sequence}.txt")), of("found").join("\n") + "\n1,2,3,4\n")
            .expect("found");
    }
    let (gt, pred) = (place.arg("lasot"), place.arg("found"));
    let measures = ["AUC", "OP50", "OP75", "precision", "norm-precision"];
    for (rules, flag) in [("all", None), ("visible", Some("--visible-only"))] {
        let args = ["eval", "lasot", "--gt", &gt, "--pred", &pred, "--json"];
        let report = json(&args.into_iter().chain(flag).collect::<Vec<_>>());
        for (name, expected) in measures.iter().zip(fixtures.f64s(&format!("lasot/expected/{rules}")).data())
        {
            close(&report[*name], *expected, FLOAT32, &format!("{rules} {name}"));
        }
        for entry in report["sequences"].as_array().expect("sequences") {
            let name = entry["sequence"].as_str().expect("name");
            let expected = fixtures.f64s(&format!("lasot/expected/{rules}/{name}"));
            let names = ["AUC", "precision", "norm-precision"];
            for (measure, expected) in names.iter().zip(expected.data()) {
                close(&entry[*measure], *expected, FLOAT32, &format!("{rules} {name} {measure}"));
            }
            close(&entry["mean_overlap"], expected.data()[3], EXACT, name);
        }
    }
}

#[test]
fn boxes_are_computed_from_masks() {
    let place = Place::new();
    fs::create_dir_all(place.join("gt/disc")).expect("folder");
    fs::create_dir_all(place.join("masks/disc")).expect("folder");
    for i in 0..3 {
        let mask = image::GrayImage::from_fn(40, 30, |x, y| {
            image::Luma([u8::from((10..20).contains(&x) && (5..12).contains(&y) && i != 1)])
        });
        mask.save(place.join(&format!("masks/disc/{i}.png"))).expect("save");
    }
    fs::write(place.join("gt/disc/groundtruth.txt"), "10,5,10,7\n10,5,10,7\n10,5,10,7\n").expect("truth");
    // The empty mask of frame 1 gets the previous box.
    let report = json(&["eval", "lasot", "--gt", &place.arg("gt"), "--pred", &place.arg("masks"), "--json"]);
    assert_eq!((report["precision"].as_f64(), report["OP75"].as_f64()), (Some(100.0), Some(100.0)));
}

#[test]
fn mismatched_folders_are_refused() {
    let (fixtures, place) = (Fixtures::read(), Place::new());
    fixtures.write_davis(&place.join("gt"), &place.join("found"));
    let (gt, pred) = (place.arg("gt"), place.arg("found"));
    let davis = || run(&["eval", "davis", "--gt", &gt, "--pred", &pred]);
    let sav = || run(&["eval", "sav", "--gt", &gt, "--pred", &pred, "--strict"]);

    fs::copy(place.join("found/blobs/00001.png"), place.join("found/gone/00001.png")).expect("copy");
    refused(&davis(), &["gone/00001.png", "110x64", "40x40"]);
    refused(&sav(), &["gone/00001.png", "110x64"]);
    fs::copy(place.join("gt/gone/00001.png"), place.join("found/gone/00001.png")).expect("copy");
    fs::copy(place.join("gt/void/00001.png"), place.join("found/void/00001.png")).expect("copy");
    refused(&davis(), &["void/00001.png", "object 255"]);
    fs::copy(place.join("gt/void/00000.png"), place.join("found/void/00001.png")).expect("copy");
    fs::write(place.join("found/void/00002.png"), "text").expect("write");
    refused(&davis(), &["void/00002.png", "label map"]);
    fs::remove_file(place.join("found/void/00003.png")).expect("remove");
    refused(&davis(), &["void/00003.png", "missing"]);
    fs::remove_dir_all(place.join("found/void")).expect("remove");
    refused(&sav(), &["the video void is missing", "--strict"]);
    refused(
        &run(&["eval", "davis", "--gt", &gt, "--pred", &place.arg("absent")]),
        &["absent/blobs/00001.png"],
    );
    refused(&run(&["eval", "sav", "--gt", &gt, "--pred", &place.arg("absent")]), &["absent"]);
    refused(&run(&["eval", "lasot", "--gt", &gt, "--pred", &pred]), &["no groundtruth.txt"]);
    refused(&run(&["eval", "davis", "--gt", &gt, "--pred", &pred, "--csv", "x.txt"]), &["x.txt", ".csv"]);

    fs::create_dir_all(place.join("boxes/a")).expect("folder");
    fs::write(place.join("boxes/a/groundtruth.txt"), "1,1,5,5\n1,1,5,5\n").expect("write");
    let lasot = |text: &str| {
        fs::write(place.join("a.txt"), text).expect("write");
        run(&["eval", "lasot", "--gt", &place.arg("boxes"), "--pred", place.path().to_str().expect("UTF-8")])
    };
    refused(&lasot("1,1,5,5\n"), &["a.txt", "1 boxes for 2 frames"]);
    refused(&lasot("1,1,5,5\n1,1,-5,5\n"), &["frame 1", "negative"]);
    refused(&lasot("1,1,5,5\n1,1,nan,5\n"), &["frame 1"]);
    refused(&lasot("1,1,5,5\n1,1,5\n"), &["line 2", "x,y,width,height"]);
    refused(&lasot("1,1,5,5\n1,1,5,five\n"), &["line 2", "five"]);
}
