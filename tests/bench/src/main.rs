//! What a session costs beside the floor. Started by `tests/bench/run`, which says what is printed.

mod cgroup;
mod client;
mod count;
mod default;
mod figure;
mod filters;
mod folder;
mod front;
mod guard;
mod launch;
mod lists;
mod log;
mod measure;
mod mta;
mod name_server;
mod order;
mod peers;
mod place;
mod process;
mod server;
mod tally;
mod thousand;
mod tls;

use default::DefaultSession;
use figure::Figure;
use log::Log;
use measure::{Bench, Scale};
use mta::Mta;
use server::Subject;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io, thread};
use tally::{Measured, Tally};

const USAGE: &str = "usage: tests/bench/run [--quick] [--peers | --counts | --order] BINARY";
/// A missed time budget is measured anew this often in all, and the best round counts: others share the machine.
const ROUNDS: usize = 3;

/// Longer than any machine takes. A session that never ends would otherwise hold up everything.
const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);

type Measurement = fn(&Bench) -> io::Result<Vec<Figure>>;

/// What is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Budgets,
    Counts,
    Order,
    Peers,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let Some((first, command)) = words.split_first()
        && first == "launch"
    {
        return finish(launch::run(command).map(|()| true));
    }
    let (mut floor, mut binary, mut quick, mut mode) = (None, None, false, Mode::Budgets);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => quick = true,
            "--counts" => mode = Mode::Counts,
            "--order" => mode = Mode::Order,
            "--peers" => mode = Mode::Peers,
            "--floor" => floor = words.next(),
            _ if word.starts_with('-') || binary.is_some() => return usage(),
            _ => binary = Some(word),
        }
    }
    match (floor, binary) {
        (Some(floor), Some(binary)) => finish(run(&floor, &binary, quick, mode)),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn finish(result: io::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(floor: &str, binary: &str, quick: bool, mode: Mode) -> io::Result<bool> {
    let path = fs::canonicalize(binary)
        .map_err(|error| io::Error::new(error.kind(), format!("{binary}: {error}")))?;
    let binary = path.to_str().ok_or_else(|| io::Error::other("the binary's path is not UTF-8"))?;
    let private = place::private_network()?;
    let cpus = place::cpus()?;
    place::settle_on(cpus.load)?;
    let mta = Mta::start(measure::IDLE_SESSIONS + 8).map_err(|error| {
        io::Error::new(error.kind(), format!("the MTA on port {}: {error}", mta::PORT))
    })?;
    let log = Log::start()?;
    thread::spawn(|| {
        thread::sleep(TIME_LIMIT);
        eprintln!("bench: a session does not end: given up");
        std::process::exit(1);
    });
    let scale = if quick {
        let peak_name = "peak memory, 100 MB message, KiB (beside: 1 KB)";
        Scale { repetitions: 5, sessions: 200, great_message: 100_000_000, peak_name }
    } else {
        let peak_name = "peak memory, 1 GB message, KiB (beside: 1 KB)";
        Scale { repetitions: 9, sessions: 500, great_message: 1_000_000_000, peak_name }
    };
    let logged = Subject::new(binary, &["--log", &log.option()]);
    let bench = Bench {
        cpus,
        scale,
        floor: Subject::new(floor, &[]),
        plain: Subject::new(binary, &["--log", "none"]),
        default: DefaultSession::new(&logged, floor)?,
        logged,
        mta,
        log_lines: Arc::clone(&log.lines),
    };
    match mode {
        Mode::Counts => bench.print_counts().map(|()| true),
        Mode::Order => bench.print_order().map(|()| true),
        Mode::Peers if !private => {
            Err(io::Error::other("--peers must be root: Postfix, and a network with a name server"))
        }
        Mode::Peers => bench.peers(),
        Mode::Budgets => Ok(budgets(&bench, private)),
    }
}

fn budgets(bench: &Bench, private: bool) -> bool {
    let mut results: Vec<Measured> = vec![
        ("short sessions", in_rounds(bench, Bench::short_sessions)),
        ("idle sessions", Bench::idle(bench)),
        ("counts", Bench::counts(bench)),
        ("a line of the log", Bench::log_line(bench)),
        ("50 MB message", in_rounds(bench, Bench::bulk)),
        ("peak memory", Bench::peak(bench)),
        ("default sessions", in_rounds(bench, Bench::default_cpu)),
        ("counts of default sessions", Bench::default_counts(bench)),
        ("filters", Bench::filters(bench)),
        ("S25R", Bench::s25r(bench)),
        ("identity", Bench::identity(bench)),
        ("a great list", in_rounds(bench, Bench::great_list)),
        ("a small list", Bench::small_list(bench)),
        ("handshakes", in_rounds(bench, Bench::handshakes)),
        ("idle encrypted sessions", Bench::encrypted_idle(bench)),
        ("a message over TLS", in_rounds(bench, Bench::encrypted_bulk)),
        ("null filter", in_rounds(bench, Bench::null_filter)),
    ];
    let launchers = match peers::in_path("tcpserver") {
        true => in_rounds(bench, Bench::launchers),
        false => Err(io::Error::other("no tcpserver here (Debian: ucspi-tcp)")),
    };
    results.push(("`listen` beside tcpserver", launchers));
    // The last: its many threads of the MTA stay.
    results.push(("a thousand sessions", Bench::thousand(bench)));

    println!("| | floor | smtp-wrapper | ratio | budget |\n|---|---:|---:|---:|---:|");
    for figure in results.iter().filter_map(|(_, result)| result.as_ref().ok()).flatten() {
        println!("{}", figure.row());
    }
    println!();
    if !private {
        println!("note: not root, so not in a network of its own");
    }
    let mut tally = Tally::default();
    tally.budgets(&results);
    bench.guard(&mut tally);
    bench.check_readme(&mut tally);
    tally.sum()
}

fn in_rounds(bench: &Bench, measure: Measurement) -> io::Result<Vec<Figure>> {
    let mut best = measure(bench)?;
    for _ in 1..ROUNDS {
        if best.iter().all(Figure::met) {
            break;
        }
        for (best, again) in best.iter_mut().zip(measure(bench)?) {
            if again.better_than(best) {
                *best = again;
            }
        }
    }
    Ok(best)
}
