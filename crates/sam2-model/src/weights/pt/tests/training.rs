//! What training scripts save: weights under keys, with prefixes, beside objects of all kinds.

use super::files::{NAMES, archive, legacy, state_dict, tensor, zip};
use super::python::{Py, call, dict, numbers, pickle, storage, text, view};
use crate::error::LoadError;
use crate::weights::WeightCopy;
use crate::weights::contents::{self, Contents};
use crate::weights::source::Source;

fn read(file: &[u8]) -> Result<Contents<'_>, LoadError> {
    read_copy(file, WeightCopy::Raw)
}

fn read_copy(file: &[u8], copy: WeightCopy) -> Result<Contents<'_>, LoadError> {
    let contents = contents::read(&[(Source::Memory(file), "x.pt".to_owned())], "x.pt", copy);
    if let Err(error) = &contents {
        let message = error.to_string();
        assert!(message.starts_with("x.pt: ") && !message.contains('\n') && message.len() < 600, "{message}");
    }
    contents
}

/// The first numbers of all tensors of a file, which must be those of a model.
#[track_caller]
fn firsts(file: &[u8]) -> Vec<f32> {
    let contents = read(file).expect("it is read");
    let mut names: Vec<&str> = contents.tensors.keys().map(String::as_str).collect();
    names.sort_unstable_by_key(|name| NAMES.iter().position(|known| known == name));
    assert_eq!(names, NAMES);
    NAMES.iter().map(|name| contents.tensors[*name].values().expect("floats")[0]).collect()
}

#[track_caller]
fn refused(file: &[u8]) -> String {
    read(file).map(|_| ()).expect_err("refused").to_string()
}

/// A file of a root that `make` builds around a state dict.
fn around(make: impl FnOnce(Py) -> Py, protocol: u8) -> Vec<u8> {
    let mut storages = Vec::new();
    let weights = state_dict("", 1.5, false, &mut storages);
    archive(&make(weights), &storages, protocol)
}

#[test]
fn weights_are_found_under_any_key_and_prefix() {
    for (keys, prefix, under) in [
        (&[][..], "", ""),
        (&["model"], "", "model"),
        (&["state_dict"], "model.", "state_dict.model"),
        (&["model_state_dict"], "module.", "model_state_dict"),
        (&["model"], "_orig_mod.module.", "model"),
        (&["state_dict"], "model._orig_mod.", "state_dict.model"),
        (&["state_dict"], "module.net.sam2.", "state_dict.net.sam2"),
        (&["net"], "", "net"),
        (&["checkpoint", "model"], "module.", "checkpoint.model"),
        (&[], "module._orig_mod.", ""),
        (&[], "sam2_model.", "sam2_model"),
        (&["model", "0"], "", "model.0"),
    ] {
        for is_legacy in [false, true] {
            let mut storages = Vec::new();
            let mut root = state_dict(prefix, 1.5, is_legacy, &mut storages);
            for key in keys.iter().rev() {
                root = match *key {
                    "0" => Py::Tuple(vec![root, Py::Int(3)]),
                    key => dict(vec![("epoch", Py::Int(3)), (key, root), ("loss", Py::Float(0.5))]),
                };
            }
            let write = if is_legacy { legacy } else { archive };
            let file = write(&root, &storages, 2);
            assert_eq!(firsts(&file), [1.5; 4], "{keys:?} {prefix}");
            let contents = read(&file).expect("it is read");
            assert_eq!((contents.under.as_str(), contents.beside.len()), (under, 0));
        }
    }
}

#[test]
fn every_protocol_is_read_in_both_formats() {
    for protocol in 0..=5 {
        for is_legacy in [false, true] {
            let mut storages = Vec::new();
            let weights = state_dict("", 1.5, is_legacy, &mut storages);
            let root = dict(vec![("model", weights), ("epoch", Py::Int(3)), ("best", Py::Float(0.25))]);
            let write = if is_legacy { legacy } else { archive };
            assert_eq!(firsts(&write(&root, &storages, protocol)), [1.5; 4], "protocol {protocol}");
        }
    }
    let seven = [&b"\x80\x07"[..], &pickle(&Py::None, 2)[2..]].concat();
    assert!(refused(&zip(&[("m/data.pkl", &seven)])).contains("protocol 7"));
}

#[test]
fn copies_that_are_averaged_are_left_and_named() {
    // Keys with the prefixes under them, the ones that are read, the ones that are named.
    type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);
    let cases: [Case; 6] = [
        (&[("ema", ""), ("model", "")], "model", "ema"),
        (&[("model", ""), ("model_ema", "module.")], "model", "model_ema"),
        (&[("ema_state_dict", ""), ("state_dict", "model.")], "state_dict.model", "ema_state_dict"),
        (&[("teacher", ""), ("student", "")], "student", "teacher"),
        (&[("ema", "")], "ema", ""),
        (&[("optimizer_target", ""), ("model_state_dict", "")], "model_state_dict", "optimizer_target"),
    ];
    for (copies, under, beside) in cases {
        let mut storages = Vec::new();
        let entries = copies.iter().map(|&(key, prefix)| {
            let first = if under.starts_with(key) { 1.5 } else { 7.0 };
            (key, state_dict(prefix, first, false, &mut storages))
        });
        let root = dict(entries.collect());
        let file = archive(&root, &storages, 2);
        assert_eq!(firsts(&file), [1.5; 4], "{copies:?}");
        let contents = read(&file).expect("it is read");
        assert_eq!((contents.under.as_str(), contents.beside.join(" ")), (under, beside.to_owned()));
        match read_copy(&file, WeightCopy::Averaged) {
            Ok(contents) if beside != "optimizer_target" => {
                let (averaged, raw) = if beside.is_empty() { (under, "") } else { (beside, under) };
                assert_eq!((contents.under.as_str(), contents.beside.join(" ")), (averaged, raw.to_owned()));
                let first = if beside.is_empty() { 1.5 } else { 7.0 };
                let mut tensors = contents.tensors.values();
                assert!(tensors.all(|tensor| tensor.values().expect("floats")[0] == first), "{copies:?}");
            }
            Ok(contents) => panic!("{} is averaged", contents.under),
            Err(e) => assert!(
                beside == "optimizer_target" && e.to_string().contains("--weights raw"),
                "{copies:?}: {e}"
            ),
        }
    }
    // Two models in one dict, and what belongs to neither.
    let mut storages = Vec::new();
    let mut entries = Vec::new();
    for (prefix, first) in [("ema_model.", 7.0), ("model.", 1.5)] {
        for name in NAMES {
            entries.push((text(&format!("{prefix}{name}")), tensor(first, false, &mut storages)));
        }
    }
    entries.push((text("criterion.weight"), tensor(3.0, false, &mut storages)));
    let file = archive(&dict(vec![("state_dict", Py::Dict(entries))]), &storages, 2);
    assert_eq!(firsts(&file), [1.5; 4]);
    assert_eq!(read(&file).expect("it is read").beside, ["state_dict.ema_model"]);
}

fn object(module: &'static str, name: &'static str, state: Py) -> Py {
    Py::Build(Box::new(Py::New(Box::new(Py::Global(module, name)), Vec::new())), Box::new(state))
}

/// Objects that training scripts save beside the weights.
fn beside() -> Vec<Py> {
    let dtype = call("numpy", "dtype", vec![text("f8"), Py::None, Py::True]);
    let dtype = Py::Build(Box::new(dtype), Box::new(Py::Tuple(vec![Py::Int(3), text("<")])));
    let array = call(
        "numpy.core.multiarray",
        "_reconstruct",
        vec![Py::Global("numpy", "ndarray"), numbers(&[0]), Py::Bytes(b"b".to_vec())],
    );
    let state = Py::Tuple(vec![Py::Int(1), numbers(&[2]), dtype.clone(), Py::True, Py::Bytes(vec![0; 16])]);
    let config = object(
        "omegaconf.dictconfig",
        "DictConfig",
        dict(vec![("_metadata", object("omegaconf.base", "ContainerMetadata", dict(vec![])))]),
    );
    let counter = call("collections", "Counter", vec![dict(vec![("a", Py::Int(1))])]);
    let default = call("collections", "defaultdict", vec![Py::Global("builtins", "list")]);
    vec![
        call("numpy._core.multiarray", "scalar", vec![dtype.clone(), Py::Bytes(vec![0; 8])]),
        call("numpy.core.multiarray", "scalar", vec![dtype, Py::Bytes(vec![0xff; 8])]),
        Py::Build(Box::new(array), Box::new(state)),
        call("torch", "device", vec![text("cuda"), Py::Int(0)]),
        Py::Global("torch", "bfloat16"),
        Py::Global("torch.optim.adamw", "AdamW"),
        counter,
        Py::SetItems(Box::new(default), vec![(text("loss"), Py::List(vec![Py::Float(1.0)]))]),
        Py::Set(vec![text("image_encoder"), Py::Int(4)]),
        call("builtins", "frozenset", vec![Py::List(vec![text("a")])]),
        object("argparse", "Namespace", dict(vec![("lr", Py::Float(1e-4)), ("device", text("cuda"))])),
        call("pathlib", "PosixPath", vec![text("/"), text("x.yaml")]),
        call("datetime", "datetime", vec![Py::Bytes(vec![7, 234, 1, 2, 3, 4, 5, 0, 0, 0])]),
        call("datetime", "timedelta", vec![Py::Int(1), Py::Int(2), Py::Int(3)]),
        config,
        call(
            "copy_reg",
            "_reconstructor",
            vec![Py::Global("trainer", "State"), Py::Global("__builtin__", "object"), Py::None],
        ),
        Py::Append(
            Box::new(call("collections", "deque", vec![Py::List(vec![]), Py::Int(10)])),
            vec![Py::Float(0.5), Py::Float(0.25)],
        ),
        call("torch._C", "Generator", vec![]),
        call("builtins", "getattr", vec![Py::Global("enum", "Enum"), text("x")]),
        Py::New(Box::new(Py::Global("fractions", "Fraction")), vec![text("1/3")]),
        Py::Persistent(Box::new(Py::Tuple(vec![text("module"), Py::Global("x", "Y"), Py::None]))),
        Py::Persistent(Box::new(text("7"))),
        // A call of what a call returned, an extension's number, and INST with a list of arguments.
        Py::Reduce(Box::new(call("functools", "partial", vec![Py::Global("os", "system")])), vec![text("x")]),
        Py::Raw(b"\x82\x05".to_vec()),
        Py::Raw(b"(itrainer\nOld\n".to_vec()),
        Py::Raw(b"(cx\nY\nK\x01o".to_vec()),
        // NEWOBJ_EX, a recursive tuple with POP_MARK, POP, DUP, and a byte string that is not UTF-8.
        Py::Raw(b"cx\nY\n)}\x92".to_vec()),
        Py::Raw(b"(K\x01K\x021K\x03".to_vec()),
        Py::Raw(b"K\x01K\x020".to_vec()),
        Py::Raw(b"K\x012\x86".to_vec()),
        Py::Raw(b"U\x02\xff\xfe".to_vec()),
        Py::Raw(b"S'it\\'s'\n".to_vec()),
        Py::Raw(b"L12345678901234567890L\n".to_vec()),
        Py::Raw(b"\x96\x03\0\0\0\0\0\0\0abc".to_vec()),
        Py::Raw(b"\x8e\x03\0\0\0\0\0\0\0abc".to_vec()),
        Py::Raw(b"\x8d\x03\0\0\0\0\0\0\0abc".to_vec()),
        Py::Raw(b"(K\x01\x91".to_vec()),
        Py::Int(i64::MIN),
    ]
}

#[test]
fn objects_beside_the_weights_are_skipped() {
    for (i, object) in beside().into_iter().enumerate() {
        for protocol in [2, 4] {
            // Before the weights and behind them, inside of containers and bare.
            let wrapped =
                dict(vec![("inner", Py::List(vec![object.clone(), Py::Tuple(vec![object.clone()])]))]);
            let root = |weights| dict(vec![("a", object.clone()), ("model", weights), ("z", wrapped)]);
            assert_eq!(firsts(&around(root, protocol)), [1.5; 4], "object {i}, protocol {protocol}");
        }
    }
    let optimizer = |weights| {
        let mut storages = Vec::new();
        let group = dict(vec![("lr", Py::Float(1e-4)), ("params", Py::List(vec![Py::Int(0)]))]);
        // Its storage is not in the file, which nobody reads.
        let moment =
            dict(vec![("exp_avg", tensor(9.0, false, &mut vec![Vec::new(); 99])), ("step", Py::Int(1))]);
        storages.push(Vec::<u8>::new());
        let state = Py::Dict(vec![(Py::Int(0), moment)]);
        let optimizer = dict(vec![("state", state), ("param_groups", Py::List(vec![group]))]);
        dict(vec![
            ("optimizer", optimizer),
            ("scaler", dict(vec![("scale", Py::Float(65536.0))])),
            ("model", weights),
        ])
    };
    assert_eq!(firsts(&around(optimizer, 2)), [1.5; 4]);
}

#[test]
fn an_object_where_a_tensor_is_needed_is_named() {
    let array = call("numpy.core.multiarray", "_reconstruct", vec![Py::Global("numpy", "ndarray")]);
    let mut storages = Vec::new();
    let mut entries = Vec::new();
    for name in NAMES {
        entries.push((name, tensor(1.5, false, &mut storages)));
    }
    entries.push(("no_mem_pos_enc", array));
    entries.push(("epoch", Py::Int(3)));
    let file = archive(&dict(entries), &storages, 2);
    let contents = read(&file).expect("the directory is read");
    assert_eq!(contents.others["no_mem_pos_enc"], "an object of numpy.core.multiarray._reconstruct");
    assert!(!contents.tensors.contains_key("epoch"));
    // A state that is set on a tensor changes it in ways that are not read.
    let changed = Py::Build(Box::new(tensor(1.5, false, &mut storages)), Box::new(Py::Tuple(vec![])));
    let file = archive(&dict(vec![("no_mem_embed", changed)]), &storages, 2);
    assert_eq!(read(&file).expect("it is read").others.len(), 1);
}

#[test]
fn parameters_and_tensors_of_subclasses_are_read() {
    let mut storages = Vec::new();
    let mut wrapped = |wrap: &dyn Fn(Py) -> Py| wrap(tensor(1.5, false, &mut storages));
    let hooks = || call("collections", "OrderedDict", vec![]);
    let entries = vec![
        (
            "no_mem_embed",
            wrapped(&|t| call("torch._utils", "_rebuild_parameter", vec![t, Py::True, hooks()])),
        ),
        (
            "maskmem_tpos_enc",
            wrapped(&|t| {
                let arguments = vec![t, Py::True, hooks(), dict(vec![("tag", Py::Int(1))])];
                call("torch._utils", "_rebuild_parameter_with_state", arguments)
            }),
        ),
        (
            "no_obj_ptr",
            wrapped(&|t| {
                let Py::Reduce(function, arguments) = t else { panic!("a call") };
                let class = Py::Global("torch.nn.parameter", "Buffer");
                let arguments = vec![*function, class, Py::Tuple(arguments), dict(vec![])];
                call("torch._tensor", "_rebuild_from_type_v2", arguments)
            }),
        ),
        ("sam_mask_decoder.iou_token.weight", tensor(1.5, false, &mut storages)),
    ];
    assert_eq!(firsts(&archive(&dict(entries), &storages, 2)), [1.5; 4]);
}

#[test]
fn views_types_and_byte_orders_are_read_value_by_value() {
    let f64s: Vec<u8> = [1.5_f64, 0.1, -3.0, 1e-9, 5.0, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let swapped: Vec<u8> = [1.0_f32, 2.0, 3.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let values =
        |file: &[u8]| read(file).expect("it is read").tensors["no_mem_embed"].values().expect("floats");
    let of = |tensor: Py| dict(vec![("model", dict(vec![("no_mem_embed", tensor)]))]);
    // The second column of three rows of two, stored as 64 bits.
    let column = view(storage("DoubleStorage", "0", 6, false), 1, &[3], &[2]);
    assert_eq!(values(&archive(&of(column), std::slice::from_ref(&f64s), 2)), [0.1, 1e-9, 6.0]);
    // Transposed, with an offset.
    let transposed = view(storage("DoubleStorage", "0", 6, false), 2, &[2, 2], &[1, 2]);
    assert_eq!(values(&archive(&of(transposed), std::slice::from_ref(&f64s), 2)), [-3.0, 5.0, 1e-9, 6.0]);
    let whole = of(view(storage("FloatStorage", "0", 3, false), 0, &[3], &[1]));
    let pickle = pickle(&whole, 2);
    let file = |order: &[u8]| {
        zip(&[("m/data.pkl", &pickle), ("m/byteorder", order), ("m/data/0", &swapped), ("m/version", b"3\n")])
    };
    assert_eq!(values(&file(b"big")), [1.0, 2.0, 3.0]);
    let bytes = file(b"big");
    let raw = read(&bytes).expect("it is read").tensors["no_mem_embed"].raw().expect("bytes");
    assert_eq!(raw, [1.0_f32, 2.0, 3.0].map(f32::to_le_bytes).concat());
    assert!(refused(&file(b"middle")).contains("byteorder"));
    // A part of a storage, as the older format names it.
    let mut part = storage("FloatStorage", "0", 3, true);
    if let Py::Persistent(name) = &mut part
        && let Py::Tuple(name) = &mut **name
    {
        name[5] = Py::Tuple(vec![text("0-1-2"), Py::Int(1), Py::Int(2)]);
    }
    let bytes = [1.0_f32, 2.0, 3.0].map(f32::to_le_bytes).concat();
    assert_eq!(values(&legacy(&of(view(part, 0, &[2], &[1])), &[bytes], 2)), [2.0, 3.0]);
}

#[test]
fn files_of_the_older_format_that_are_cut_or_wrong_are_refused() {
    let mut storages = Vec::new();
    let weights = state_dict("", 1.5, true, &mut storages);
    let file = legacy(&weights, &storages, 2);
    for len in 14..file.len() {
        let message = refused(&file[..len]);
        assert!(message.contains("download it again"), "{len}: {message}");
    }
    let version = file.windows(4).position(|w| w == 1001_i32.to_le_bytes()).expect("the version");
    let mut other = file.clone();
    other[version] = 7;
    assert!(refused(&other).contains("before 0.2"));
    let at = file.len() - 20;
    let mut claim = file.clone();
    claim[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refused(&claim).contains("cut short"));
    // Objects before the weights that fill more than the first window.
    let mut storages = Vec::new();
    let weights = state_dict("", 1.5, true, &mut storages);
    let history = Py::List(vec![text(&"x".repeat(3 << 20))]);
    let large = dict(vec![("history", history), ("model", weights)]);
    assert_eq!(firsts(&legacy(&large, &storages, 2)), [1.5; 4]);
}

#[test]
fn a_file_without_a_model_is_described() {
    let mut storages = Vec::new();
    let other = dict(vec![("conv1.weight", tensor(1.0, false, &mut storages))]);
    let optimizer = dict(vec![("state", Py::Dict(vec![])), ("param_groups", Py::List(vec![]))]);
    let module = object("torch.nn.modules.container", "Sequential", dict(vec![("training", Py::True)]));
    for (root, word) in [
        (other, "another model, such as conv1.weight"),
        (optimizer, "state of an optimizer"),
        (module, "torch.nn.modules.container.Sequential, pickled whole"),
        (dict(vec![("epoch", Py::Int(1)), ("lr", Py::Float(0.1))]), "the keys epoch, lr"),
        (Py::Int(7), "it holds a number"),
        (dict(vec![("model", Py::None)]), "the keys model"),
        (Py::Dict(vec![]), "an empty dict"),
        (
            dict(vec![("epoch", Py::Int(1)), ("model", object("net", "Sam", dict(vec![("a", Py::True)])))]),
            "its model is an object of net.Sam, pickled whole",
        ),
    ] {
        let message = refused(&archive(&root, &storages, 2));
        assert!(message.contains(word) && !message.contains("download"), "{word}: {message}");
    }
    let script: [(&str, &[u8]); 2] = [("m/data.pkl", b"\x80\x02N."), ("m/constants.pkl", b"\x80\x02).")];
    assert!(refused(&zip(&script)).contains("TorchScript"));
    assert!(refused(&zip(&[("a.npy", b"\x93NUMPY")])).contains(".npz"));
    assert!(refused(&zip(&[("w/sam2.pt", b"PK")])).contains("\"w/sam2.pt\" is; unpack it"));
    // Adapters without their model.
    let mut storages = Vec::new();
    let adapter = dict(vec![("model.qkv.lora_A.weight", tensor(1.0, false, &mut storages))]);
    assert!(refused(&archive(&adapter, &storages, 2)).contains("LoRA"));
}

/// A tensor of a type that is named by a dtype, as PyTorch saves those without a storage class of their own.
fn of_dtype(dtype: &'static str, key: &str, bytes: usize) -> Py {
    let name = vec![
        text("storage"),
        Py::Global("torch.storage", "UntypedStorage"),
        text(key),
        text("cpu"),
        Py::Int(bytes as i64),
    ];
    let hooks = call("collections", "OrderedDict", Vec::new());
    let dtype = Py::Global("torch", dtype);
    let storage = Py::Persistent(Box::new(Py::Tuple(name)));
    let arguments = vec![storage, Py::Int(0), numbers(&[3]), numbers(&[1]), Py::None, hooks, dtype];
    call("torch._utils", "_rebuild_tensor_v3", arguments)
}

#[test]
fn types_that_are_no_weights_are_named_and_no_damage() {
    for (dtype, size, name) in [
        ("float8_e4m3fn", 1, "F8_E4M3"),
        ("float8_e5m2", 1, "F8_E5M2"),
        ("complex64", 8, "C64"),
        ("bool", 1, "BOOL"),
    ] {
        let file =
            archive(&dict(vec![("no_mem_embed", of_dtype(dtype, "0", 3 * size))]), &[vec![0; 3 * size]], 2);
        let contents = read(&file).expect("it is read");
        let element = &contents.tensors["no_mem_embed"].element;
        assert!(element.name == name && !element.is_float(), "{dtype}");
    }
    let complex = view(storage("ComplexFloatStorage", "0", 3, false), 0, &[3], &[1]);
    let file = archive(&dict(vec![("no_mem_embed", complex)]), &[vec![0; 24]], 2);
    assert_eq!(read(&file).expect("it is read").tensors["no_mem_embed"].element.name, "C64");
    // Of a later PyTorch: it does no harm beside the weights, and is no tensor among them.
    for tensor in [of_dtype("float3", "4", 3), view(storage("FutureStorage", "4", 3, false), 0, &[3], &[1])] {
        let mut storages = Vec::new();
        let weights = state_dict("", 1.5, false, &mut storages);
        storages.push(vec![0; 3]);
        let Py::Build(items, metadata) = weights else { panic!("a state dict") };
        let Py::SetItems(ordered, mut entries) = *items else { panic!("a state dict") };
        entries.push((text("head.weight"), tensor));
        let root = Py::Build(Box::new(Py::SetItems(ordered, entries)), metadata);
        let file = archive(&root, &storages, 2);
        assert_eq!(firsts(&file), [1.5; 4]);
        let others = read(&file).expect("it is read").others;
        assert!(others["head.weight"].starts_with("a tensor of the function or class torch."), "{others:?}");
    }
}

#[test]
fn files_that_were_packed_again_or_filled_up_are_read() {
    let mut storages = Vec::new();
    let root = state_dict("", 1.5, false, &mut storages);
    let pickle = pickle(&root, 2);
    for folder in ["", "m/", "out/m/"] {
        let names: Vec<String> = (0..storages.len()).map(|i| format!("{folder}data/{i}")).collect();
        let (name, other) = (format!("{folder}data.pkl"), format!("{folder}notes_data.pkl"));
        let mut entries: Vec<(&str, &[u8])> = vec![(&name, &pickle), (&other, b"")];
        entries.extend(names.iter().map(String::as_str).zip(storages.iter().map(Vec::as_slice)));
        let mut file = zip(&entries);
        assert_eq!(firsts(&file), [1.5; 4], "{folder}");
        file.extend([0; 4096]);
        assert_eq!(firsts(&file), [1.5; 4], "{folder}");
        file.push(1);
        assert!(refused(&file).contains("directory at its end"));
    }
}

/// Nested, shared and repeated objects cost no more than their bytes.
#[test]
fn references_do_not_multiply() {
    // Each dict holds the one before it a hundred times.
    let mut bytes = b"\x80\x02}q\x000".to_vec();
    for level in 1..=60_u8 {
        bytes.extend([b'}', b'q', level, b'(']);
        for i in 0..100_u8 {
            bytes.extend([b'X', 2, 0, 0, 0, b'a' + i / 10, b'0' + i % 10, b'h', level - 1]);
        }
        bytes.push(b'u');
        bytes.extend(if level == 60 { &b""[..] } else { b"0" });
    }
    bytes.push(b'.');
    assert!(refused(&zip(&[("m/data.pkl", &bytes)])).contains("the keys a0"));
    let own = [&b"\x80\x02}q\0X\x05\0\0\0modelh\0s."[..]].concat();
    assert!(refused(&zip(&[("m/data.pkl", &own)])).contains("the keys model"));
}
