//! `report`: figures, days, the page, what cannot be written.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "report/run.rs"]
mod run;
#[path = "report/traffic.rs"]
mod traffic;

use std::fs;
use std::process::{Command, Stdio};

use common::Folder;
use run::{figure, report};
use traffic::Month;

#[test]
fn the_figures_are_those_of_the_traffic() {
    let month = Month::new(9);
    let (text, status) = report(&["-"], month.log().as_bytes());
    assert_eq!(status, 0);
    assert!(text.starts_with("smtp-wrapper report: 2026-03-01 to 2026-03-30, 30 days\n"), "{text}");
    let [pass, temp, reject] = month.fates;
    let later = figure(&text, "accepted later");
    for (name, value) in [
        ("recipients", pass + temp + reject),
        ("refused for now", temp),
        ("refused for good", reject),
        ("sessions", pass),
        ("messages", pass),
        ("would be refused", month.would),
    ] {
        assert_eq!(figure(&text, name), value, "{name} in {text}");
    }
    // A message has another recipient nearly each time.
    assert!(later <= month.later && later * 10 >= month.later * 9, "{later} of {}", month.later);
    assert!(text.contains(&format!("; {} hosts are let in", month.allowed)), "{text}");
    // What is told of hours, days, rules and filters adds up to the same.
    let part = |head: &str| -> [u64; 3] {
        let rest = text.split_once(&format!("\n{head}")).expect(head).1;
        let lines = rest.lines().skip(3).take_while(|line| !line.is_empty());
        lines.fold([0; 3], |sum, line| {
            let line = line.trim().split_once(' ').unwrap().1.trim_start();
            let mut columns = line.split("  ").filter(|column| !column.trim().is_empty());
            sum.map(|sum| {
                sum + columns
                    .next()
                    .unwrap()
                    .trim()
                    .split('#')
                    .next()
                    .unwrap()
                    .trim()
                    .replace(' ', "")
                    .parse::<u64>()
                    .unwrap()
            })
        })
    };
    assert_eq!(part("days"), month.fates);
    assert_eq!(part("hours"), month.fates);
    assert_eq!(part("rules"), [temp, reject, month.would]);
    assert_eq!(part("filters"), [temp, reject, month.would]);
}

#[test]
fn days_can_be_chosen() {
    let log = Month::new(3).log();
    let all = report(&["-"], log.as_bytes()).0;
    let (first, _) = report(&["--until", "2026-03-10", "-"], log.as_bytes());
    let (last, _) = report(&["--since=2026-03-11", "-"], log.as_bytes());
    assert!(
        first.starts_with("smtp-wrapper report: 2026-03-01 to 2026-03-10, 10 days\n"),
        "{first}"
    );
    let sum = figure(&first, "recipients") + figure(&last, "recipients");
    assert_eq!(sum, figure(&all, "recipients"));
    let (text, status) = report(&["--since", "yesterday", "-"], b"");
    assert!(status == 78 && text.contains("must be a day"), "{text}");
}

#[test]
fn the_page_stands_alone_and_has_the_figures_of_the_text() {
    let folder = Folder::fresh();
    let page = folder.file("page.html");
    let log = Month::new(4).log();
    let (text, _) = report(&["--html", page.to_str().unwrap(), "-"], log.as_bytes());
    let page = fs::read_to_string(page).unwrap();
    for other in ["http:", "https:", "//", "src=", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(other), "the page has {other}");
    }
    for line in text.lines().skip(2).take(10) {
        let name = line.trim().split("  ").next().unwrap();
        let value = line.trim().split_once("  ").unwrap().1.trim().split("  ").next().unwrap();
        assert!(page.contains(&format!("<dt>{name}</dt><dd><b>{value}</b>")), "{name} {value}");
    }
}

#[test]
fn what_cannot_be_written_is_told() {
    let log = Month::new(4).log();
    let folder = Folder::fresh();
    let file = folder.file("mail.log");
    fs::write(&file, &log[..50_000]).unwrap();
    let run = |words: &[&str], out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
        let output = command.arg("report").args(words).arg(&file).stdout(out).output().unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
    };
    for words in [&[][..], &["--allow"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (text, status) = run(words, full.into());
        assert!(status == 78 && text.contains("standard output: "), "{status} {text}");
    }
    let page = folder.file("page.html");
    // Somebody's file is not written through a link to it.
    let (victim, link) = (folder.file("victim"), folder.file("link.html"));
    fs::write(&victim, "own").unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    let (text, status) = run(&["--html", link.to_str().unwrap()], Stdio::null());
    assert!(status == 78 && text.contains("symbolic link"), "{status} {text}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "own");
    for _ in 0..2 {
        let (text, status) = run(&["--html", page.to_str().unwrap()], Stdio::null());
        assert_eq!((&*text, status), ("", 0));
    }
    let names = fs::read_dir(folder.file("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_str().unwrap().starts_with("page.html.")));
    let (text, status) =
        run(&["--html", folder.file("no/page.html").to_str().unwrap()], Stdio::null());
    assert!(status == 78 && text.contains("page.html"), "{text}");
    let (_, status) = run(&["--html", "/dev/null"], Stdio::null());
    assert_eq!(status, 0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn days_without_lines_and_times_to_come_are_told() {
    let log = Month::new(3).log();
    let log = &log[..log[..100_000].rfind('\n').unwrap() + 1];
    let (text, status) = report(&["--until", "2020-01-01", "-"], log.as_bytes());
    assert!(status == 1 && text.contains("no line is of these days"), "{text}");
    let (text, status) = report(&["--since=2026-03-03", "--until=2026-03-02", "-"], log.as_bytes());
    assert!(status == 78 && text.contains("--since is later than --until"), "{text}");
    let first = log.lines().next().unwrap();
    let sid = first.split(' ').nth(1).unwrap();
    // 2099.
    let late = first.replace(sid, "sid=e78ab5a9c4000.1");
    let (text, status) = report(&["-"], format!("{log}{late}\n").as_bytes());
    assert!(status == 0 && text.contains("1 line was of a time that has not come yet"), "{text}");
    let counted =
        |text: &str| text.lines().find(|line| line.contains("2026-03-01 to ")).unwrap().to_owned();
    assert_eq!(counted(&text), counted(&report(&["-"], log.as_bytes()).0));
    assert!(!text.contains("2099"), "{text}");
}

#[test]
fn the_charts_names_have_room_and_their_year() {
    let folder = Folder::fresh();
    let page = folder.file("page.html");
    let day = |day: u64| {
        let micros = (traffic::BEGINS - day * 86_400) * 1_000_000;
        format!(
            "v=1 sid={micros:x}.1 ip=[192.0.2.1] port=1 verdict=pass rule=mta code=250 at=message would=- t=0.1\n"
        )
    };
    for (days, first) in [(50, "01-11"), (400, "2025-03-01")] {
        let log: String = (0..days).map(day).collect();
        report(&["--html", page.to_str().unwrap(), "-"], log.as_bytes());
        let page = fs::read_to_string(&page).unwrap();
        let label = page.split_once("<text class=\"x\"").unwrap().1.split(['>', '<']).nth(1);
        assert_eq!(label, Some(first));
        for text in page.split("<text class=\"x\" x=\"").skip(1) {
            let at: f64 = text.split('"').next().unwrap().parse().unwrap();
            let name = text.split(['>', '<']).nth(1).unwrap();
            assert!(at + 5.5 * name.len() as f64 <= 720.0, "{at} {name}");
        }
    }
}
