//! Reads logs, line by line: files plain or gzipped, `-` for standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use anyhow::Context;
use flate2::bufread::MultiGzDecoder;

/// No line of ours is longer, whatever syslogd puts in front.
const LONGEST: usize = 64 * 1024;
const BLOCK: usize = 256 * 1024;

/// Hands on each line of a log, without its end; one that is too long for ours is cut.
///
/// # Errors
/// The log cannot be read, to its end or at all.
pub(super) fn lines(name: &str, each: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    let source: Box<dyn Read> = match name {
        "-" => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(name).with_context(|| format!("{name}: cannot be read"))?),
    };
    let mut source = BufReader::with_capacity(BLOCK, source);
    let start = source.fill_buf().with_context(|| format!("{name}: cannot be read"))?;
    let read = match start.starts_with(&[0x1f, 0x8b]) {
        true => through(&mut BufReader::with_capacity(BLOCK, MultiGzDecoder::new(source)), each),
        false => through(&mut source, each),
    };
    read.with_context(|| format!("{name}: cannot be read to its end"))
}

fn through(from: &mut dyn BufRead, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    // What has come of a line that is not whole in the buffer.
    let mut begun: Vec<u8> = Vec::new();
    loop {
        let block = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            block => block?,
        };
        if block.is_empty() {
            break;
        }
        let mut rest = block;
        while let Some((line, after)) = memchr::memchr(b'\n', rest)
            .and_then(|end| Some((rest.get(..end)?, rest.get(end + 1..)?)))
        {
            rest = after;
            if begun.is_empty() {
                each(line);
            } else {
                add(&mut begun, line);
                each(&begun);
                begun.clear();
            }
        }
        add(&mut begun, rest);
        let count = block.len();
        from.consume(count);
    }
    if !begun.is_empty() {
        each(&begun);
    }
    Ok(())
}

fn add(line: &mut Vec<u8>, more: &[u8]) {
    let room = LONGEST.saturating_sub(line.len());
    line.extend_from_slice(more.get(..room).unwrap_or(more));
}
