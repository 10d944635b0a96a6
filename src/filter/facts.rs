//! What is known of a session when a filter is asked.

use std::cell::OnceCell;

use crate::activation::Client;
use crate::encryption::Encryption;
use crate::host::Host;
use crate::spool::Spool;

/// What is known of a session.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The client.
    pub client: &'a Client,
    /// Its host names, once a filter or list has needed them.
    pub host: &'a OnceCell<Host>,
    /// What encrypts its connection, if anything does.
    pub encryption: Option<&'a Encryption>,
    /// The session's name in the log.
    pub session: &'a str,
    /// The HELO or EHLO line, without CRLF; empty before.
    pub hello: &'a [u8],
    /// Its argument.
    pub helo: &'a [u8],
    /// The reverse-path, without brackets; `None` outside of a transaction.
    pub from: Option<&'a [u8]>,
    /// The forward-path at [`crate::stage::Stage::Rcpt`].
    pub recipient: Option<&'a [u8]>,
    /// The forward-paths accepted so far in this transaction.
    pub to: &'a [Vec<u8>],
    /// The MAIL and RCPT lines of the transaction as the MTA got them, each with
    /// its CRLF; kept only when a filter looks at messages.
    pub envelope: &'a [u8],
    /// The mechanism by which the client proved to the MTA who it is.
    pub auth: Option<&'static str>,
    /// That lifts what is found of the peer (`auth_lifts`).
    pub lifted: bool,
    /// What there is of the message, in wire form, from [`crate::stage::Stage::Data`] on;
    /// at [`crate::stage::Stage::Message`] with its final dot.
    pub message: Option<&'a Spool>,
}
