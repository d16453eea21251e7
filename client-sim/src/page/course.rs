//! What happened when, as a picture: arrivals, first seats and redirects in each second.
//!
//! Why: whether seats keep up with arrivals, and when redirects set in, is a matter of time.
//! Limits: [`COLUMNS_MAX`] columns; in a longer run each stands for several seconds, and shows their mean.
//! Read next: `latency.rs`.

use crate::chart::{Drawing, Point};
use crate::outcome::Second;

pub(super) const CAPTION: &str = "A second: players who set out (solid), players who got their first seat (dashed), and how \
    often a player was sent elsewhere (dotted).";

const COLUMNS_MAX: usize = 300;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const FOOT: f64 = HEIGHT - 28.0;

/// Name, value, and how its line looks.
type Line = (&'static str, fn(&Second) -> u64, &'static str);
const LINES: [Line; 3] = [
    ("arrivals", |it| it.arrivals, "class=\"a\""),
    ("seats", |it| it.seats, "class=\"b\" stroke-dasharray=\"7 4\""),
    ("redirects", |it| it.redirects, "class=\"c\" stroke-dasharray=\"2 3\""),
];

/// Means of so many seconds each.
struct Columns {
    seconds_each: usize,
    sums: Vec<(Second, usize)>,
}

impl Columns {
    fn of(seconds: &[Second]) -> Self {
        let seconds_each = seconds.len().div_ceil(COLUMNS_MAX).max(1);
        let sum = |part: &[Second]| {
            let mut sum = Second::default();
            for second in part {
                sum.add(*second);
            }
            (sum, part.len())
        };
        Self { seconds_each, sums: seconds.chunks(seconds_each).map(sum).collect() }
    }

    fn line(&self, of: fn(&Second) -> u64) -> impl Iterator<Item = f64> {
        self.sums.iter().map(move |(sum, seconds)| of(sum) as f64 / *seconds as f64)
    }
}

pub(super) fn svg(seconds: &[Second]) -> String {
    let columns = Columns::of(seconds);
    let highest = LINES.iter().flat_map(|(_, of, _)| columns.line(*of)).fold(1.0, f64::max);
    let last = (columns.sums.len().max(2) - 1) as f64;
    let at = |column: usize, value: f64| -> Point {
        (LEFT + (WIDTH - LEFT - RIGHT) * column as f64 / last, FOOT - (FOOT - TOP) * value / highest)
    };
    let mut drawing =
        Drawing::new((WIDTH, HEIGHT), "class=\"chart\"", "What happened when", &in_words(seconds));
    for part in [0.0, 0.5, 1.0] {
        let (_, y) = at(0, highest * part);
        drawing.rule((LEFT, y), (WIDTH - RIGHT, y), "class=\"grid\"");
        drawing.text((LEFT - 8.0, y + 4.0), "end", "class=\"dim\"", &format!("{:.0}/s", highest * part));
    }
    for (column, anchor) in [(0, "start"), (last as usize, "end")] {
        let second = (column * columns.seconds_each).min(seconds.len().saturating_sub(1));
        let (x, _) = at(column, 0.0);
        drawing.text((x, FOOT + 18.0), anchor, "class=\"dim\"", &format!("{second} s"));
    }
    for (number, (name, of, look)) in LINES.iter().enumerate() {
        let points: Vec<Point> =
            columns.line(*of).enumerate().map(|(column, value)| at(column, value)).collect();
        drawing.line(&points, look);
        let x = LEFT + 130.0 * number as f64;
        drawing.line(&[(x, 14.0), (x + 34.0, 14.0)], look);
        drawing.text((x + 42.0, 18.0), "start", "", name);
    }
    drawing.finish()
}

fn in_words(seconds: &[Second]) -> String {
    let line = |(name, of, _): &Line| {
        let all: u64 = seconds.iter().map(of).sum();
        let most = seconds.iter().map(of).max().unwrap_or(0);
        format!("{name}: {all}, at most {most} in a second.")
    };
    let lines: Vec<_> = LINES.iter().map(line).collect();
    format!("Over {} seconds. {}", seconds.len(), lines.join(" "))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_long_run_is_drawn_in_as_many_columns_as_fit() {
        let second = Second { arrivals: 4, seats: 2, redirects: 0 };
        for (seconds, columns, each) in
            [(0, 0, 1), (1, 1, 1), (300, 300, 1), (301, 151, 2), (86_400, 300, 288)]
        {
            let of = Columns::of(&vec![second; seconds]);
            assert_eq!((of.sums.len(), of.seconds_each), (columns, each), "{seconds}");
            assert!(of.line(|it| it.arrivals).all(|mean| (mean - 4.0).abs() < 1e-9));
            let drawn = svg(&vec![second; seconds]);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
