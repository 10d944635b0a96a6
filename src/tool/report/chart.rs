//! Charts as SVG, drawn here: bars that stand for something over time. Colours are the
//! page's, by class, so that they follow light, dark and print.

use std::fmt::Write as _;

use super::show;
use super::tally::Fates;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
/// Room for the figures at the left, the names below, and a little above.
const LEFT: f64 = 74.0;
const BELOW: f64 = 26.0;
const ABOVE: f64 = 18.0;
/// Half the width of a sign of a name, on a small screen: the last one is not to be cut.
const HALF_A_SIGN: f64 = 6.0;
/// Names below the bars at most.
const NAMES: usize = 8;

/// A bar of several parts, from the ground up: class and size.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) parts: Vec<(&'static str, u64)>,
    /// What is told of it when it is pointed at.
    pub(super) told: String,
}

impl Bar {
    /// Recipients by their fate; of a day, its year is shown only if there are several.
    pub(super) fn of_fates(name: &str, of: &Fates, years: bool) -> Bar {
        let parts = vec![("pass", of.pass), ("temp", of.temp), ("reject", of.reject)];
        let [pass, temp, reject] = [of.pass, of.temp, of.reject].map(show::number);
        let told = format!("{name}: {pass} accepted, {temp} refused for now, {reject} for good");
        let name = name.get(5..).filter(|_| !years).unwrap_or(name).to_owned();
        Bar { name, parts, told }
    }

    fn size(&self) -> u64 {
        self.parts.iter().map(|(_, size)| size).sum()
    }
}

/// The chart. Names and what is told are printable ASCII and no markup.
#[allow(clippy::cast_precision_loss, reason = "it is for the eye")]
pub(super) fn bars(id: &str, title: &str, bars: &[Bar]) -> String {
    let top = round(bars.iter().map(Bar::size).max().unwrap_or(0).max(1));
    let (ground, room) = (HEIGHT - BELOW, HEIGHT - BELOW - ABOVE);
    let height = |size: u64| size as f64 / top as f64 * room;
    let step = (WIDTH - LEFT) / bars.len().max(1) as f64;
    let width = (step * 0.78).clamp(0.5, 46.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}\">\
         <title id=\"{id}\">{title}</title>"
    );
    for quarter in 0..=4 {
        let size = top / 4 * quarter;
        let y = ground - height(size);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            short(size)
        );
    }
    let named = bars.len().div_ceil(NAMES).max(1);
    for (n, bar) in bars.iter().enumerate() {
        let x = LEFT + step * n as f64 + (step - width) / 2.0;
        let _ = write!(svg, "<g><title>{}</title>", bar.told);
        // The whole column can be pointed at.
        let _ = write!(
            svg,
            "<rect class=\"column\" x=\"{:.2}\" y=\"{ABOVE}\" width=\"{step:.2}\" height=\"{room}\"/>",
            LEFT + step * n as f64
        );
        let mut y = ground;
        for (class, size) in bar.parts.iter().filter(|(_, size)| *size > 0) {
            let tall = height(*size);
            y -= tall;
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{tall:.2}\"/>"
            );
        }
        svg.push_str("</g>");
        if n % named == 0 {
            let _ = write!(
                svg,
                "<text class=\"x\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                (x + width / 2.0).min(WIDTH - bar.name.len() as f64 * HALF_A_SIGN),
                HEIGHT - 8.0,
                bar.name
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The next number of one digit and zeros, or half of one, that four goes into.
fn round(number: u64) -> u64 {
    let mut scale = 4_u64;
    loop {
        for step in [1, 2, 3, 5] {
            let candidate = scale.saturating_mul(step);
            if candidate >= number {
                return candidate;
            }
        }
        match scale.checked_mul(10) {
            Some(next) => scale = next,
            None => return number,
        }
    }
}

/// A number for an axis.
#[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
fn short(number: u64) -> String {
    let (size, unit) = match number {
        ..10_000 => return show::number(number),
        10_000..1_000_000 => (number as f64 / 1e3, "k"),
        _ => (number as f64 / 1e6, "M"),
    };
    let text = format!("{size:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}
