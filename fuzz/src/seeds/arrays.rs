//! NumPy files.

use tensor::npy::{self, NpyArray};
use tensor::{Tensor, f16, npz};

fn arrays() -> Vec<(&'static str, NpyArray)> {
    vec![
        ("f4", Tensor::from_vec(&[2, 2], vec![1_f32, -2.5, f32::INFINITY, f32::NAN]).into()),
        ("f8", Tensor::from_vec(&[1, 3], vec![0.5_f64, 1e300, -1.0]).into()),
        ("f2", Tensor::from_vec(&[2], vec![f16::from_f32(1.0); 2]).into()),
        ("u1", Tensor::from_vec(&[6, 8], vec![1_u8; 48]).into()),
        ("i8", Tensor::from_vec(&[], vec![-7_i64]).into()),
        ("empty", Tensor::<i32>::zeros(&[0, 4]).into()),
    ]
}

pub fn npys() -> Vec<Vec<u8>> {
    let written = |array: &NpyArray| {
        let mut file = Vec::new();
        match array {
            NpyArray::F32(array) => npy::write_to(&mut file, &array.view()),
            NpyArray::F64(array) => npy::write_to(&mut file, &array.view()),
            NpyArray::F16(array) => npy::write_to(&mut file, &array.view()),
            NpyArray::U8(array) => npy::write_to(&mut file, &array.view()),
            NpyArray::I64(array) => npy::write_to(&mut file, &array.view()),
            NpyArray::I32(array) => npy::write_to(&mut file, &array.view()),
            _ => return None,
        }
        .expect("it can be written");
        Some(file)
    };
    arrays().iter().filter_map(|(_, array)| written(array)).collect()
}

pub fn npzs() -> Vec<Vec<u8>> {
    let path = std::env::temp_dir().join(format!("sam2-fuzz-{}.npz", std::process::id()));
    let all = arrays();
    let file = |arrays: &[(&str, NpyArray)]| {
        npz::write(&path, arrays).expect("it can be written");
        std::fs::read(&path).expect("it is there")
    };
    let files = vec![file(&all), file(&all[..1]), file(&[])];
    std::fs::remove_file(&path).expect("it can be removed");
    files
}
