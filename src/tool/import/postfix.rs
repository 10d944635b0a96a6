//! Postfix's restrictions and postscreen's tables: which table is asked about what, as
//! filters in the same order.

use anyhow::{anyhow, bail};

use super::access::{Table, table};
use super::made::Made;

/// Postfix refuses for now if DNS does not answer.
const FCRDNS: &str = "[[filter]]\ntype = \"fcrdns\"\non_error = \"tempfail\"\n";

/// Imports restrictions as they stand in main.cf.
pub(super) fn restrictions(words: Vec<&str>) -> anyhow::Result<Made> {
    let mut made = Made::default();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let about = match word {
            "check_client_access" => Table::Client,
            "check_helo_access" => Table::Helo,
            "check_sender_access" => Table::Sender,
            "check_recipient_access" => Table::Recipient,
            "reject_unknown_client_hostname" | "reject_unknown_client" => {
                made.filter(FCRDNS);
                continue;
            }
            "reject_unknown_reverse_client_hostname" => {
                made.filter(&format!("{FCRDNS}refuse = [\"permerror\"]\n"));
                continue;
            }
            // Its argument is the next word.
            _ if word.starts_with("check_")
                || word.contains("_rbl_")
                || word.contains("_rhsbl_") =>
            {
                let of = words.next().unwrap_or_default();
                leave(&format!("{word} {of}"), &mut made);
                continue;
            }
            _ if word.contains(":/") || word.contains('=') => {
                bail!("{word:?}: a restriction belongs in front, as in check_client_access {word}");
            }
            _ => {
                leave(word, &mut made);
                continue;
            }
        };
        let named = words.next().ok_or_else(|| anyhow!("{word} wants a table, as hash:/path"))?;
        let named = named.strip_prefix("proxy:").unwrap_or(named);
        let Some((kind, path)) = named.split_once(':') else {
            bail!("{named:?} must be TYPE:FILE, as in hash:/etc/postfix/access");
        };
        table(about, kind, path, &mut made)?;
    }
    made.note(
        "OK",
        "lets a client past the filters behind it, but never past relay; in Postfix it ends one list of restrictions",
    );
    Ok(made)
}

/// Imports tables of postscreen_access_list.
pub(super) fn postscreen(files: &[&str]) -> anyhow::Result<Made> {
    let mut made = Made::default();
    for file in files {
        let path = file.strip_prefix("cidr:").unwrap_or(file);
        table(Table::Client, "cidr", path, &mut made)?;
    }
    made.note(
        "reject",
        "refuses here; in postscreen it takes postscreen_denylist_action = enforce",
    );
    Ok(made)
}

/// A restriction that has no filter.
fn leave(word: &str, made: &mut Made) {
    let why = match word {
        "permit_mynetworks" => {
            "is a filter allow here, with your networks as entries, in front of the others"
        }
        "reject_unauth_destination" | "permit_auth_destination" => {
            "is the filter relay here: write it, with your domains and clients"
        }
        _ if word.contains("helo") => {
            "has the filter helo beside it, which is not the same: leave it to the MTA, or use that"
        }
        _ => "is not known here: leave it to the MTA, and tell it who the client is (identity)",
    };
    made.leave(word, why);
}
