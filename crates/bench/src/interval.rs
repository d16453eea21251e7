//! A median and how far to trust it: the bootstrap's 95 % interval.
//!
//! Slices on a shared machine are not normal and have outliers, so neither a mean nor its standard error says
//! much. The bootstrap asks nothing of the distribution: draw as many of the values as there are, with repetition;
//! the medians of many such draws are the interval (Efron, 1979; the percentile method).
//!
//! - Invariant: the draws are seeded, so the same values give the same interval.
//! - Limit: [`DRAWS`]; more change the third digit of the bounds.
//!
//! Read next: `contest.rs`.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const DRAWS: usize = 2_000;
const SEED: u64 = 1;
/// What lies below the interval, and above it.
const TAIL: f64 = 0.025;
/// A wider interval, as a part of the figure, leaves the figure in doubt.
pub(crate) const WIDTH_MAX: f64 = 0.10;

/// A figure and the interval it is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// A figure that was counted or has no repetition.
    pub(crate) fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// The median of `values`, which must not be empty.
    pub(crate) fn of_median(values: &[f64]) -> Self {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut drawn = vec![0.0; values.len()];
        let mut medians: Vec<f64> = (0..DRAWS)
            .map(|_| {
                drawn.fill_with(|| values[random.random_range(0..values.len())]);
                median(&mut drawn)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let last = DRAWS - 1;
        let low = (TAIL * last as f64).floor() as usize;
        Self { value: median(&mut values.to_vec()), low: medians[low], high: medians[last - low] }
    }

    /// Whether the figure is in doubt.
    pub(crate) fn is_wide(&self) -> bool {
        self.width() > WIDTH_MAX
    }

    /// Its width, as a part of the figure.
    fn width(&self) -> f64 {
        (self.high - self.low) / self.value
    }
}

/// The middle value, or the mean of the two in the middle. Sorts.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)] // the values are taken and not computed, or are sums of small integers
    fn medians() {
        for (values, expected) in [
            (&mut [3.0][..], 3.0),
            (&mut [3.0, 1.0], 2.0),
            (&mut [9.0, 1.0, 2.0], 2.0),
            (&mut [4.0, 1.0, 100.0, 2.0], 3.0),
        ] {
            assert_eq!(median(values), expected);
        }
    }

    #[test]
    fn equal_values_leave_no_doubt() {
        assert_eq!(Interval::of_median(&[1.5; 15]), Interval::exact(1.5));
    }

    #[test]
    fn the_interval_holds_the_median_and_repeats() {
        let values: Vec<f64> = (0..15).map(|index| 1.0 + f64::from(index) / 100.0).collect();
        let interval = Interval::of_median(&values);
        assert!((interval.value - 1.07).abs() < 1e-9);
        assert!(interval.low < interval.value && interval.value < interval.high, "{interval:?}");
        assert!(interval.low > 1.0 && interval.high < 1.14, "{interval:?}");
        assert_eq!(interval, Interval::of_median(&values));
    }

    #[test]
    fn an_outlier_moves_nothing() {
        let mut values = vec![1.0; 15];
        values[7] = 50.0;
        assert_eq!(Interval::of_median(&values), Interval::exact(1.0));
    }

    #[test]
    fn width_is_relative() {
        let interval = Interval { value: 2.0, low: 1.9, high: 2.1 };
        assert!((interval.width() - 0.1).abs() < 1e-9);
    }
}
