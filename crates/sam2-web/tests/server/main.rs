//! The server over real sockets: what it answers, and what it refuses.

mod client;
mod exports;
mod limits;
mod random;
mod safety;
mod sessions;
mod tracking;
mod wire;
