//! The chain: filters in the order of the configuration, and what they say as
//! a whole.

use super::Filter;
use super::policy::Policy;

/// The filters of a session.
#[derive(Default)]
pub struct Chain {
    links: Vec<Link>,
}

/// A filter and what the configuration says of it.
struct Link {
    #[allow(dead_code)]
    filter: Box<dyn Filter>,
    #[allow(dead_code)]
    policy: Policy,
}

impl Chain {
    /// Adds a filter behind the others.
    pub fn add(&mut self, filter: Box<dyn Filter>, policy: Policy) {
        self.links.push(Link { filter, policy });
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}
