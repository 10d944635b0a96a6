//! How a refusal is said: in whose words, and when.

use super::{Facts, original};
use crate::config::{Profile, RejectAt, Settings};
use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::Stage;

/// The refusal in the words of the profile.
#[must_use]
pub fn in_words_of(profile: Profile, refusal: Refusal, stage: Stage, facts: &Facts<'_>) -> Refusal {
    match profile {
        Profile::Original => original::refusal(refusal, stage, facts),
        Profile::Own => refusal,
    }
}

/// The refusal of a peer as it is said at this stage.
///
/// # Errors
/// Gives it back if it is held until RCPT.
pub fn now(settings: &Settings, stage: Stage, refusal: Refusal) -> Result<Refusal, Refusal> {
    let original = settings.profile == Profile::Original;
    match (settings.reject_at, stage) {
        (RejectAt::Rcpt, _) => Err(refusal),
        // The original greeted with 450.
        (RejectAt::Connect, Stage::Connect) if !original => {
            // RFC 5321 3.1, 4.3.2: the greeting is 220, 421 or 554.
            let code = match refusal.code.is_temporary() {
                true => RefusalCode::CLOSING,
                false => RefusalCode::TRANSACTION_FAILED,
            };
            Ok(Refusal { code, ..refusal })
        }
        (RejectAt::Connect, _) => Ok(refusal),
    }
}
