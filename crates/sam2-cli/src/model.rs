//! Opening the model: that of a file, or the embedded one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use sam2_model::config::Config;
use sam2_model::models::ModelSummary;
use sam2_model::published::{self, Places};
use sam2_model::{Frame, ImagePredictor, Model, ModelOptions};

use crate::console::Console;
use crate::embedded;
use crate::environment;
use crate::memory;
use crate::options::{ModelArgs, TradeArgs};

/// Description of the embedded model.
pub const EMBEDDED_NOTE: &str = "a 4 M parameter SAM 2.1 trained on drawn and rendered scenes, so \
                                 that everything runs out of the box; its masks of photos are rough";

/// The note on stderr when the embedded model runs.
const NOTE: [&str; 2] = [
    "note: this is the embedded model, trained on rendered scenes, rough on photos; -m takes another",
    "note: published ones: https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_tiny.pt",
];

/// Opens a checkpoint, or the embedded one with a note, which SAM2_NO_NOTE silences.
pub fn open(args: &ModelArgs, console: &Console) -> Result<Arc<Model>> {
    match &args.model {
        Some(path) => {
            let model = open_file(path, args.config()?, args.trade)?;
            note_copies(path, model.summary(), console);
            Ok(model)
        }
        None if args.config.is_some() => bail!("--config is of a checkpoint: give that with --model"),
        None => {
            let model = embedded::model(&with_config(None, args.trade))?;
            if !environment::is_on("SAM2_NO_NOTE") {
                NOTE.iter().for_each(|line| console.note(line));
            }
            Ok(model)
        }
    }
}

/// A note about the copies of the weights that were not read, if there are any.
pub fn note_copies(path: &Path, summary: &ModelSummary, console: &Console) {
    if summary.weights_beside.is_empty() {
        return;
    }
    let under = if summary.weights_under.is_empty() { "without a key" } else { &summary.weights_under };
    console.note(&format!(
        "note: {}: the weights {under} are used; it also holds {} (--weights raw|ema)",
        path.display(),
        summary.weights_beside.join(", ")
    ));
}

/// Sets the checkpoint of a command: that of -m by its path or name, else that of SAM2_MODEL.
pub fn choose(checkpoint: &mut Option<PathBuf>) -> Result<()> {
    let named = checkpoint.take().or_else(environment::model);
    *checkpoint = named.map(|name| published::find(name, &Places::from_env())).transpose()?;
    Ok(())
}

/// Options of the model; without `config` the configuration is found from the checkpoint.
pub fn with_config(config: Option<Config>, trade: TradeArgs) -> ModelOptions {
    ModelOptions::default()
        .config(config)
        .precision(trade.precision)
        .image_size(trade.image_size)
        .weights(trade.weights)
        .admit(memory::check_weights)
}

/// Opens a checkpoint with this configuration, or with its own.
pub fn open_file(path: &Path, config: Option<Config>, trade: TradeArgs) -> Result<Arc<Model>> {
    Ok(Model::open_with(path, &with_config(config, trade))?)
}

/// Encodes the photo, or loads its embedding from a file. Returns `saved` or `loaded` if a file was given.
pub fn set_image(
    predictor: &mut ImagePredictor,
    photo: &Frame,
    embeddings: Option<&Path>,
) -> Result<Option<&'static str>> {
    let Some(path) = embeddings else {
        predictor.set_image(photo);
        return Ok(None);
    };
    if !path.exists() {
        predictor.set_image(photo);
        predictor.save_embeddings(path)?;
        return Ok(Some("saved"));
    }
    predictor.load_embeddings(path)?;
    if !predictor.embedding().is_some_and(|embedding| embedding.is_of(photo)) {
        bail!(
            "{} holds the embeddings of another photo: choose another file for --embeddings",
            path.display()
        );
    }
    Ok(Some("loaded"))
}
