//! Properties that do not depend on the weights: results are the same for any number of threads, on any
//! instruction set and after a saved session; int8 is close to f32; memory policies.

mod bf16;
mod custom_policy;
mod distractor;
mod embeddings;
mod everything;
mod image;
mod int8;
mod invariance;
mod prompts;
mod sessions;
mod video_state;
