//! Load over time: a panel for each kind of server, a line for each server.
//!
//! Why: whether load is spread is seen at once in a picture and in no number.
//! Owns: what is where. It knows nothing of servers, and how things are drawn is `usher_client_sim::chart`'s.
//! Limits: values are drawn from 0 to 1.25 of the limit; what is above is drawn at the edge.
//! Read next: [`super::trial`], which fills it.

use usher_client_sim::chart::{Drawing, Point};

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
    let (width, height) = (LEFT + WIDTH + 20.0, 40.0 + panel * groups.len() as f64);
    let attributes =
        format!("width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\"");
    let description =
        "Load over time in percent of each server's limit, a panel a kind of server and a line a server";
    let mut drawing = Drawing::new((width, height), &attributes, title, description);
    drawing.rect((0.0, 0.0), (width, height), "fill=\"white\"");
    drawing.text((LEFT, 24.0), "start", "font-size=\"15\"", title);
    for (number, group) in groups.iter().enumerate() {
        draw(&mut drawing, group, 40.0 + panel * number as f64 + TOP);
    }
    drawing.finish()
}

fn draw(drawing: &mut Drawing, group: &Group, top: f64) {
    let values = group.lines.iter().map(Vec::len).max().unwrap_or(0).max(2);
    let x = |at: usize| LEFT + WIDTH * at as f64 / (values - 1) as f64;
    let y = |value: f64| top + HEIGHT * (1.0 - value.clamp(0.0, LIMIT_MAX) / LIMIT_MAX);
    drawing.text((LEFT, top - 8.0), "start", "", &group.name);
    for (part, dash) in [(0.0, ""), (0.5, ""), (1.0, " stroke-dasharray=\"4 3\"")] {
        drawing.rule((LEFT, y(part)), (LEFT + WIDTH, y(part)), &format!("stroke=\"#bbb\"{dash}"));
        drawing.text((LEFT - 6.0, y(part) + 4.0), "end", "", &format!("{:.0} %", part * 100.0));
    }
    for (at, anchor) in [(0, "start"), (values - 1, "end")] {
        let seconds = (at + 1) as u64 * u64::from(group.step_s);
        drawing.text((x(at), top + HEIGHT + 16.0), anchor, "", &format!("{seconds} s"));
    }
    for line in &group.lines {
        let points: Vec<Point> = line.iter().enumerate().map(|(at, value)| (x(at), y(*value))).collect();
        let look = format!("stroke=\"{}\" stroke-width=\"1\" stroke-opacity=\"0.6\"", group.colour);
        drawing.line(&points, &look);
    }
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
