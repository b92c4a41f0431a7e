//! Saved image embeddings give the same bits; those of another model and damaged files are refused.

use sam2_model::error::{EmbeddingError, ImageError};
use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::{Frame, ImagePredictor, Model, Points};
use sam2_tests::clips;
use sam2_tests::micro::{CHECKPOINT, asset, model};

fn frame(index: usize) -> Frame {
    clips::gif(&asset("balloon.gif")).swap_remove(index)
}

#[test]
fn saved_embeddings_give_the_same_bits() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("frame.safetensors");
    let mut predictor = ImagePredictor::new(model());
    assert!(matches!(predictor.save_embeddings(&path), Err(EmbeddingError::NoImage(_))));
    predictor.set_image(&frame(0));
    predictor.save_embeddings(&path).expect("it is written");
    let bytes = std::fs::read(&path).expect("it is there");
    predictor.save_embeddings(&path).expect("it is written again");
    assert!(std::fs::read(&path).expect("it is there") == bytes, "the same bytes every time");
    let mut other = ImagePredictor::new(model());
    other.load_embeddings(&path).expect("it is read");
    let embedding = other.embedding().expect("it is set");
    assert_eq!((embedding.width(), embedding.height()), (320, 240));
    assert!(embedding.is_of(&frame(0)) && !embedding.is_of(&frame(1)));
    assert_eq!(embedding.image_embed(), predictor.embedding().expect("it is set").image_embed());
    for prompt in [Points::click(58.0, 100.0), Points::bbox(4.0, 40.0, 110.0, 180.0)] {
        let answer = |p: &mut ImagePredictor| {
            let prompt = ImagePrompt::from(prompt.clone()).multimask(Multimask::Three);
            let found = p.predict(&prompt).expect("a valid prompt");
            (found.ious().to_vec(), found.low_res().to_vec(), found.mask_logits(1))
        };
        assert_eq!(answer(&mut predictor), answer(&mut other));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1, "no temporary file is left");
}

#[test]
fn embeddings_of_another_model_and_damaged_ones_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("frame.safetensors");
    let mut predictor = ImagePredictor::new(model());
    predictor.set_image(&frame(0));
    predictor.save_embeddings(&path).expect("it is written");
    // Flips the lowest bit of one weight.
    let mut other = asset(CHECKPOINT);
    *other.last_mut().expect("bytes") ^= 1;
    let at = other.len() - 2;
    other[at] ^= 1;
    let other = Model::from_bytes(&other, "other").expect("it loads");
    let error = ImagePredictor::new(other.clone()).load_embeddings(&path);
    assert!(matches!(error, Err(EmbeddingError::OtherModel { .. })), "{error:?}");
    let embedding = predictor.embedding().expect("it is set").clone();
    assert_eq!(ImagePredictor::new(other).set_embedding(embedding), Err(ImageError::OtherModel));

    let whole = std::fs::read(&path).expect("it is there");
    let refused = |bytes: &[u8]| {
        let path = folder.path().join("damaged.safetensors");
        std::fs::write(&path, bytes).expect("write");
        let error = ImagePredictor::new(model()).load_embeddings(&path).expect_err("refused").to_string();
        assert!(error.contains("damaged.safetensors") && !error.contains('\n'), "{error}");
    };
    for end in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..end]);
    }
    refused(&asset(CHECKPOINT));
    refused(b"hello");
    let mut not_finite = whole.clone();
    let end = not_finite.len();
    not_finite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(&not_finite);
    let absent = ImagePredictor::new(model()).load_embeddings(folder.path().join("absent"));
    assert!(matches!(absent, Err(EmbeddingError::Io { .. })));
}
