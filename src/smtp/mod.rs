//! The wire of SMTP, as pure functions: octets in, meaning out. Knows no
//! socket, no clock and no other module of the program.
//!
//! What a line is, is decided in [`mod@line`] and nowhere else; where mail data
//! ends, in [`data`] and nowhere else; what of a chunk may pass, in [`chunk`].

pub mod chunk;
pub mod command;
pub mod data;
pub mod ehlo;
pub mod line;
pub mod refusal;
pub mod reply;
pub mod standing;
pub mod xclient;
