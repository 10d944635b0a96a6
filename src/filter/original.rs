//! The replies of the original program, with the tags that its operators look
//! for (`profile = "original"`). Every one is temporary, as there.

use crate::smtp::refusal::{Refusal, RefusalCode};
use crate::stage::Stage;

use super::Facts;

/// The refusal as the original would have said it, if it had such a filter.
#[must_use]
pub fn refusal(refusal: Refusal, stage: Stage, facts: &Facts<'_>) -> Refusal {
    let of_message = matches!(stage, Stage::Data | Stage::Message);
    let ip = facts.client.ip;
    let (code, text) = match refusal.rule {
        "interval.too-fast" => (421, "4.7.0 Too fast, try again later (SW01)".to_owned()),
        "program.refused" if of_message => {
            (450, format!("4.7.1 Try again later (rejected by contents_filter. IP={ip})(SW10)"))
        }
        "program.refused" => {
            (450, format!("4.7.1 Try again later (rejected by ip_filter. IP={ip})(SW02)"))
        }
        "early.talker" => (450, "4.5.1 Wait for the greeting (SW05)".to_owned()),
        "program.too-early" => {
            (450, format!("4.7.1 Try again later (rejected by contents_filter. IP={ip})(SW09)"))
        }
        "filter.broken" if of_message => (451, "4.3.0 Filter error (SW13)".to_owned()),
        "filter.broken" => (451, "4.3.0 Filter error (SW06)".to_owned()),
        _ => return refusal,
    };
    match RefusalCode::new(code) {
        Some(code) => Refusal { code, text: text.into(), ..refusal },
        None => refusal,
    }
}
