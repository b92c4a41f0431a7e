//! Modules, predictors and whole sessions against results of Meta's code with the same weights. One binary,
//! so that shared code is compiled once.

mod decoder;
mod demo_clip;
mod edgetam;
mod efficienttam;
mod encoder;
mod everything;
mod image;
mod image_scenarios;
mod labels;
mod memory;
mod predictor;
mod samurai;
mod scenarios;
mod video;
