//! The report for a terminal or a mail: printable ASCII, totals first.

use std::fmt::Write as _;

use super::fold::Proposals;
use super::judge::Confidence;
use super::ledger::shown;
use super::tally::{Fates, OfRule, Tally};
use super::{Report, listed, show};
use crate::tool::logs::Style;

/// Lines of a table of what there is most of.
pub(super) const MOST: usize = 15;
/// Signs of a bar.
const BAR: u64 = 30;

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    totals(report, &mut out);
    let tally = &report.tally;
    let days: Vec<_> = tally.days.iter().map(|(day, of)| (show::day(*day), *of)).collect();
    over_time("days", &days, &mut out);
    let hours: Vec<_> =
        tally.hours.iter().enumerate().map(|(n, of)| (format!("{n:02}"), *of)).collect();
    over_time("hours of the day", &hours, &mut out);
    of_rules("rules", &tally.rules(), &mut out);
    of_rules("filters", &tally.filters(), &mut out);
    let networks: Vec<_> =
        tally.networks.most(MOST).into_iter().map(|(net, n)| (shown(net), n)).collect();
    most("networks refused most", &networks, tally.networks.lacks, &mut out);
    let senders: Vec<_> =
        tally.senders.most(MOST).into_iter().map(|(name, n)| (show::text(&name), n)).collect();
    most("sender domains refused most", &senders, tally.senders.lacks, &mut out);
    proposed(&report.proposals, &mut out);
    out
}

/// The pairs of name and figure that stand first, as `text` and `html` show them.
pub(super) fn figures(report: &Report) -> Vec<(&'static str, String, String)> {
    let tally = &report.tally;
    let all = tally.fates.all();
    let of_all = |part: u64| (show::number(part), show::percent(part, all));
    let mut figures = Vec::new();
    let mut put = |name, (value, remark): (String, String)| figures.push((name, value, remark));
    put("recipients", (show::number(all), String::new()));
    put("accepted", of_all(tally.fates.pass));
    put("refused for now", of_all(tally.fates.temp));
    put("refused for good", of_all(tally.fates.reject));
    put("sessions", (show::number(tally.sessions), String::new()));
    put("messages", (show::number(tally.messages), show::size(tally.octets)));
    put(
        "would be refused",
        (show::number(tally.would), "accepted, as filters only observed".into()),
    );
    let ledger = &tally.ledger;
    put("groups refused", (show::number(ledger.begun), "client, sender and recipient".into()));
    let delays = &ledger.delays;
    put("accepted later", (show::number(delays.count), "messages, after they were refused".into()));
    if delays.count > 0 {
        let [median, most] = [500, 950].map(|part| show::duration(delays.within(part)));
        put(
            "delay of these",
            (median, format!("median; 95 % {most}, longest {}", show::duration(delays.max))),
        );
    }
    figures
}

/// What there is to know of how the figures came about.
pub(super) fn remarks(report: &Report) -> Vec<String> {
    let (counts, ledger) = (&report.counts, &report.tally.ledger);
    let mut remarks = vec![format!(
        "{} read, {} of them known ({})",
        show::count(counts.lines, "line", "lines"),
        show::number(counts.known()),
        super::styles(counts),
    )];
    if counts.too_long > 0 {
        remarks.push(format!(
            "{} too long and passed over",
            show::count(counts.too_long, "line was", "lines were")
        ));
    }
    if report.early > 0 {
        remarks.push(format!(
            "{} of a time that has not come yet, and left out",
            show::count(report.early, "line was", "lines were")
        ));
    }
    if counts.of(Style::Postfix) > 0 && report.tally.fates.pass == 0 {
        remarks.push(
            "Postfix logs whom it accepts only before a content filter (proxy-accept), which this log has not: nobody \
             is known as accepted"
                .to_owned(),
        );
    }
    if report.tally.at_once > 0 {
        remarks.push(format!(
            "{} refused before a recipient was named: rules, networks and groups have them, recipients have not",
            show::count(report.tally.at_once, "session was", "sessions were"),
        ));
    }
    if report.tally.undecided > 0 {
        remarks.push(format!(
            "{} not decided, as the client gave up",
            show::count(report.tally.undecided, "recipient was", "recipients were"),
        ));
    }
    if ledger.groups.evicted > 0 || ledger.hosts.evicted > 0 {
        remarks.push(format!(
            "memory is bounded: {} groups and {} clients, those seen once and long ago first, were given up; who came \
             back after that is not seen as such. Totals are exact",
            show::number(ledger.groups.evicted),
            show::number(ledger.hosts.evicted),
        ));
    }
    remarks.extend(report.amiss.iter().cloned());
    remarks
}

/// From when to when.
pub(super) fn period(tally: &Tally) -> String {
    match tally.first {
        None => "no times known".to_owned(),
        Some(first) => {
            let days = u64::from(tally.last / 86_400 - first / 86_400) + 1;
            let (from, to) = (show::date(first), show::date(tally.last));
            format!("{from} to {to}, {}", show::count(days, "day", "days"))
        }
    }
}

fn totals(report: &Report, out: &mut String) {
    let _ = writeln!(out, "smtp-wrapper report: {}\n", period(&report.tally));
    for (name, value, remark) in figures(report) {
        let line = format!("  {name:<18} {value:>14}  {remark}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push('\n');
    for remark in remarks(report) {
        let _ = writeln!(out, "  {remark}");
    }
}

fn head(title: &str, out: &mut String) {
    let _ = write!(out, "\n{title}\n\n");
}

/// What is said above the proposals.
pub(super) fn about(proposals: &Proposals) -> String {
    let count = |of: Confidence| proposals.all.iter().filter(|one| one.confidence == of).count();
    let [high, medium, low] = Confidence::ALL.map(|(of, _)| count(of));
    let mut text = format!(
        "{} ({high} high, {medium} medium, {low} low confidence)",
        show::count(proposals.all.len() as u64, "entry", "entries"),
    );
    if proposals.allowed > 0 {
        let hosts = show::count(proposals.allowed as u64, "host is", "hosts are");
        let _ = write!(text, "; {hosts} let in by an entry since and not shown");
    }
    text
}

fn proposed(proposals: &Proposals, out: &mut String) {
    head(&format!("came back as mail servers do: {}", about(proposals)), out);
    if !proposals.all.is_empty() {
        out.push_str(&listed::list(proposals));
    }
}

fn of_rules(title: &str, rules: &[(&[u8], OfRule)], out: &mut String) {
    head(title, out);
    let _ = writeln!(out, "  {:<26} {:>12} {:>12} {:>12}", "", "for now", "for good", "observed");
    for (rule, of) in rules.iter().take(2 * MOST) {
        let _ = writeln!(
            out,
            "  {:<26} {:>12} {:>12} {:>12}",
            show::text(rule),
            show::number(of.temp),
            show::number(of.reject),
            show::number(of.would)
        );
    }
}

fn most(title: &str, all: &[(String, u64)], lacks: u64, out: &mut String) {
    head(title, out);
    let longest = all.first().map_or(0, |(_, count)| *count);
    for (name, count) in all {
        let bar = bar(*count, longest);
        let _ = writeln!(out, "  {name:<40} {:>12} {bar}", show::number(*count));
    }
    if lacks > 0 {
        let _ = writeln!(out, "  (there are many: each may be {} more)", show::number(lacks));
    }
}

fn over_time(title: &str, all: &[(String, Fates)], out: &mut String) {
    head(&format!("{title} (UTC, or as the log has it)"), out);
    let longest = all.iter().map(|(_, of)| of.all()).max().unwrap_or(0);
    let _ = writeln!(out, "  {:<10} {:>11} {:>11} {:>11}", "", "accepted", "for now", "for good");
    for (name, of) in all {
        let [pass, temp, reject] = [of.pass, of.temp, of.reject].map(show::number);
        let line =
            format!("  {name:<10} {pass:>11} {temp:>11} {reject:>11} {}", bar(of.all(), longest));
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn bar(count: u64, longest: u64) -> String {
    let signs = count.saturating_mul(BAR).checked_div(longest).unwrap_or(0);
    "#".repeat(usize::try_from(signs).unwrap_or(0))
}
