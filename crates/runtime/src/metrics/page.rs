//! A page of metrics: families by name, each with its help and its values, and how they are written down.
//!
//! Why: Prometheus asks for OpenMetrics; who looks by hand, and `promtool check metrics`, read the older text. The two
//! differ in little: a counter's family is called by its name without `_total` in OpenMetrics, and with it in the other.
//! Owns: the page, [`Format`] and the choice between the two.
//! Invariants: a family has one help and one kind; a counter's series end in `_total`.
//! Read next: [`super`], which fills pages.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use usher_hpserver::Delays;
use usher_proto::figures::{Figure, FigureKind};

/// How a page is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    Classic,
}

impl Format {
    /// What a request's `Accept` headers ask for: OpenMetrics if they name it, else what everybody reads.
    pub fn accepted<'a>(accept: impl IntoIterator<Item = &'a str>) -> Self {
        let asked = accept.into_iter().flat_map(|list| list.split(',')).any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named =
                parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            named && !parts.any(|it| it.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
        });
        if asked { Self::OpenMetrics } else { Self::Classic }
    }

    /// The content type of such a page.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The families of a page, by name.
#[derive(Debug, Default)]
pub(super) struct Page {
    families: BTreeMap<String, Family>,
}

/// A family's name and its help.
pub(super) type Name<'a> = (&'a str, &'static str);

#[derive(Debug)]
struct Family {
    help: &'static str,
    values: Values,
}

type Labels = Vec<(String, String)>;

#[derive(Debug)]
enum Values {
    Numbers(FigureKind, Vec<(Labels, u64)>),
    Delays(Vec<(Labels, Delays)>),
}

impl Page {
    pub(super) fn counter(&mut self, name: Name<'_>, labels: &[(&str, &str)], value: u64) {
        self.number(name, FigureKind::Counter, labels, value);
    }

    pub(super) fn gauge(&mut self, name: Name<'_>, labels: &[(&str, &str)], value: u64) {
        self.number(name, FigureKind::Gauge, labels, value);
    }

    /// A counter of time.
    pub(super) fn seconds(&mut self, name: Name<'_>, labels: &[(&str, &str)], nanoseconds: u64) {
        self.number(name, FigureKind::Nanoseconds, labels, nanoseconds);
    }

    /// A machine's own figure.
    pub(super) fn figure(&mut self, figure: &Figure) {
        let Figure { name, help, kind, label, value } = *figure;
        let label = label.map(|(key, label)| (key, label.to_string()));
        let label = label.as_ref().map(|(key, text)| (*key, text.as_str()));
        self.number((name, help), kind, label.as_slice(), value);
    }

    /// A histogram.
    pub(super) fn delays(&mut self, (name, help): Name<'_>, labels: &[(&str, &str)], delays: Delays) {
        let family = self.families.entry(name.into());
        let family = family.or_insert_with(|| Family { help, values: Values::Delays(Vec::new()) });
        if let Values::Delays(values) = &mut family.values {
            values.push((owned(labels), delays));
        }
    }

    /// That a counter's name ends in `_total` is added to it where it is written.
    fn number(&mut self, (name, help): Name<'_>, kind: FigureKind, labels: &[(&str, &str)], value: u64) {
        let name = name.strip_suffix("_total").unwrap_or(name);
        let family = self.families.entry(name.into());
        let family = family.or_insert_with(|| Family { help, values: Values::Numbers(kind, Vec::new()) });
        debug_assert_eq!(family.help, help, "{name} is said to be two things");
        if let Values::Numbers(known, values) = &mut family.values {
            debug_assert_eq!(*known, kind, "{name} is said to be two things");
            values.push((owned(labels), value));
        }
    }

    pub(super) fn text(self, format: Format) -> String {
        let counters = self.families.iter().filter(|(_, family)| family.values.is_counter());
        let counters: Vec<_> = counters.map(|(name, _)| name.clone()).collect();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        if let Err(error) = encode_registry(&mut text, &registry) {
            tracing::error!(%error, "the metrics page could not be written");
        }
        match format {
            Format::OpenMetrics => text + "# EOF\n",
            Format::Classic => classic(&text, &counters),
        }
    }
}

/// The same page as the older text has it: the comments on a counter name its series.
fn classic(text: &str, counters: &[String]) -> String {
    let mut page = String::with_capacity(text.len() + counters.len() * 12);
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let comment = (words.next(), words.next(), words.next(), words.next());
        if let (Some("#"), Some(what), Some(name), Some(rest)) = comment
            && counters.binary_search_by(|counter| counter.as_str().cmp(name)).is_ok()
        {
            page.extend(["# ", what, " ", name, "_total ", rest, "\n"]);
        } else {
            page.extend([line, "\n"]);
        }
    }
    page
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect()
}

impl Values {
    fn is_counter(&self) -> bool {
        matches!(self, Self::Numbers(FigureKind::Counter | FigureKind::Nanoseconds, _))
    }

    fn metric_type(&self) -> MetricType {
        match self {
            _ if self.is_counter() => MetricType::Counter,
            Self::Numbers(..) => MetricType::Gauge,
            Self::Delays(_) => MetricType::Histogram,
        }
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, Family { help, values }) in &self.families {
            let metric = encoder.encode_descriptor(name, help, None, values.metric_type())?;
            match values {
                Values::Numbers(kind, numbers) => {
                    encode_each(metric, numbers, |metric, number| encode_number(metric, *kind, *number))?;
                }
                Values::Delays(delays) => encode_each(metric, delays, encode_delays)?,
            }
        }
        Ok(())
    }
}

fn encode_each<T>(
    mut metric: MetricEncoder<'_>,
    values: &[(Labels, T)],
    encode: impl Fn(&mut MetricEncoder<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    values.iter().try_for_each(|(labels, value)| {
        if labels.is_empty() {
            encode(&mut metric, value)
        } else {
            encode(&mut metric.encode_family(labels)?, value)
        }
    })
}

fn encode_number(metric: &mut MetricEncoder<'_>, kind: FigureKind, value: u64) -> fmt::Result {
    match kind {
        FigureKind::Counter => metric.encode_counter::<NoLabelSet, u64, u64>(&value, None),
        FigureKind::Gauge => metric.encode_gauge(&value),
        FigureKind::Nanoseconds => {
            metric.encode_counter::<NoLabelSet, f64, u64>(&seconds(Duration::from_nanos(value)), None)
        }
    }
}

fn encode_delays(metric: &mut MetricEncoder<'_>, delays: &Delays) -> fmt::Result {
    let bounds = Delays::BOUNDS.into_iter().map(seconds).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(delays.counts).collect();
    metric.encode_histogram::<NoLabelSet>(seconds(delays.sum), delays.count(), &buckets, None)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_open_metrics_gets_it_and_everybody_else_the_older_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let cases: [(&[&str], Format); 7] = [
            (&[], Format::Classic),
            (&["*/*"], Format::Classic),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Format::Classic),
            (&["text/plain"], Format::Classic),
            (&["application/openmetrics-text;q=0.0,text/plain"], Format::Classic),
            (&[prometheus], Format::OpenMetrics),
            (&["text/plain", "Application/OpenMetrics-Text; version=1.0.0"], Format::OpenMetrics),
        ];
        for (accept, format) in cases {
            assert_eq!(Format::accepted(accept.iter().copied()), format, "{accept:?}");
        }
    }

    /// A page with a family of each kind.
    fn page() -> Page {
        let mut page = Page::default();
        page.counter(("usher_publishes", "Broadcasts."), &[], 2);
        page.seconds(("usher_cpu_seconds", "Time."), &[("of", "all")], 1_500_000_000);
        page.gauge(("usher_publishes_now", "Now."), &[], 3);
        let mut delays = Delays::default();
        delays.note(Duration::from_micros(70));
        delays.note(Duration::from_secs(9));
        page.delays(("usher_delay_seconds", "Waits."), &[("stage", "send")], delays);
        page
    }

    #[test]
    fn both_texts_say_the_same_numbers_under_each_ones_headings() {
        let (open, classic) = (page().text(Format::OpenMetrics), page().text(Format::Classic));
        let numbers = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect()
        };
        assert_eq!(numbers(&open), numbers(&classic));
        for series in [
            "usher_publishes_total 2",
            "usher_cpu_seconds_total{of=\"all\"} 1.5",
            "usher_publishes_now 3",
            "usher_delay_seconds_count{stage=\"send\"} 2",
            "usher_delay_seconds_bucket{le=\"0.00005\",stage=\"send\"} 0",
            "usher_delay_seconds_bucket{le=\"0.0001\",stage=\"send\"} 1",
            "usher_delay_seconds_bucket{le=\"+Inf\",stage=\"send\"} 2",
        ] {
            assert!(numbers(&open).iter().any(|line| line == series), "no {series} in:\n{open}");
        }
        assert!(open.ends_with("# EOF\n") && !classic.contains("EOF"));
        let both = "# HELP usher_publishes_now Now.\n# TYPE usher_publishes_now gauge\n";
        assert!(open.contains(both) && classic.contains(both));
        assert!(open.contains("# HELP usher_publishes Broadcasts.\n# TYPE usher_publishes counter\n"));
        assert!(
            classic
                .contains("# HELP usher_publishes_total Broadcasts.\n# TYPE usher_publishes_total counter\n")
        );
        assert!(classic.contains("# TYPE usher_delay_seconds histogram\n"));
    }
}
