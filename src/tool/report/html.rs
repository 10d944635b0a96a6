//! The report as one page: no script, nothing from elsewhere, everything from a log
//! escaped. Beside each chart stand its figures.

use std::fmt::Write as _;

use super::chart::{Bar, bars};
use super::fold::Proposal;
use super::ledger::shown;
use super::tally::{Fates, OfRule};
use super::text::{MOST, about, figures, period, remarks};
use super::{Report, listed, show};

const STYLE: &str = include_str!("page.css");

/// Days that are drawn, the latest ones; more would be thinner than a line.
const DAYS: usize = 366;

/// Proposals that are shown at once.
const PROPOSALS: usize = 20;

/// How long it took until who was refused was accepted: up to so many seconds.
const DELAYS: [(u32, &str); 8] = [
    (300, "5 min"),
    (900, "15 min"),
    (1800, "30 min"),
    (3600, "1 h"),
    (7200, "2 h"),
    (14_400, "4 h"),
    (86_400, "1 day"),
    (u32::MAX, "more"),
];

pub(super) fn page(report: &Report) -> String {
    let tally = &report.tally;
    let period = escaped(&period(tally));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>smtp-wrapper report: {period}</title>\n<style>\n{STYLE}</style></head>\n<body>\n\
         <header><h1>Mail filter report</h1><p>{period}</p></header>\n<main>\n"
    );
    totals(report, &mut out);
    let days: Vec<_> = tally.days.iter().map(|(day, of)| (show::day(*day), *of)).collect();
    let latest = days.len().saturating_sub(DAYS);
    over_time("Days", days.get(latest..).unwrap_or_default(), &mut out);
    proposed(report, &mut out);
    let hours: Vec<_> =
        tally.hours.iter().enumerate().map(|(n, of)| (format!("{n:02}"), *of)).collect();
    over_time("Hours of the day (UTC, or as the log has it)", &hours, &mut out);
    delayed(report, &mut out);
    out.push_str("<div class=\"two\">\n");
    of_rules("Rules", &tally.rules(), &mut out);
    of_rules("Filters", &tally.filters(), &mut out);
    out.push_str("</div>\n<div class=\"two\">\n");
    let networks: Vec<_> =
        tally.networks.most(MOST).into_iter().map(|(net, n)| (shown(net), n)).collect();
    most("Networks refused most", "Network", &networks, tally.networks.lacks, &mut out);
    let senders: Vec<_> =
        tally.senders.most(MOST).into_iter().map(|(name, n)| (show::text(&name), n)).collect();
    most("Sender domains refused most", "Domain", &senders, tally.senders.lacks, &mut out);
    out.push_str("</div>\n</main>\n<footer><ul>");
    for remark in remarks(report) {
        let _ = write!(out, "<li>{}</li>", escaped(&remark));
    }
    let _ = write!(out, "</ul></footer>\n</body></html>\n");
    out
}

/// A text between tags or in quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(char),
        }
    }
    out
}

fn totals(report: &Report, out: &mut String) {
    out.push_str("<dl class=\"figures\">");
    for (name, value, remark) in figures(report) {
        let class = match name {
            "accepted" => " class=\"pass\"",
            "refused for now" => " class=\"temp\"",
            "refused for good" => " class=\"reject\"",
            _ => "",
        };
        let (value, remark) = (escaped(&value), escaped(&remark));
        let _ = write!(
            out,
            "<div{class}><dt>{name}</dt><dd><b>{value}</b><span>{remark}</span></dd></div>"
        );
    }
    out.push_str("</dl>\n");
}

const KEY: &str = "<ul class=\"key\"><li class=\"pass\">accepted</li><li class=\"temp\">refused for now</li>\
                   <li class=\"reject\">refused for good</li></ul>";

fn over_time(title: &str, all: &[(String, Fates)], out: &mut String) {
    let year =
        |one: Option<&(String, Fates)>| one.and_then(|(name, _)| name.get(..4).map(str::to_owned));
    let years = year(all.first()) != year(all.last());
    let columns: Vec<Bar> = all.iter().map(|(name, of)| Bar::of_fates(name, of, years)).collect();
    let id = if title.starts_with("Days") { "days" } else { "hours" };
    let chart = bars(id, &format!("{title}: recipients by what became of them"), &columns);
    let _ = write!(
        out,
        "<section><h2>{title}</h2><div class=\"beside\"><figure>{chart}{KEY}</figure>\
         <div class=\"scroll\" tabindex=\"0\"><table id=\"of-{id}\"><thead><tr><th scope=\"col\"></th><th scope=\"col\">accepted</th>\
         <th scope=\"col\">for now</th><th scope=\"col\">for good</th></tr></thead><tbody>"
    );
    for (name, of) in all {
        let [pass, temp, reject] = [of.pass, of.temp, of.reject].map(show::number);
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{pass}</td><td>{temp}</td><td>{reject}</td></tr>"
        );
    }
    out.push_str("</tbody></table></div></div></section>\n");
}

fn proposed(report: &Report, out: &mut String) {
    let proposals = &report.proposals;
    let _ = write!(
        out,
        "<section><h2>Came back as mail servers do</h2><p class=\"about\">{}</p>",
        escaped(&about(proposals))
    );
    if !proposals.all.is_empty() {
        let (first, rest) = proposals.all.split_at(PROPOSALS.min(proposals.all.len()));
        entries(first, out);
        if !rest.is_empty() {
            let _ = write!(out, "<details><summary>{} more</summary>", rest.len());
            entries(rest, out);
            out.push_str("</details>");
        }
        let _ = write!(
            out,
            "<details class=\"paste\"><summary>As a list for the filter allow</summary><pre tabindex=\"0\">{}</pre></details>",
            escaped(&listed::list(proposals))
        );
    }
    out.push_str("</section>\n");
}

fn entries(proposals: &[Proposal], out: &mut String) {
    out.push_str("<ul class=\"proposals\">");
    for one in proposals {
        let sure = one.confidence.name();
        let _ = write!(
            out,
            "<li><span class=\"sure {sure}\">{sure}</span><code>{}</code><p>{}</p></li>",
            escaped(&one.entry),
            escaped(&listed::reasons(one))
        );
    }
    out.push_str("</ul>");
}

fn delayed(report: &Report, out: &mut String) {
    let delays = &report.tally.ledger.delays;
    if delays.count == 0 {
        return;
    }
    let mut from = 0;
    let mut rows = Vec::new();
    for (to, name) in DELAYS {
        rows.push((name, delays.between(from, to)));
        from = to.saturating_add(1);
    }
    let columns: Vec<Bar> = rows
        .iter()
        .map(|(name, count)| Bar {
            name: (*name).to_owned(),
            parts: vec![("other", *count)],
            told: format!("up to {name}: {}", show::number(*count)),
        })
        .collect();
    let chart = bars("delays", "How long it took until who was refused was accepted", &columns);
    let _ = write!(
        out,
        "<section><h2>Refused, and accepted later</h2><div class=\"beside\"><figure>{chart}</figure><div class=\"scroll\" tabindex=\"0\">\
         <table><thead><tr><th scope=\"col\">after up to</th><th scope=\"col\">messages</th></tr></thead><tbody>"
    );
    for (name, count) in rows {
        let count = show::number(count);
        let _ = write!(out, "<tr><th scope=\"row\">{name}</th><td>{count}</td></tr>");
    }
    out.push_str("</tbody></table></div></div></section>\n");
}

fn of_rules(title: &str, rules: &[(&[u8], OfRule)], out: &mut String) {
    let _ = write!(
        out,
        "<section><h2>{title}</h2><div class=\"scroll\" tabindex=\"0\"><table id=\"of-{}\"><thead><tr><th scope=\"col\"></th>\
         <th scope=\"col\">for now</th><th scope=\"col\">for good</th><th scope=\"col\">observed</th></tr></thead><tbody>",
        title.to_ascii_lowercase()
    );
    for (rule, of) in rules.iter().take(2 * MOST) {
        let [temp, reject, would] = [of.temp, of.reject, of.would].map(show::number);
        let rule = escaped(&show::text(rule));
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{rule}</th><td>{temp}</td><td>{reject}</td><td>{would}</td></tr>"
        );
    }
    out.push_str("</tbody></table></div></section>\n");
}

fn most(title: &str, of: &str, all: &[(String, u64)], lacks: u64, out: &mut String) {
    let longest = all.first().map_or(1, |(_, count)| (*count).max(1));
    let _ = write!(
        out,
        "<section><h2>{title}</h2><div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">{of}</th>\
         <th scope=\"col\">refused</th><td class=\"share\"></td></tr></thead><tbody>"
    );
    for (name, count) in all {
        let share = count.saturating_mul(100) / longest;
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"share\"><i style=\"width:{share}%\"></i></td></tr>",
            escaped(name),
            show::number(*count)
        );
    }
    out.push_str("</tbody></table></div>");
    if lacks > 0 {
        let lacks = show::number(lacks);
        let _ = write!(out, "<p class=\"about\">There are many: each may be {lacks} more.</p>");
    }
    out.push_str("</section>\n");
}
