//! A picture as SVG, line by line: what every chart here is drawn with.
//!
//! Why: a chart is a few rules, lines and words; what they mean is for whoever draws.
//! Owns: the drawing. It knows nothing of what it shows.
//! Invariants: whatever text comes in is escaped; every picture has a title and a description, for those who hear it.
//! Limits: SVG 1.1; numbers are written to a tenth.
//! Read next: [`crate::page`], which puts pictures into a page.

use std::fmt::Write as _;

/// A point, from the left and from the top.
pub type Point = (f64, f64);

/// A picture that is being drawn. How things look is said in attributes, which are the caller's own words.
#[derive(Debug)]
pub struct Drawing {
    out: String,
}

impl Drawing {
    /// An empty picture. `attributes` are the `svg` element's; the title is shown by pointing at it, the description read
    /// aloud.
    pub fn new((width, height): Point, attributes: &str, title: &str, description: &str) -> Self {
        let (title, description) = (escaped(title), escaped(description));
        let out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" {attributes}>\n\
             <title>{title}</title>\n<desc>{description}</desc>\n"
        );
        Self { out }
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{element}");
    }

    /// Words, which begin, end or have their middle at that point: `anchor` is `start`, `end` or `middle`.
    pub fn text(&mut self, (x, y): Point, anchor: &str, attributes: &str, text: &str) {
        let text = escaped(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {attributes}>{text}</text>"
        ));
    }

    /// A straight line.
    pub fn rule(&mut self, (x1, y1): Point, (x2, y2): Point, attributes: &str) {
        self.put(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {attributes}/>"
        ));
    }

    /// A box, by its upper left corner and its size.
    pub fn rect(&mut self, (x, y): Point, (width, height): Point, attributes: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {attributes}/>"
        ));
    }

    /// A line through all these points. Of a level stretch both ends are enough.
    pub fn line(&mut self, points: &[Point], attributes: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| (x, format!("{y:.1}"))).collect();
        let is_level = |at: usize| {
            let height = |at: usize| points.get(at).map(|(_, height)| height);
            at > 0 && height(at + 1) == height(at) && height(at - 1) == height(at)
        };
        let bends = (0..points.len()).filter(|at| !is_level(*at));
        let points: Vec<_> = bends.map(|at| format!("{:.1},{}", points[at].0, points[at].1)).collect();
        let points = points.join(" ");
        self.put(format_args!("<polyline fill=\"none\" points=\"{points}\" {attributes}/>"));
    }

    /// The whole picture.
    pub fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

/// A text as it stands in XML and HTML, between tags and in attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No XML has these, however they are written.
            _ if char.is_control() && !char.is_ascii_whitespace() => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_text_and_nothing_else() {
        assert_eq!(
            escaped("<b title=\"it's\">&amp;\u{1}"),
            "&lt;b title=&quot;it&#39;s&quot;&gt;&amp;amp;\u{fffd}"
        );
        let mut drawing = Drawing::new((10.0, 20.0), "class=\"x\"", "a < b", "\"c\"");
        drawing.text((1.0, 2.25), "end", "", "</svg><script>");
        let drawn = drawing.finish();
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"), "{drawn}");
        assert_eq!((drawn.matches("</svg>").count(), drawn.matches("<script").count()), (1, 0));
        assert!(drawn.contains("<title>a &lt; b</title>\n<desc>&quot;c&quot;</desc>"), "{drawn}");
    }

    #[test]
    fn a_line_leaves_out_what_is_level() {
        let mut drawing = Drawing::new((10.0, 10.0), "", "t", "d");
        drawing.line(&[(0.0, 5.0), (1.0, 5.0), (2.0, 5.0), (3.0, 1.0), (4.0, 1.0)], "stroke=\"red\"");
        drawing.line(&[], "");
        let drawn = drawing.finish();
        assert!(drawn.contains("points=\"0.0,5.0 2.0,5.0 3.0,1.0 4.0,1.0\" stroke=\"red\""), "{drawn}");
    }
}
