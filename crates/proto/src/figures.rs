//! Figures: what a machine counts, with what there is to know about each.
//!
//! Why: whoever counts knows what a number means. It says so where it states the number, and the page of metrics needs
//! to know no machine.
//! Owns: [`Figure`], and [`Figures`], the list that a machine fills.
//! Invariants: names and kinds follow Prometheus' conventions (<https://prometheus.io/docs/practices/naming/>): a
//! counter's name ends in `_total`. A name has one kind and one help wherever it is stated.
//! Limits: a label's text is a word of the program; a label's number is bounded by whoever states it.
//! Read next: [`crate::Machine::figures`].

use crate::ids::RoomNo;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

/// How a figure moves, and what it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It comes and goes.
    Gauge,
    /// A counter of time. Its value is in nanoseconds; it is shown in seconds, as Prometheus counts time.
    Nanoseconds,
}

/// What tells a figure from the others of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// A word.
    Text(&'static str),
    /// A number, as a room's.
    Number(u64),
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<RoomNo> for Label {
    fn from(room: RoomNo) -> Self {
        Self::Number(room.0.into())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// One number, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// How it moves.
    pub kind: FigureKind,
    /// Its label, key and value, if there are several of its name.
    pub label: Option<(&'static str, Label)>,
    /// The number.
    pub value: u64,
}

impl fmt::Display for Figure {
    /// Its series as Prometheus writes it: `usher_claims_total{verdict="granted"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label {
            None => f.write_str(self.name),
            Some((key, label)) => write!(f, "{}{{{key}=\"{label}\"}}", self.name),
        }
    }
}

/// What a machine has to show, in the order it says it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    list: Vec<Figure>,
}

impl Figures {
    /// States a counter.
    pub fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.list.push(Figure { name, help, kind: FigureKind::Counter, label: None, value });
    }

    /// States a gauge.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.list.push(Figure { name, help, kind: FigureKind::Gauge, label: None, value });
    }

    /// States counters that share a name: the value of each label.
    pub fn counters<L: Into<Label>>(
        &mut self,
        name: &'static str,
        help: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.labelled(FigureKind::Counter, (name, help), key, values);
    }

    /// States gauges that share a name.
    pub fn gauges<L: Into<Label>>(
        &mut self,
        name: &'static str,
        help: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.labelled(FigureKind::Gauge, (name, help), key, values);
    }

    /// States counters of time that share a name; the values are in nanoseconds.
    pub fn times<L: Into<Label>>(
        &mut self,
        name: &'static str,
        help: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.labelled(FigureKind::Nanoseconds, (name, help), key, values);
    }

    fn labelled<L: Into<Label>>(
        &mut self,
        kind: FigureKind,
        (name, help): (&'static str, &'static str),
        key: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        let figure = |(label, value): (L, u64)| {
            let label = Some((key, label.into()));
            Figure { name, help, kind, label, value }
        };
        self.list.extend(values.into_iter().map(figure));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Figure> {
        self.list.iter()
    }

    /// The value of a series, named as Prometheus names it; summed if it is stated more than once.
    pub fn value(&self, series: &str) -> Option<u64> {
        let (name, _) = series.split_once('{').unwrap_or((series, ""));
        let found = self.iter().filter(|figure| figure.name == name && figure.to_string() == series);
        found.map(|figure| figure.value).reduce(|sum, value| sum + value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_name_and_label() {
        let mut figures = Figures::default();
        figures.gauge("usher_serving", "Visitors.", 3);
        figures.counters("usher_busy_total", "Refused.", "cause", [("link", 4), ("full", 5)]);
        figures.times("usher_room_logic_seconds_total", "Time.", "room", [(RoomNo(7), 6), (RoomNo(70), 1)]);
        figures.gauge("usher_serving", "Visitors.", 1);
        for (series, value) in [
            ("usher_serving", Some(4)),
            ("usher_busy_total{cause=\"link\"}", Some(4)),
            ("usher_busy_total{cause=\"full\"}", Some(5)),
            ("usher_room_logic_seconds_total{room=\"7\"}", Some(6)),
            ("usher_busy_total", None),
            ("usher_busy_total{cause=\"hops\"}", None),
            ("usher_serving{cause=\"link\"}", None),
        ] {
            assert_eq!(figures.value(series), value, "{series}");
        }
    }
}
