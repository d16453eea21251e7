//! What somebody may have meant who wrote a word that is not there.
//!
//! Why: of twenty fields that would be right, the reader looks for one.
//! Limits: a word that is not like any of them leads to none.
//! Read next: [`super::ConfigFile`], whose errors it ends.

/// How like two words are, from 0 to 1, before the one is taken for the other.
const LIKENESS_MIN: f64 = 0.8;

/// The one of these words that is most like it.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = known.into_iter().map(|known| (strsim::jaro_winkler(word, known), known));
    let best = likeness.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).map(|(_, known)| known)
}

/// An error that names a wrong word and the right ones, with the likely one at its end: serde's own words, "unknown
/// field `a`, expected `b` or `c`".
pub(super) fn with_suggestion(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let meant = match (message.starts_with("unknown "), words.next()) {
        (true, Some(wrong)) => nearest(wrong, words),
        _ => None,
    };
    match meant {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_word_is_suggested_and_no_unlikely_one() {
        let cases = [
            ("unknown field `serve_maxx`, expected one of `serve_max`, `connections_max`", Some("serve_max")),
            (
                "unknown variant `romo`, expected one of `manager`, `login`, `hall`, `room`, `push`",
                Some("room"),
            ),
            ("unknown field `x`, expected `serve_max` or `connections_max`", None),
            ("unknown field `x`, there are no fields", None),
            ("invalid type: string `serve_max`, expected `serve_max`", None),
            ("", None),
        ];
        for (message, meant) in cases {
            let said = with_suggestion(message);
            let wanted = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            assert_eq!(said, format!("{message}{wanted}"));
        }
    }
}
