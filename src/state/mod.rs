//! What sessions share.

pub mod places;
