//! Python objects as pickles of a protocol, as `torch.save` writes them: for tests.

/// An object.
#[derive(Clone, Debug)]
pub enum Py {
    /// Bytes of the pickle as they are.
    Raw(Vec<u8>),
    None,
    True,
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Py>),
    List(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    Set(Vec<Py>),
    Global(&'static str, &'static str),
    /// A call.
    Reduce(Box<Py>, Vec<Py>),
    /// A class and the arguments of its `__new__`.
    New(Box<Py>, Vec<Py>),
    /// An object and its state.
    Build(Box<Py>, Box<Py>),
    /// An object and entries that are set on it.
    SetItems(Box<Py>, Vec<(Py, Py)>),
    /// An object and items that are appended to it.
    Append(Box<Py>, Vec<Py>),
    /// An object that is named and not contained.
    Persistent(Box<Py>),
}

pub fn text(text: &str) -> Py {
    Py::Text(text.to_owned())
}

pub fn call(module: &'static str, name: &'static str, arguments: Vec<Py>) -> Py {
    Py::Reduce(Box::new(Py::Global(module, name)), arguments)
}

pub fn dict(entries: Vec<(&str, Py)>) -> Py {
    Py::Dict(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

pub fn numbers(values: &[usize]) -> Py {
    Py::Tuple(values.iter().map(|&value| Py::Int(value as i64)).collect())
}

/// A storage of `count` elements; `None` at its end is of the format before PyTorch 1.6.
pub fn storage(class: &'static str, key: &str, count: usize, legacy: bool) -> Py {
    let count = Py::Int(count as i64);
    let mut name = vec![text("storage"), Py::Global("torch", class), text(key), text("cuda:0"), count];
    name.extend(legacy.then_some(Py::None));
    Py::Persistent(Box::new(Py::Tuple(name)))
}

/// A view of a storage.
pub fn view(storage: Py, offset: usize, shape: &[usize], strides: &[usize]) -> Py {
    let hooks = call("collections", "OrderedDict", Vec::new());
    let offset = Py::Int(offset as i64);
    let arguments = vec![storage, offset, numbers(shape), numbers(strides), Py::None, hooks];
    call("torch._utils", "_rebuild_tensor_v2", arguments)
}

/// The pickle of an object.
pub fn pickle(object: &Py, protocol: u8) -> Vec<u8> {
    let mut body = Vec::new();
    write(object, protocol, &mut body);
    body.push(b'.');
    let mut out = match protocol {
        0 | 1 => Vec::new(),
        _ => vec![0x80, protocol],
    };
    if protocol >= 4 {
        out.push(0x95);
        out.extend((body.len() as u64).to_le_bytes());
    }
    out.extend(body);
    out
}

fn write(object: &Py, protocol: u8, out: &mut Vec<u8>) {
    let all = |items: &[Py], out: &mut Vec<u8>| items.iter().for_each(|item| write(item, protocol, out));
    let pairs = |pairs: &[(Py, Py)], out: &mut Vec<u8>| {
        out.push(b'(');
        for (key, value) in pairs {
            write(key, protocol, out);
            write(value, protocol, out);
        }
        out.push(b'u');
    };
    let tuple = |items: &[Py], out: &mut Vec<u8>| {
        out.push(b'(');
        all(items, out);
        out.push(b't');
        memoize(protocol, out);
    };
    match object {
        Py::Raw(bytes) => out.extend(bytes),
        Py::None => out.push(b'N'),
        Py::True if protocol >= 2 => out.push(0x88),
        Py::True => out.extend(b"I01\n"),
        Py::Int(value) if protocol == 0 => out.extend(format!("I{value}\n").bytes()),
        Py::Int(value) => match i32::try_from(*value) {
            Ok(value) => {
                out.push(b'J');
                out.extend(value.to_le_bytes());
            }
            Err(_) => {
                out.extend([0x8a, 8]);
                out.extend(value.to_le_bytes());
            }
        },
        Py::Float(value) if protocol == 0 => out.extend(format!("F{value}\n").bytes()),
        Py::Float(value) => {
            out.push(b'G');
            out.extend(value.to_be_bytes());
        }
        Py::Text(text) => {
            string(text, protocol, out);
            memoize(protocol, out);
        }
        Py::Bytes(bytes) if protocol >= 3 => {
            out.extend([b'C', bytes.len() as u8]);
            out.extend(bytes);
        }
        Py::Bytes(bytes) => {
            // As Latin-1 text, which is encoded.
            let latin: String = bytes.iter().map(|&b| char::from(b)).collect();
            write(&call("_codecs", "encode", vec![text(&latin), text("latin1")]), protocol, out);
        }
        Py::Tuple(items) => tuple(items, out),
        Py::List(items) => {
            out.extend(if protocol == 0 { &b"(l"[..] } else { b"]" });
            memoize(protocol, out);
            out.push(b'(');
            all(items, out);
            out.push(b'e');
        }
        Py::Dict(entries) => {
            out.extend(if protocol == 0 { &b"(d"[..] } else { b"}" });
            memoize(protocol, out);
            pairs(entries, out);
        }
        Py::Set(items) if protocol >= 4 => {
            out.push(0x8f);
            memoize(protocol, out);
            out.push(b'(');
            all(items, out);
            out.push(0x90);
        }
        Py::Set(items) => write(&call("__builtin__", "set", vec![Py::List(items.clone())]), protocol, out),
        Py::Global(module, name) if protocol >= 4 => {
            string(module, protocol, out);
            string(name, protocol, out);
            out.push(0x93);
            memoize(protocol, out);
        }
        Py::Global(module, name) => out.extend(format!("c{module}\n{name}\n").bytes()),
        Py::Reduce(function, arguments) => {
            write(function, protocol, out);
            tuple(arguments, out);
            out.push(b'R');
            memoize(protocol, out);
        }
        Py::New(class, arguments) => {
            write(class, protocol, out);
            tuple(arguments, out);
            out.push(0x81);
            memoize(protocol, out);
        }
        Py::Build(object, state) => {
            write(object, protocol, out);
            write(state, protocol, out);
            out.push(b'b');
        }
        Py::SetItems(object, entries) => {
            write(object, protocol, out);
            pairs(entries, out);
        }
        Py::Append(object, items) => {
            write(object, protocol, out);
            out.push(b'(');
            all(items, out);
            out.push(b'e');
        }
        Py::Persistent(name) => {
            write(name, protocol, out);
            out.push(b'Q');
        }
    }
}

fn string(text: &str, protocol: u8, out: &mut Vec<u8>) {
    if protocol >= 4 && text.len() < 256 {
        out.extend([0x8c, text.len() as u8]);
    } else if protocol == 0 {
        out.extend(format!("V{text}\n").bytes());
        return;
    } else {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
    }
    out.extend(text.bytes());
}

/// Nothing reads these entries, but writers make them.
fn memoize(protocol: u8, out: &mut Vec<u8>) {
    match protocol {
        0 => out.extend(b"p7\n"),
        1..=3 => out.extend(b"q\x07"),
        _ => out.push(0x94),
    }
}
