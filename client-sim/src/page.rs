//! The report as one HTML page that needs nothing else: no script, no other file, no other host.
//!
//! Why: a run is shown to people who were not there. What a table hides, two humps and a long tail, a picture shows.
//! Owns: the page and its pictures (`latency`, `course`). Does not own the numbers; those are [`crate::report`]'s.
//! Invariants: light or dark as the reader's system is; no wider than a phone, with wide things scrolled in their own
//! place; every picture says in words what it shows, every table has its headers; whatever comes from outside is escaped.
//! Limits: pictures have so many columns, however long the run was.
//! Read next: `page/latency.rs`.

mod course;
mod latency;

use crate::chart::escaped;
use crate::outcome::Outcome;
use crate::report::{Report, STEPS, Sum, time};
use std::fmt::{self, Write};

/// How it looks. A colour says nothing that is not said otherwise.
const STYLE: &str = include_str!("page/style.css");

/// The page of a run that was begun by this command.
pub fn html(outcome: &Outcome, report: &Report, command: &str) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut page, outcome, report, command);
    page
}

fn write(out: &mut String, outcome: &Outcome, report: &Report, command: &str) -> fmt::Result {
    let Report { players, seated, failed, seed, .. } = report;
    let title = format!("Usher: {players} players, {seated} seated, {failed} failed");
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>"
    )?;
    let verdict = if report.is_good() {
        "Everybody was seated, nobody failed, and every chat came once and in order."
    } else {
        "NOT everything was as it should be: see what went wrong below."
    };
    writeln!(out, "<p>{verdict}</p>\n<p>Seed {seed}, begun by:</p>\n<pre>{}</pre>", escaped(command))?;
    summary(out, report)?;
    writeln!(out, "<h2>How long each step took</h2>")?;
    figure(out, "latency", &latency::svg(outcome), latency::CAPTION)?;
    steps(out, report)?;
    writeln!(out, "<h2>What happened when</h2>")?;
    figure(out, "course", &course::svg(&report.seconds), course::CAPTION)?;
    writeln!(out, "<h2>What went wrong</h2>")?;
    counts(out, "Errors: why players gave up, and what else was not as it should be", &report.errors)?;
    counts(out, "Drops: connections in a room that were lost", &report.drops)?;
    if !report.servers.is_empty() {
        writeln!(out, "<h2>What the servers used</h2>")?;
        servers(out, report)?;
    }
    writeln!(out, "</main>\n</body>\n</html>")
}

/// A place that is scrolled by itself, by keys too.
fn figure(out: &mut String, id: &str, svg: &str, caption: &str) -> fmt::Result {
    writeln!(
        out,
        "<figure>\n<div class=\"wide\" role=\"group\" tabindex=\"0\" aria-labelledby=\"{id}\">\n{svg}</div>\n\
         <figcaption id=\"{id}\">{}</figcaption>\n</figure>",
        escaped(caption)
    )
}

/// A table: its first column names the rows.
fn table(out: &mut String, caption: &str, heads: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let caption = escaped(caption);
    writeln!(out, "<div class=\"wide\" role=\"group\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>")?;
    writeln!(out, "<caption>{caption}</caption>\n<thead>\n<tr>")?;
    for head in heads {
        writeln!(out, "<th scope=\"col\">{}</th>", escaped(head))?;
    }
    writeln!(out, "</tr>\n</thead>\n<tbody>")?;
    for row in rows {
        let Some((name, cells)) = row.split_first() else { continue };
        write!(out, "<tr><th scope=\"row\">{}</th>", escaped(name))?;
        for cell in cells {
            write!(out, "<td>{}</td>", escaped(cell))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table>\n</div>")
}

fn summary(out: &mut String, report: &Report) -> fmt::Result {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let sum = |Sum { name, number, rest }: Sum| match number {
        Some(number) => row(name, format!("{number} {rest}")),
        None => row(name, rest),
    };
    let mut rows: Vec<_> = report.sums().into_iter().map(sum).collect();
    rows.push(row("latest arrival", format!("{} after its schedule", time(report.arrival_late_max_us))));
    if report.announcements > 0 {
        rows.push(row("announcements", format!("{} heard", report.announcements)));
    }
    table(out, "The run in numbers", &["what", "how many"], &rows)
}

fn steps(out: &mut String, report: &Report) -> fmt::Result {
    let row = |name: &&str| {
        let step = report.steps.get(*name).copied().unwrap_or_default();
        let times = [step.p50, step.p90, step.p99, step.max].map(time);
        [(*name).to_owned(), step.count.to_string()].into_iter().chain(times).collect()
    };
    let rows: Vec<_> = STEPS.iter().map(row).collect();
    table(out, "Percentiles of each step", &["step", "count", "p50", "p90", "p99", "max"], &rows)
}

fn counts(out: &mut String, caption: &str, counts: &std::collections::BTreeMap<String, u64>) -> fmt::Result {
    if counts.is_empty() {
        return writeln!(out, "<p>{}: none.</p>", escaped(caption));
    }
    let rows: Vec<_> = counts.iter().map(|(reason, count)| vec![reason.clone(), count.to_string()]).collect();
    table(out, caption, &["reason", "how often"], &rows)
}

fn servers(out: &mut String, report: &Report) -> fmt::Result {
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let row = |it: &crate::report::ServerUsage| {
        let cpu = format!("{:.2} s", it.cpu_s);
        let connections = it.connections_peak.to_string();
        vec![it.name.clone(), cpu, mib(it.rss_kib), mib(it.rss_kib_peak), connections]
    };
    let rows: Vec<_> = report.servers.iter().map(row).collect();
    let heads = ["server", "cpu", "memory", "most memory", "most connections"];
    table(out, "CPU, memory and connections of each server", &heads, &rows)
}

#[cfg(test)]
mod tests;
