//! rblsmtpd's arguments. This program asks no DNS lists itself: what is made says where
//! each of them belongs.

use anyhow::bail;

use super::made::Made;

/// Imports the arguments; they end before the program that rblsmtpd runs.
pub(super) fn import(words: &[&str]) -> anyhow::Result<Made> {
    let mut made = Made::default();
    // In one argument, as in a script, or as they are.
    let words: Vec<&str> = match words {
        [one] => one.split_ascii_whitespace().collect(),
        words => words.to_vec(),
    };
    let mut words = words.into_iter().peekable();
    words.next_if(|word| word.rsplit('/').next() == Some("rblsmtpd"));
    let (mut lists, mut any) = (String::new(), false);
    while let Some(word) = words.next_if(|word| word.starts_with('-') && word.len() > 1) {
        any = true;
        if word == "--" {
            break;
        }
        let (option, inline) = word.split_at_checked(2).unwrap_or((word, ""));
        if !matches!(option, "-r" | "-a" | "-t") {
            for flag in word.chars().skip(1) {
                self::flag(flag, &mut made);
            }
            continue;
        }
        let value = if inline.is_empty() { words.next() } else { Some(inline) };
        let Some(value) = value else { bail!("{option} of rblsmtpd wants something behind it") };
        let (base, text) = value.split_once(':').unwrap_or((value, ""));
        match option {
            "-r" => {
                let said =
                    if text.is_empty() { String::new() } else { format!(", and says {text:?}") };
                let why = format!(
                    "DNS lists are not asked by this program{said}: tell the MTA who the client is (identity), \
                     and in Postfix write reject_rbl_client {base}"
                );
                made.leave(&format!("-r {base}"), &why);
                lists.push_str(&format!("# Postfix, main.cf: reject_rbl_client {}\n", shown(base)));
            }
            "-a" => {
                let why = format!(
                    "DNS lists are not asked by this program: in Postfix write permit_dnswl_client {base}, \
                     in front of reject_rbl_client"
                );
                made.leave(&format!("-a {base}"), &why);
                lists.push_str(&format!(
                    "# Postfix, main.cf: permit_dnswl_client {}\n",
                    shown(base)
                ));
            }
            _ => made.leave(
                &format!("-t {base}"),
                "rblsmtpd's time limit has no counterpart: those of RFC 5321 hold; see time_limit",
            ),
        }
    }
    if !any {
        bail!("these are no arguments of rblsmtpd: {}", words.collect::<Vec<_>>().join(" "));
    }
    let head = "# The MTA asks DNS lists about the client, if it is told who that is:\n\
                # [upstream]\n# identity = \"xclient\"\n";
    made.filter(&format!("{head}{lists}"));
    Ok(made)
}

fn flag(flag: char, made: &mut Made) {
    let why = match flag {
        'b' => "goes with DNS lists (refuse for good): in Postfix maps_rbl_reject_code = 554",
        'B' => "goes with DNS lists (refuse for now): in Postfix maps_rbl_reject_code = 450",
        'c' => "goes with DNS lists (no answer refuses): in Postfix reject_rbl_client passes then",
        'C' => "goes with DNS lists (no answer passes): so does Postfix's reject_rbl_client",
        _ => "is no option of rblsmtpd that is known",
    };
    made.leave(&format!("-{flag}"), why);
}

/// A zone, for a comment.
fn shown(zone: &str) -> String {
    zone.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
