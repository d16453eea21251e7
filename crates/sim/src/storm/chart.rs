//! The course of a storm as a picture: a line a server, its load over time.
//!
//! Why: one look says what a ratio means. Limits: plain SVG 1.1, nothing but lines and text.
//! Read next: `../storm.rs`.

use super::Course;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 50.0;

pub(super) fn svg(course: &Course, title: &str) -> String {
    let highest = course.windows.iter().flat_map(|window| &window.loads).max().copied().unwrap_or(1);
    let axes = Axes {
        seconds: course.windows.len().max(2) - 1,
        load: highest.max(course.server_rate_max.into()) as f64 * 1.05,
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        WIDTH + 2.0 * MARGIN,
        HEIGHT + 2.0 * MARGIN,
    );
    text(&mut out, MARGIN, MARGIN / 2.0, title);
    axes.draw(&mut out, course.server_rate_max);
    // The door last, so that its line lies above.
    let servers = course.windows.first().map_or(0, |window| window.loads.len());
    for server in (0..servers).rev() {
        let loads = course.windows.iter().map(|window| window.loads[server]);
        let points: Vec<String> =
            loads.enumerate().map(|(second, load)| axes.point(second, load as f64)).collect();
        let (color, width) = if server == 0 { ("#c0392b", 2.0) } else { ("#2c7fb8", 0.8) };
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" points=\"{}\"/>",
            points.join(" ")
        );
    }
    out.push_str("</svg>\n");
    out
}

struct Axes {
    seconds: usize,
    load: f64,
}

impl Axes {
    fn x(&self, second: usize) -> f64 {
        MARGIN + WIDTH * second as f64 / self.seconds as f64
    }

    fn y(&self, load: f64) -> f64 {
        MARGIN + HEIGHT * (1.0 - load / self.load)
    }

    fn point(&self, second: usize, load: f64) -> String {
        format!("{:.1},{:.1}", self.x(second), self.y(load))
    }

    fn draw(&self, out: &mut String, server_rate_max: u32) {
        let limit = f64::from(server_rate_max);
        for (load, dash) in [(0.0, "none"), (limit, "6 4")] {
            let (from, to) = (self.point(0, load), self.point(self.seconds, load));
            let _ = writeln!(
                out,
                "<polyline fill=\"none\" stroke=\"#888\" stroke-dasharray=\"{dash}\" points=\"{from} {to}\"/>"
            );
            text(out, 4.0, self.y(load), &format!("{load:.0}"));
        }
        for tenth in 0..=5 {
            let second = self.seconds * tenth / 5;
            text(out, self.x(second), MARGIN + HEIGHT + 18.0, &format!("{second} s"));
        }
        let legend = "red: the server that 80 % start at; blue: the nine others; dashed: their limit";
        text(out, MARGIN, MARGIN + HEIGHT + 36.0, legend);
    }
}

fn text(out: &mut String, x: f64, y: f64, text: &str) {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\">{escaped}</text>");
}
