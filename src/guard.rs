//! Whether anything keeps the MTA from relaying for strangers.
//!
//! It takes a stranger's message as if it came from this host. Should it relay for this
//! host, nothing of ours keeps it from relaying for everybody. Whether it does is not to
//! be asked at a client's expense; `check` asks. The log is told once for each edition of
//! the configuration, which takes the state directory to know.

use crate::activation::Client;
use crate::config::{Identity, Loaded};
use crate::stage::Stage;
use crate::{file, host, state};

/// What the log is told.
pub(crate) const UNGUARDED: &str = "neither identity nor the filter relay guards the MTA, which took a stranger's \
     message: smtp-wrapper check tells whether it would relay for everybody";

/// The edition that the log has not been told of, if it is to be should the MTA take a message of
/// this client's.
pub(crate) fn untold(loaded: &Loaded, client: &Client) -> Option<u64> {
    let settings = &loaded.settings;
    // Programs are not told in the way that identity names.
    let told_who = settings.identity != Identity::None
        && !settings.upstream.iter().any(|mta| mta.is_program());
    // A program that is asked about messages may well refuse to relay.
    let guarded = loaded.chain.guards_mta() || loaded.chain.stages().has(Stage::Message);
    // A balancer's client is not known yet.
    let local = settings.proxy_from.is_none() && host::is_local(client.ip);
    if told_who || guarded || local { None } else { unknown(loaded) }
}

/// The edition, if the log does not know of it.
#[inline(never)] // Not in every session.
fn unknown(loaded: &Loaded) -> Option<u64> {
    let settings = &loaded.settings;
    let mut edition: Vec<u8> = loaded.edition.iter().flat_map(|n| n.to_le_bytes()).collect();
    edition.extend(settings.upstream.to_string().bytes());
    let edition = file::checksum(0, &edition);
    (!state::told::knows(settings.state, edition)).then_some(edition)
}
