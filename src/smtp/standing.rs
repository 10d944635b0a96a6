//! The replies that we give ourselves, in one table: each has a rule name, by
//! which it is found in the log and in smtp-wrapper(8).

use super::reply::encode_line;

/// A reply of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the log calls it.
    pub rule: &'static str,
    /// The reply code.
    pub code: u16,
    /// The enhanced status code (RFC 3463) and the text.
    pub text: &'static str,
}

impl Standing {
    /// Writes the reply as it goes over the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_line(self.code, true, self.text.as_bytes(), out);
    }
}

macro_rules! standing {
    ($($(#[$doc:meta])* $name:ident = $rule:literal $code:literal $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Standing = Standing { rule: $rule, code: $code, text: $text };)*
        /// All of them, for the documentation's test.
        pub const ALL: &[Standing] = &[$($name),*];
    };
}

standing! {
    /// A verb that SMTP does not have, or not for strangers.
    UNKNOWN_COMMAND = "smtp.unknown-command" 500 "5.5.1 Command not recognized";
    /// A verb of an extension that is not offered.
    NOT_OFFERED = "smtp.not-offered" 502 "5.5.1 Command not offered here";
    /// BDAT of which is not known how many octets follow: they must never be read as commands.
    BAD_CHUNK = "smtp.bad-chunk" 501 "5.5.4 Syntax: BDAT size [LAST], closing connection";
    /// DATA or RCPT for a message that comes, or can only come, in chunks.
    CHUNKS_ONLY = "smtp.chunks-only" 503 "5.5.1 This message comes by BDAT";
    /// BODY=BINARYMIME where it is not offered.
    NO_BINARYMIME = "smtp.no-binarymime" 555 "5.6.1 BINARYMIME is not offered here";
    /// AUTH within a transaction, or after one that was accepted (RFC 4954 4).
    AUTH_NOT_NOW = "smtp.auth-not-now" 503 "5.5.1 AUTH is not permitted now";
    /// AUTH where it must be encrypted first.
    AUTH_IN_CLEAR = "smtp.auth-in-clear" 538 "5.7.11 Encryption required, say STARTTLS first";
    /// A line longer than [`crate::limits::COMMAND_LINE`].
    LINE_TOO_LONG = "smtp.line-too-long" 500 "5.5.2 Line too long";
    /// A control character in a command.
    CONTROL_CHARACTER = "smtp.control-character" 500 "5.5.2 Control character in command";
    /// A CR or LF outside of CRLF in a command.
    BARE_NEWLINE = "smtp.bare-newline" 500 "5.5.2 Lines end with CR LF, closing connection";
    /// Arguments that the command does not take, or lacks.
    BAD_ARGUMENT = "smtp.bad-argument" 501 "5.5.4 Syntax error in arguments";
    /// MAIL without a path.
    BAD_SENDER = "smtp.bad-sender" 501 "5.1.7 Syntax: MAIL FROM:<address>";
    /// RCPT without a path.
    BAD_RECIPIENT = "smtp.bad-recipient" 501 "5.1.3 Syntax: RCPT TO:<address>";
    /// MAIL inside a transaction.
    NESTED_MAIL = "smtp.nested-mail" 503 "5.5.1 Sender already given";
    /// RCPT, DATA or BDAT without MAIL.
    NEED_MAIL = "smtp.need-mail" 503 "5.5.1 MAIL first";
    /// DATA or BDAT with no accepted recipient (RFC 2920 3.1 for the code).
    NEED_RCPT = "smtp.need-rcpt" 554 "5.5.1 No valid recipients";
    /// More recipients than [`crate::limits::RECIPIENTS`].
    TOO_MANY_RECIPIENTS = "smtp.too-many-recipients" 452 "4.5.3 Too many recipients";
    /// More refused commands than [`crate::limits::ERRORS`].
    TOO_MANY_ERRORS = "smtp.too-many-errors" 421 "4.7.0 Too many errors, closing connection";
    /// STARTTLS, when we do it ourselves.
    READY_FOR_TLS = "smtp.ready-for-tls" 220 "2.0.0 Ready to start TLS";
    /// STARTTLS on a connection that is encrypted.
    ALREADY_ENCRYPTED = "smtp.already-encrypted" 503 "5.5.1 TLS is active already";
    /// MAIL or AUTH behind a handshake, without a new EHLO (RFC 3207 4.2).
    NEED_HELLO = "smtp.need-hello" 503 "5.5.1 EHLO first";
    /// STARTTLS, when certificate or key cannot be read.
    TLS_UNAVAILABLE = "tls.unavailable" 454 "4.7.0 TLS not available, try again later";
    /// HTTP, SSH or TLS where SMTP is spoken.
    NOT_SMTP = "smtp.not-smtp" 554 "5.5.1 This is SMTP, closing connection";
    /// A CR or LF outside of CRLF in mail data.
    BARE_NEWLINE_IN_DATA = "smtp.bare-newline-in-data" 550 "5.6.11 Bare CR or LF in message, closing connection";
    /// A command that a held client may give, or a chunk that is not the last, where the MTA
    /// gets the message by DATA.
    OK = "smtp.ok" 250 "2.0.0 Ok";
    /// DATA, when the message is kept for filters.
    SEND_MAIL_DATA = "smtp.send-mail-data" 354 "End data with <CR><LF>.<CR><LF>";
    /// VRFY, from a held client (RFC 5321 7.3).
    CANNOT_VERIFY = "smtp.cannot-verify" 252 "2.5.2 Cannot VRFY user, send some mail";
    /// QUIT, when no MTA is there to say it.
    BYE = "smtp.bye" 221 "2.0.0 Bye";
    /// The MTA refused the session for good: all but QUIT (RFC 5321 3.1).
    REFUSED = "mta.refused" 503 "5.5.1 No service here";
    /// The MTA cannot be reached, or is lost or silent while a command waits.
    MTA_AWAY = "mta.away" 421 "4.3.0 Mail system not available, try again later";
    /// The MTA is lost or silent while a message waits.
    MESSAGE_UNDECIDED = "mta.undecided" 451 "4.3.0 Mail system not available, try again later";
    /// The MTA's reply does not fit the command.
    MTA_CONFUSED = "mta.confused" 451 "4.3.0 Mail system gave an unexpected reply, try again later";
    /// The MTA is lost or silent while a recipient of a held client waits.
    MTA_UNREACHED = "mta.unreached" 451 "4.3.0 Mail system not available, try again later";
    /// A message that a filter is to see is larger than [`crate::limits::SPOOL`].
    MESSAGE_TOO_LARGE = "smtp.message-too-large" 552 "5.3.4 Message too large";
    /// There is no room to keep a message for the filters.
    NO_ROOM = "session.no-room" 452 "4.3.1 Insufficient system storage, try again later";
    /// The client was silent for too long.
    CLIENT_SILENT = "session.client-silent" 421 "4.4.2 Time limit exceeded, closing connection";
    /// The session lasted longer than [`crate::limits::SESSION`].
    SESSION_TOO_LONG = "session.too-long" 421 "4.4.2 Session time limit exceeded, closing connection";
    /// The supervisor ends us.
    SHUTTING_DOWN = "session.shutting-down" 421 "4.3.2 Shutting down, try again later";
    /// Who the client is could not be found out.
    UNKNOWN_PEER = "session.unknown-peer" 421 "4.3.0 Cannot tell the client's address, try again later";
    /// The command line is wrong.
    BAD_CONFIGURATION = "session.bad-configuration" 421 "4.3.5 Configuration error, try again later";
    /// `listen`: as many sessions run as `--max` allows.
    LISTEN_TOO_MANY = "listen.too-many" 421 "4.7.0 Too many connections, try again later";
    /// `listen`: as many sessions of this client run as `--max-per-address` allows.
    LISTEN_TOO_MANY_OF_ADDRESS = "listen.too-many-of-address" 421 "4.7.0 Too many connections from your address, try again later";
    /// `listen`: no process could be started.
    LISTEN_NO_PROCESS = "listen.no-process" 421 "4.3.0 Cannot start a session, try again later";
    /// A fault of the program.
    INTERNAL = "session.internal" 421 "4.3.0 Internal error, try again later";
}

/// The reply as the original program gave it, where it had one for this.
#[must_use]
pub fn as_original(reply: &'static Standing) -> &'static Standing {
    const AWAY: Standing = Standing {
        rule: MTA_AWAY.rule,
        code: 451,
        text: "4.3.0 Cannot reach the mail server, try again later (SW03)",
    };
    const SILENT: Standing =
        Standing { rule: CLIENT_SILENT.rule, code: 451, text: "4.4.2 Time limit exceeded (SW04)" };
    match reply.rule {
        rule if rule == AWAY.rule => &AWAY,
        rule if rule == SILENT.rule => &SILENT,
        _ => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_enhanced_codes_agree_and_rules_are_unique() {
        for (n, reply) in ALL.iter().enumerate() {
            let class = char::from(b'0' + (reply.code / 100) as u8);
            assert!(reply.code == 354 || reply.text.starts_with(class), "{reply:?}");
            assert!(
                reply.code / 100 != 4 || [421, 450, 451, 452, 454].contains(&reply.code),
                "{reply:?}"
            );
            assert!(ALL.iter().skip(n + 1).all(|other| other.rule != reply.rule), "{reply:?}");
            assert!(reply.text.is_ascii() && reply.text.len() < 500, "{reply:?}");
        }
    }
}
