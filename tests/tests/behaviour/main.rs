//! What holds whatever the weights: the same answer for any number of threads, on any instruction set and after a break; 8-bit arithmetic close
//! to single precision; memory policies.

mod int8;
mod invariance;
mod look_alike;
mod video_state;
