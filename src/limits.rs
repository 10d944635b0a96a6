//! Every limit of a session, with its source. A session's memory is bounded by
//! the sum of the sizes here; its life by the times.

use std::time::Duration;

/// A command line, CRLF included. RFC 5321 4.5.3.1.4 says 512; the parameters
/// of the extensions we pass add up to about 1300 (SIZE, DSN, SMTPUTF8, AUTH,
/// DELIVERBY, MT-PRIORITY), so this leaves room.
pub const COMMAND_LINE: usize = 2048;

/// A line of an AUTH exchange, CRLF included (RFC 4954 4: 12288 octets of base64).
pub const AUTH_LINE: usize = 12_288 + 2;

/// A line that goes on this far without an end is no longer read to its end:
/// it is answered and the session closed.
pub const LINE_WITHOUT_END: usize = 64 * 1024;

/// What is read from the client at most before it is dealt with; also the size
/// of the blocks in which mail data is relayed.
pub const CLIENT_INBOX: usize = 64 * 1024;

/// What is read from the MTA at most before it is dealt with.
pub const MTA_INBOX: usize = 16 * 1024;

/// What commands that come at once fit into; memory for more is taken when more has come.
pub const COMMANDS: usize = 2048;

/// The same for replies of the MTA.
pub const REPLIES: usize = 1024;

/// One line of an MTA's reply, CRLF included. RFC 5321 4.5.3.1.5 says 512; an
/// AUTH challenge may be 12288 octets (RFC 4954 4), with code and space.
pub const REPLY_LINE: usize = 12_288 + 6;

/// What most replies and commands fit into; memory is taken for it at once.
pub const REPLY: usize = 480;

/// Lines of one reply. EHLO has about 15, HELP about 30.
pub const REPLY_LINES: usize = 128;

/// While this much waits for a peer to take it, nothing more is made for it.
pub const OUTBOX: usize = 16 * 1024;

/// Commands sent to the MTA whose replies are outstanding (RFC 2920).
pub const PIPELINE: usize = 64;

/// Challenges of the MTA in one AUTH exchange; SCRAM has two, GSSAPI a few more.
pub const AUTH_ROUNDS: u32 = 16;

/// Recipients of one transaction; RFC 5321 4.5.3.1.8 asks for 100, Postfix and
/// Exim take 1000 to 50000 by default. More are answered 452 (4.5.3.1.10).
pub const RECIPIENTS: usize = 1000;

/// Commands refused by us in a session without a message delivered in between;
/// the same number as Postfix's smtpd_hard_error_limit.
pub const ERRORS: u32 = 20;

/// Descriptors of a session that starts no programs: client, MTA, log, supervisor, ten for
/// DNS, a list's text and its compiled form, and a file for each thing that is shared.
pub const DESCRIPTORS: u64 = 1024;

/// Refused recipients that have a line in the log, in a session; those behind
/// are only counted in the session's, so that a stranger cannot fill the log.
pub const LOGGED_REFUSALS: u32 = 1000;

/// Waiting for a command (RFC 5321 4.5.3.2.7).
pub const COMMAND_WAIT: Duration = Duration::from_secs(5 * 60);
/// Waiting for the MTA to take the connection, where there is another address
/// to try, or a PROXY header to send first.
pub const CONNECT_WAIT: Duration = Duration::from_secs(30);
/// Waiting for the greeting of an MTA when there is another to call: ten of them
/// fit into what a client waits for a greeting (4.5.3.2.1).
pub const NEXT_MTA_WAIT: Duration = Duration::from_secs(30);
/// Waiting for the MTA to be connected and to greet (4.5.3.2.1).
pub const GREETING_WAIT: Duration = Duration::from_secs(5 * 60);
/// Waiting for the MTA's reply to a command (4.5.3.2.2, 4.5.3.2.3).
pub const REPLY_WAIT: Duration = Duration::from_secs(5 * 60);
/// Waiting for the MTA's reply to DATA (4.5.3.2.4).
pub const DATA_REPLY_WAIT: Duration = Duration::from_secs(2 * 60);
/// Waiting for the next block of mail data, or for a peer to take one (4.5.3.2.5).
pub const BLOCK_WAIT: Duration = Duration::from_secs(3 * 60);
/// While a message is kept for filters the MTA hears NOOP this often, for it
/// waits for its next command no longer than for any other (five minutes, as
/// RFC 5321 4.5.3.2.7 has it).
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Waiting for the MTA's reply to the end of mail data (4.5.3.2.6).
pub const END_OF_DATA_WAIT: Duration = Duration::from_secs(10 * 60);
/// Mail data with a bare newline is read to its end, so that the reply stands
/// where the client looks for it; a client silent for this long is taken to
/// have ended its message in its own way.
pub const REFUSED_DATA_WAIT: Duration = Duration::from_secs(3);
/// A session as a whole. RFC 5321 has no such limit; two hours let 50 MB
/// through at 60 kbit/s.
pub const SESSION: Duration = Duration::from_secs(2 * 60 * 60);
/// After our last reply the client's unread octets are read away this long, so
/// that the reply is not lost to a reset.
pub const LINGER: Duration = Duration::from_secs(2);

/// Waiting for syslogd to take a line, when a burst has filled its queue (ten
/// lines, by default); once in a session, then its lines are lost.
pub const LOG_WAIT: Duration = Duration::from_millis(100);

/// A session that waits for so long shows in its status line what for.
pub const STATUS_AFTER: Duration = Duration::from_millis(500);

/// Chunks (BDAT) that are refused in a session, with all else that is: a client may send
/// many behind one that was refused, before it hears of that.
pub const REFUSED_CHUNKS: u32 = 1000;

/// A text from outside in a log line, in octets as written. Five of these are
/// below the 2048 octets that a BSD takes as one datagram.
pub const LOGGED_TEXT: usize = 256;

/// A session's trace, in octets.
pub const TRACE: usize = 256 * 1024;

/// Of a line in a trace, in octets; the log cuts its lines itself.
pub const TRACE_LINE: usize = 1000;

/// A message that a filter looks at is kept in memory up to this size, and in a
/// file beyond it.
pub const SPOOL_MEMORY: usize = 256 * 1024;

/// The largest message that is kept for a filter; a larger one is refused.
pub const SPOOL: u64 = 256 * 1024 * 1024;

/// Asking a filter, without `time_limit`. A client waits five minutes
/// for a greeting (RFC 5321 4.5.3.2.1), and longer for other replies.
pub const FILTER: Duration = Duration::from_secs(4 * 60);

/// Holding a client in the tarpit, without `tarpit`.
pub const TARPIT: Duration = Duration::from_secs(60);

/// Clients held in the tarpit at once, by all sessions together.
pub const TARPIT_AT_ONCE: u32 = 200;

/// All answers of DNS together, in one session. A client waits five minutes for
/// a greeting; the usual resolver gives up after ten seconds (resolv.conf(5)).
pub const DNS: Duration = Duration::from_secs(10);

/// A program that says nothing is waited for this long after it has closed its
/// output, to tell one that is content from one that crashed.
pub const PROGRAM_GRACE: Duration = Duration::from_millis(200);

/// What a program is told of recipients, in octets.
pub const PROGRAM_RECIPIENTS: usize = 32 * 1024;

/// What a program says of why, in octets; its first line, up to this.
pub const PROGRAM_ANSWER: usize = 4096;

/// A line of XCLIENT, CRLF included (Postfix, XCLIENT_README: 512).
pub const XCLIENT_LINE: usize = 512;

/// A handshake of TLS as a whole: of its few round trips each may lose a packet or two.
pub const HANDSHAKE: Duration = Duration::from_secs(60);

/// What is read of a TLS connection at once, in pieces of up to 4096 octets of the wire,
/// before others have their turn.
pub const TLS_RECORDS: usize = 64;

/// What goes past us between client and MTA, without a word from either: as long as
/// the longest wait for one of them.
pub const TUNNEL_WAIT: Duration = END_OF_DATA_WAIT;

/// What follows the first 16 octets of a binary PROXY header: the addresses have
/// 36 at most, TLVs (a certificate's names, say) some hundreds.
pub const PROXY_HEADER: usize = 4096;

/// Waiting for the whole PROXY header of a balancer, which sends it first; long
/// enough for a lost packet to be sent again.
pub const PROXY_HEADER_WAIT: Duration = Duration::from_secs(5);

/// An MTA that is a program is waited for this long when its session is over,
/// before it is told to end (SIGTERM).
pub const MTA_PROGRAM_END: Duration = Duration::from_secs(2);

/// And then so long before it is killed.
pub const MTA_PROGRAM_TERM: Duration = Duration::from_secs(1);

/// What such a program writes to standard error: lines in the log, in a session.
pub const MTA_PROGRAM_LINES: u32 = 50;
