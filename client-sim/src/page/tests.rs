//! The page says what the report says, in good order, and takes nothing in that is not text.

use super::*;
use crate::outcome::Second;
use crate::report::ServerUsage;
use std::collections::BTreeMap;

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "!DOCTYPE"];

fn outcome() -> Outcome {
    Outcome {
        players: 40,
        seated: 38,
        failures: BTreeMap::from([("<img src=x onerror=alert(1)>".into(), 2)]),
        drops: BTreeMap::from([("ping_timeout".into(), 3)]),
        steps: BTreeMap::from([
            ("login".into(), vec![(900, 30), (45_000, 8)]),
            ("journey".into(), vec![(3_000, 20), (2_000_000, 18)]),
        ]),
        began_unix_us: 7_000_000,
        seconds: BTreeMap::from([
            (7, Second { arrivals: 40, seats: 0, redirects: 5 }),
            (9, Second { arrivals: 0, seats: 38, redirects: 1 }),
        ]),
        ..Outcome::default()
    }
}

fn page() -> (Report, String) {
    let usage =
        ServerUsage { name: "room & \"bar\"".into(), cpu_s: 1.5, rss_kib: 2048, ..ServerUsage::default() };
    let report = Report::new(&outcome(), 77, vec![usage]);
    let page = html(&outcome(), &report, "usher client-sim --login '<nowhere>' --players 40");
    (report, page)
}

/// Every tag is closed by its own end, in order; how many there are of each.
fn elements(page: &str) -> BTreeMap<String, usize> {
    let (mut open, mut counts) = (Vec::new(), BTreeMap::new());
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "before {rest:.60}");
        } else {
            *counts.entry(name.to_owned()).or_default() += 1;
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
    }
    assert_eq!(open, Vec::<String>::new(), "still open");
    counts
}

#[test]
fn the_page_says_what_the_report_says() {
    let (report, page) = page();
    for said in [
        "<h1>Usher: 40 players, 38 seated, 2 failed</h1>",
        "NOT everything was as it should be",
        "Seed 77, begun by:",
        "<th scope=\"row\">ping_timeout</th><td>3</td>",
        "<td>1.50 s</td><td>2.0 MiB</td>",
    ] {
        assert!(page.contains(said), "no {said} in\n{page}");
    }
    for (name, step) in &report.steps {
        let cells =
            [step.p50, step.p90, step.p99, step.max].map(|us| format!("<td>{}</td>", time(us))).concat();
        let row = format!("<tr><th scope=\"row\">{name}</th><td>{}</td>{cells}</tr>", step.count);
        assert!(page.contains(&row), "no {row}");
    }
    assert!(page.contains("arrivals: 40, at most 40 in a second. seats: 38, at most 38"), "{page}");
    assert!(page.contains("login: 38 took"), "what is drawn is said too");
}

#[test]
fn the_page_is_whole_and_every_picture_and_table_is_named() {
    let (_, page) = page();
    let counts = elements(&page);
    assert_eq!([counts["svg"], counts["desc"], counts["figcaption"]], [2; 3]);
    assert_eq!(counts["title"], 3, "the page's own and each picture's");
    assert_eq!(counts["table"], counts["caption"]);
    assert!(counts["th"] > counts["table"] * 2);
    for (loads, why) in [("script", "no script"), ("link", "no other file"), ("img", "no picture of others")]
    {
        assert!(!counts.contains_key(loads), "{why}");
    }
    assert_eq!(page.matches("http").count(), 2, "the namespace of each picture and no address");
    elements(&html(&Outcome::default(), &Report::new(&Outcome::default(), 0, Vec::new()), ""));
}

#[test]
fn what_comes_from_outside_is_shown_as_it_was_written() {
    let (_, page) = page();
    for (raw, shown) in [
        ("<img src=x", "&lt;img src=x onerror=alert(1)&gt;"),
        ("'<nowhere>'", "&#39;&lt;nowhere&gt;&#39;"),
        ("room & \"", "room &amp; &quot;bar&quot;"),
    ] {
        assert!(!page.contains(raw) && page.contains(shown), "{raw}");
    }
}
