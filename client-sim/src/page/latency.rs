//! How long each step took, as a picture: a row a step, time on a logarithmic axis.
//!
//! Why: from a tenth of a millisecond to seconds is one axis only if each tenfold has the same width.
//! Limits: [`BINS_A_DECADE`] bars for each tenfold; a row's highest bar fills its height.
//! Read next: `course.rs`.

use crate::chart::Drawing;
use crate::outcome::{Counted, Outcome};
use crate::report::{STEPS, percentiles, time};

pub(super) const CAPTION: &str = "A row for each step, with how many took so long: the further right the slower, ten times as \
    long at each line. The marks are the 50th percentile (longest), the 90th and the 99th (shortest).";

const WIDTH: f64 = 640.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 10.0;
const ROW: f64 = 42.0;
/// Of a row, what the highest bar takes.
const BAR: f64 = 32.0;
const BINS_A_DECADE: f64 = 10.0;

/// Decades, of microseconds.
struct Axis {
    from: u32,
    to: u32,
}

impl Axis {
    fn over<'a>(steps: impl Iterator<Item = &'a Counted>) -> Self {
        let decades = steps.flatten().map(|(us, _)| us.max(&1).ilog10());
        let (from, to) = decades.fold((u32::MAX, 0), |(from, to), it| (from.min(it), to.max(it + 1)));
        Self { from: from.min(to), to: to.max(from.min(to) + 1) }
    }

    /// 0 at the left end, 1 at the right.
    fn share(&self, us: u64) -> f64 {
        let decades = (us.max(1) as f64).log10() - f64::from(self.from);
        (decades / f64::from(self.to - self.from)).clamp(0.0, 1.0)
    }

    fn x(&self, us: u64) -> f64 {
        LEFT + self.share(us) * (WIDTH - LEFT - RIGHT)
    }

    fn bins(&self) -> usize {
        (f64::from(self.to - self.from) * BINS_A_DECADE) as usize
    }

    /// How many values are in each bin.
    fn counts(&self, values: &Counted) -> Vec<u64> {
        let mut counts = vec![0; self.bins()];
        for (us, count) in values {
            let bin = (self.share(*us) * self.bins() as f64) as usize;
            counts[bin.min(self.bins() - 1)] += count;
        }
        counts
    }
}

pub(super) fn svg(outcome: &Outcome) -> String {
    let steps: Vec<_> = STEPS
        .iter()
        .filter_map(|name| Some((*name, outcome.steps.get(*name).filter(|values| !values.is_empty())?)))
        .collect();
    let axis = Axis::over(steps.iter().map(|(_, values)| *values));
    let foot = TOP + ROW * steps.len() as f64;
    let words: Vec<_> = steps.iter().map(|(name, values)| in_words(name, values)).collect();
    let description = if words.is_empty() { "No step was taken.".into() } else { words.join(" ") };
    let mut drawing =
        Drawing::new((WIDTH, foot + 24.0), "class=\"chart\"", "How long each step took", &description);
    for decade in axis.from..=axis.to {
        let us = 10_u64.pow(decade);
        drawing.rule((axis.x(us), TOP), (axis.x(us), foot), "class=\"grid\"");
        drawing.text((axis.x(us), foot + 16.0), "middle", "class=\"dim\"", &round(us));
    }
    for (row, (name, values)) in steps.iter().enumerate() {
        draw(&mut drawing, &axis, name, values, TOP + ROW * (row + 1) as f64);
    }
    drawing.finish()
}

/// One row, standing on `foot`.
fn draw(drawing: &mut Drawing, axis: &Axis, name: &str, values: &Counted, foot: f64) {
    drawing.rule((LEFT, foot), (WIDTH - RIGHT, foot), "class=\"grid\"");
    drawing.text((LEFT - 8.0, foot - 4.0), "end", "", name);
    let counts = axis.counts(values);
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let width = (WIDTH - LEFT - RIGHT) / counts.len() as f64;
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (*count as f64 / most * BAR).max(1.0);
        drawing.rect((LEFT + width * bin as f64, foot - height), (width, height), "class=\"bar\"");
    }
    let percentiles = percentiles(values);
    for (us, height) in [(percentiles.p50, BAR), (percentiles.p90, BAR * 0.7), (percentiles.p99, BAR * 0.4)] {
        drawing.rule((axis.x(us), foot), (axis.x(us), foot - height), "class=\"mark\"");
    }
}

fn in_words(name: &str, values: &Counted) -> String {
    let it = percentiles(values);
    let [p50, p90, p99, max] = [it.p50, it.p90, it.p99, it.max].map(time);
    format!(
        "{name}: {} took {p50} at the 50th percentile, {p90} at the 90th, {p99} at the 99th, {max} at most.",
        it.count
    )
}

/// A power of ten.
fn round(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn each_tenfold_has_the_same_width_and_every_value_its_bin() {
        let values = vec![(150, 3), (1_000, 4), (99_999, 5)];
        let axis = Axis::over([&values].into_iter());
        assert_eq!((axis.from, axis.to, axis.bins()), (2, 5, 30));
        let widths = [100, 1_000, 10_000].map(|us| axis.x(us * 10) - axis.x(us));
        assert!(widths.iter().all(|width| (width - widths[0]).abs() < 1e-9), "{widths:?}");
        let counts = axis.counts(&values);
        assert_eq!(counts.iter().sum::<u64>(), 12);
        assert_eq!((counts[1], counts[10], counts[29]), (3, 4, 5), "{counts:?}");
        let none = Axis::over(std::iter::empty());
        assert!(none.to > none.from, "there is an axis also where there is nothing");
    }
}
