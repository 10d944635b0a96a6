//! The configuration: what the file, the environment and the command line say.

pub mod document;
pub mod keys;
pub mod time;
