//! One module per command.

pub mod compare;
