//! A tenth of a minute of a storm of logins, as dense as the whole one.
//!
//! Read next: `../src/storm.rs`.

use std::time::Duration;
use usher_sim::Storm;

#[test]
fn a_storm_on_one_server_is_spread_evenly_because_places_kept_are_load() {
    let (logins, within) = (50_000, Duration::from_secs(10));
    let counted = Storm { logins, within, counts_reservations: true, seed: 1 };
    let course = counted.run();
    assert!(course.redirects > 30_000, "{} redirects", course.redirects);
    assert_eq!(course.nobody, 0, "there is a place for everybody");
    assert!(course.busy().count() >= 5, "{:?}", course.windows);
    assert!(course.unevenness() <= 1.15, "{}: {:?}", course.unevenness(), course.windows);
    let uncounted = Storm { counts_reservations: false, ..counted }.run();
    assert!(uncounted.unevenness() >= 1.3, "{}: {:?}", uncounted.unevenness(), uncounted.windows);
}

#[test]
fn a_course_is_drawn_with_a_line_for_each_server() {
    let course =
        Storm { logins: 2_000, within: Duration::from_secs(5), counts_reservations: true, seed: 1 }.run();
    let svg = course.svg("a & b");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("a &amp; b"));
    assert_eq!(svg.matches("stroke=\"#2c7fb8\"").count(), 9);
    assert_eq!(svg.matches("stroke=\"#c0392b\"").count(), 1);
}
