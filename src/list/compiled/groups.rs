//! Makes groups of expressions: of those with the same fixed part, and of those
//! that have none. Nothing of this runs in a session.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::patterns::{Listed, Mark};
use super::super::text::BadLine;
use super::automaton;
use super::expressions::{EXACT, NEGATED, bit};
use super::keys::{Form, PART};
use super::pages::ROOM;
use super::write::Making;

/// Expressions that are made into one automaton, at most.
const MEMBERS: usize = 64;
/// Pages for the parts that there are: so many that few are taken for another.
const PAGES: std::ops::RangeInclusive<usize> = 1..=8;

type Part = (u8, [u8; PART]);
type Member<'a> = &'a (Listed, Mark);

/// Writes the groups of these expressions.
pub(super) fn write(
    making: &mut Making,
    expressions: &[(Listed, Mark)],
    told: &mut dyn FnMut(u32),
) -> Result<(), BadLine> {
    let frequent = frequent(expressions);
    let mut by_part: BTreeMap<Part, Vec<Member<'_>>> = BTreeMap::new();
    let mut others = Vec::new();
    for member in expressions {
        match chosen(&member.0, &frequent) {
            parts if parts.is_empty() => others.push(member),
            parts => {
                parts.into_iter().for_each(|part| by_part.entry(part).or_default().push(member))
            }
        }
    }
    let mut done = 0;
    let mut told = |count: usize| {
        done += count;
        told(done as u32);
    };
    let pages = (by_part.len() / (ROOM / 4) + 1).clamp(*PAGES.start(), *PAGES.end());
    let mut there = vec![0; pages * ROOM];
    for ((_, part), members) in &by_part {
        let Some((first, _)) = members.first() else { continue };
        let key = making.keys.of(first.topic, Form::Part, &[part]);
        let (at, bit) = bit(key, pages as u32);
        if let Some(octet) = there.get_mut(at) {
            *octet |= bit;
        }
        making.head.add_form(first.topic, Form::Part);
        let groups = made(making, members)?;
        making.found.insert(key, groups);
        told(members.len());
    }
    if !by_part.is_empty() {
        making.head.parts = [making.writer.new_page() as u32, pages as u32];
        making.writer.put(&there);
    }
    let topics = others.iter().fold(0, |topics, (listed, _)| topics | 1 << listed.topic as u8);
    let (address, count) = made(making, &others)?;
    making.head.groups = [address, count, topics];
    told(others.len());
    Ok(())
}

/// In how many expressions each part is.
fn frequent(expressions: &[(Listed, Mark)]) -> HashMap<Part, u32> {
    let mut frequent = HashMap::new();
    for (listed, _) in expressions {
        let needs = listed.expression.needs.iter();
        let parts: HashSet<_> = needs.flat_map(|need| parts(listed, need)).collect();
        parts.into_iter().for_each(|part| *frequent.entry(part).or_default() += 1);
    }
    frequent
}

fn parts(listed: &Listed, need: &[u8]) -> impl Iterator<Item = Part> {
    let topic = listed.topic as u8;
    need.windows(PART).filter_map(move |part| Some((topic, *part.first_chunk()?)))
}

/// For each text of which one must be there the rarest of its parts; empty if one of
/// them is too short, or what is meant is what does not match.
fn chosen(listed: &Listed, frequent: &HashMap<Part, u32>) -> Vec<Part> {
    let rarest = |need: &Vec<u8>| parts(listed, need).min_by_key(|part| frequent.get(part));
    let chosen = listed.expression.needs.iter().map(rarest).collect::<Option<HashSet<_>>>();
    chosen.filter(|_| !listed.negated).unwrap_or_default().into_iter().collect()
}

/// Writes these as groups; gives their address and number.
fn made(making: &mut Making, members: &[Member<'_>]) -> Result<(u32, u32), BadLine> {
    let mut kinds: BTreeMap<(u32, u32), Vec<Member<'_>>> = BTreeMap::new();
    for member in members {
        let (listed, mark) = member;
        let exact = if listed.expression.exact { EXACT } else { 0 };
        // One that is turned round is for itself.
        let (negated, alone) = if listed.negated { (NEGATED, mark.line) } else { (0, 0) };
        kinds.entry((listed.topic as u32 | exact | negated, alone)).or_default().push(member);
    }
    let mut groups = Vec::new();
    for ((flags, _), members) in kinds {
        for members in members.chunks(MEMBERS) {
            join(making, flags, members, &mut groups)?;
        }
    }
    let address = making.writer.numbers(&groups.concat());
    Ok((address as u32, groups.len() as u32))
}

/// One group of these, or two if that would be too large.
fn join(
    making: &mut Making,
    flags: u32,
    members: &[Member<'_>],
    groups: &mut Vec<[u32; 5]>,
) -> Result<(), BadLine> {
    let expressions: Vec<_> = members.iter().map(|(l, _)| l.expression.regex.as_str()).collect();
    match (automaton::make(&expressions), members) {
        (Ok(table), _) => {
            let at = making.writer.put(&table) as u32;
            let held: Vec<_> = members.iter().map(|(_, mark)| making.held(*mark)).collect();
            let held: Vec<_> = held.iter().flat_map(|(line, action)| [*line, *action]).collect();
            let address = making.writer.numbers(&held) as u32;
            groups.push([at, table.len() as u32, flags, address, members.len() as u32]);
            Ok(())
        }
        (Err(why), [(_, mark)]) => {
            Err(BadLine { line: mark.line, what: format!("{:?} {why}", mark.text) })
        }
        (Err(_), members) => {
            let (one, other) = members.split_at(members.len() / 2);
            join(making, flags, one, groups)?;
            join(making, flags, other, groups)
        }
    }
}
