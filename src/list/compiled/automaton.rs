//! Expressions, made into automata beforehand. `regex-automata` makes them; what
//! is kept of one is a table that is walked octet by octet, with every step
//! checked, so that nothing need be trusted or looked through first.
//!
//! ```text
//! classes 2, states 2, start 2, the class of each octet 256; then of each state:
//! what matches when it is reached 2, what if the text ends there 2, the next state for each class 2
//! ```
//! What matches is the number of the first expression that does, counted from 1.

use std::collections::HashMap;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::pages::Damaged;

/// Octets in front of the states.
const HEAD: usize = 6 + 256;

/// Memory that an automaton may take while it is made.
const SIZE: usize = 1 << 20;

/// The number of the first expression that matches the text, from 0.
pub(super) fn first_match(table: &[u8], text: &[u8]) -> Result<Option<usize>, Damaged> {
    let number = |at: usize| -> Result<usize, Damaged> {
        let octets = table.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or(Damaged)?;
        Ok(usize::from(u16::from_le_bytes(*octets)))
    };
    let size = 2 * (2 + number(0)?);
    let mut state = number(4)?;
    let mut best = 0;
    let mut see = |matched: usize| {
        if matched > 0 && (best == 0 || matched < best) {
            best = matched;
        }
    };
    for octet in text {
        let at = HEAD + state * size;
        see(number(at)?);
        let class = table.get(6 + usize::from(*octet)).ok_or(Damaged)?;
        state = number(at + 4 + 2 * usize::from(*class))?;
    }
    let at = HEAD + state * size;
    see(number(at)?);
    see(number(at + 2)?);
    Ok(best.checked_sub(1))
}

/// Makes one of these expressions.
///
/// # Errors
/// It is too large; fewer expressions at a time may do.
pub(super) fn make(expressions: &[&str]) -> Result<Vec<u8>, String> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let nfa = thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE));
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(SIZE))
        .determinize_size_limit(Some(4 * SIZE));
    let built = dense::Builder::new()
        .syntax(syntax)
        .thompson(nfa)
        .configure(config)
        .build_many(expressions);
    let too_large = || "makes too large an automaton; is there a large {n,m} in it?".to_owned();
    let dfa = built.map_err(|_| too_large())?;
    table(&dfa).ok_or_else(too_large)
}

fn table(dfa: &dense::DFA<Vec<u32>>) -> Option<Vec<u8>> {
    let classes = dfa.byte_classes();
    // The last class is the end of the text.
    let count = classes.alphabet_len() - 1;
    let mut octet_of = vec![0; count];
    for octet in 0..=u8::MAX {
        *octet_of.get_mut(usize::from(classes.get(octet)))? = octet;
    }
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
    let mut numbers: HashMap<StateID, u16> = HashMap::from([(start, 0)]);
    let mut states = vec![start];
    let mut body = Vec::new();
    let mut next = 0;
    while let Some(&state) = states.get(next) {
        next += 1;
        let first = |state| match dfa.is_match_state(state) {
            true => (0..dfa.match_len(state)).map(|n| dfa.match_pattern(state, n).as_usize()).min(),
            false => None,
        };
        let shown = |first: Option<usize>| u16::try_from(first.map_or(0, |first| first + 1)).ok();
        body.extend(shown(first(state))?.to_le_bytes());
        body.extend(shown(first(dfa.next_eoi_state(state)))?.to_le_bytes());
        for &octet in &octet_of {
            let to = dfa.next_state(state, octet);
            if dfa.is_quit_state(to) {
                return None;
            }
            let number = match numbers.get(&to) {
                Some(number) => *number,
                None => {
                    let number = u16::try_from(states.len()).ok()?;
                    numbers.insert(to, number);
                    states.push(to);
                    number
                }
            };
            body.extend(number.to_le_bytes());
        }
    }
    let mut table = Vec::with_capacity(HEAD + body.len());
    table.extend(u16::try_from(count).ok()?.to_le_bytes());
    table.extend(u16::try_from(states.len()).ok()?.to_le_bytes());
    table.extend(0u16.to_le_bytes());
    table.extend((0..=u8::MAX).map(|octet| classes.get(octet)));
    table.extend(body);
    Some(table)
}
