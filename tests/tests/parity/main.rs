//! The modules, the predictors and whole sessions against what Meta's code gave for the same weights. One binary, so that what all of these
//! need is compiled once.

mod decoder;
mod demo_clip;
mod encoder;
mod everything;
mod image;
mod image_scenarios;
mod memory;
mod predictor;
mod samurai;
mod scenarios;
mod video;
