//! Lines over time, as an SVG that stands by itself.
//!
//! Why: whether load is spread is seen at once in a picture and in no number.
//! Owns: the drawing. It knows nothing of servers.
//! Limits: values are drawn from 0 to 1.25 of the limit; what is above is drawn at the edge.
//! Read next: [`super::trial`], which fills it.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// The top of the scale, in parts of the limit.
const LIMIT_MAX: f64 = 1.25;

/// Lines of one look.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) colour: &'static str,
    /// Seconds from one value to the next.
    pub(super) step_s: u32,
    /// Each line's values, in parts of its limit.
    pub(super) lines: Vec<Vec<f64>>,
}

/// One picture: a panel for each group, below each other.
pub(super) fn svg(title: &str, groups: &[Group]) -> String {
    let panel = HEIGHT + TOP + 30.0;
    let height = 40.0 + panel * groups.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {height}\" width=\"{w}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}</text>\n",
        escaped(title),
        w = LEFT + WIDTH + 20.0,
    );
    for (number, group) in groups.iter().enumerate() {
        draw(&mut out, group, 40.0 + panel * number as f64 + TOP);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, group: &Group, top: f64) {
    let values = group.lines.iter().map(Vec::len).max().unwrap_or(0).max(2);
    let x = |at: usize| LEFT + WIDTH * at as f64 / (values - 1) as f64;
    let y = |value: f64| top + HEIGHT * (1.0 - value.clamp(0.0, LIMIT_MAX) / LIMIT_MAX);
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\">{}</text>", top - 8.0, escaped(&group.name));
    for (part, dash) in [(0.0, ""), (0.5, ""), (1.0, " stroke-dasharray=\"4 3\"")] {
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y1:.1}\" y2=\"{y1:.1}\" stroke=\"#bbb\"{dash}/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            y(part) + 4.0,
            part * 100.0,
            y1 = y(part),
        );
    }
    for (at, anchor) in [(0, "start"), (values - 1, "end")] {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{} s</text>",
            x(at),
            top + HEIGHT + 16.0,
            (at + 1) as u64 * u64::from(group.step_s)
        );
    }
    for line in &group.lines {
        // Of a level stretch both ends are enough.
        let heights: Vec<_> = line.iter().map(|value| format!("{:.1}", y(*value))).collect();
        let is_level =
            |at: usize| at > 0 && heights.get(at + 1) == Some(&heights[at]) && heights[at - 1] == heights[at];
        let bends = (0..heights.len()).filter(|at| !is_level(*at));
        let points: Vec<_> = bends.map(|at| format!("{:.1},{}", x(at), heights[at])).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1\" stroke-opacity=\"0.6\" points=\"{}\"/>",
            group.colour,
            points.join(" ")
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, lines: Vec<Vec<f64>>) -> Group {
        Group { name: name.into(), colour: "#123456", step_s: 2, lines }
    }

    #[test]
    fn every_line_is_drawn_within_its_panel() {
        let drawn =
            svg("a < b", &[group("rooms", vec![vec![0.0, 1.0, 9.0], vec![0.5]]), group("none", vec![])]);
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
        assert!(drawn.contains("a &lt; b") && !drawn.contains("NaN"));
        assert_eq!(drawn.matches("<polyline").count(), 2);
        // 0 at the foot, the limit, and what is above it at the edge.
        assert!(drawn.contains("60.0,340.0 510.0,132.0 960.0,80.0"), "{drawn}");
        let level = svg("level", &[group("rooms", vec![vec![1.0; 4], vec![0.0, 1.0, 1.0, 0.0]])]);
        assert!(level.contains("points=\"60.0,132.0 960.0,132.0\""), "{level}");
        assert!(level.contains("points=\"60.0,340.0 360.0,132.0 660.0,132.0 960.0,340.0\""), "{level}");
    }
}
