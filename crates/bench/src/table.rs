//! Figures in columns, for people.
//!
//! Read next: `report.rs`, `finding.rs`.

use crate::interval::Interval;

/// Lines of a table: the first column to the left, the others to the right.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") }
    };
    let line = |row: &Vec<String>| {
        let line: String = row.iter().zip(&widths).enumerate().map(cell).collect();
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// A figure with as many digits as mean something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size > 0.0 && size < 0.1 => format!("{value:.4}"),
        _ => format!("{value:.2}"),
    }
}

/// A ratio with its interval, marked if that is wide.
pub(crate) fn ratio(interval: Interval) -> String {
    let Interval { value, low, high } = interval;
    let mark = if interval.is_wide() { "*" } else { " " };
    format!("{value:.3} [{low:.3}, {high:.3}]{mark}")
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let cases = [
            (0.984, "0.98"),
            (0.031_26, "0.0313"),
            (12.34, "12.3"),
            (187.6, "188"),
            (1_234.5, "1,234"),
            (1_670_000.0, "1,670,000"),
            (-1_500.0, "-1,500"),
            (0.0, "0.00"),
        ];
        for (value, expected) in cases {
            assert_eq!(figure(value), expected);
        }
    }

    #[test]
    fn a_wide_ratio_is_marked() {
        assert_eq!(ratio(Interval { value: 1.0, low: 0.96, high: 1.05 }), "1.000 [0.960, 1.050] ");
        assert_eq!(ratio(Interval { value: 1.0, low: 0.94, high: 1.05 }), "1.000 [0.940, 1.050]*");
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let table =
            columns(&[row(&["", "ours", "peer"]), row(&["p99", "1.00", "12.00"]), row(&["cpu", "", "x"])]);
        assert_eq!(table, "     ours   peer\np99  1.00  12.00\ncpu            x\n");
    }
}
