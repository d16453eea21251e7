//! Rust source split into code and comments, line for line, with text in quotes left out of both.
//!
//! Rules ask for a word in code, or a word in a comment; a word in a string is neither. A full parser would
//! be a large dependency for that.
//!
//! - Owns: where comments, strings and character literals begin and end.
//! - Invariant: both halves have the source's lines, so a line number holds in all three.
//! - Limit: text in macros is taken for what it looks like.
//!
//! Read next: `rust.rs`.

/// The two halves of a source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Halves {
    pub(super) code: String,
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// Splits a source; what does not belong to a half is blank there.
pub(super) fn split(source: &str) -> Halves {
    let chars: Vec<char> = source.chars().collect();
    let mut halves = Halves::default();
    let mut start = 0;
    while start < chars.len() {
        let (end, kind) = token(&chars, start);
        let end = end.clamp(start + 1, chars.len());
        for &char in &chars[start..end] {
            let blank = if char == '\n' { '\n' } else { ' ' };
            halves.code.push(if kind == Kind::Code { char } else { blank });
            halves.comments.push(if kind == Kind::Comment { char } else { blank });
        }
        start = end;
    }
    halves
}

/// The lines (from 1) that hold `word`, not as a part of a longer one.
pub(super) fn lines_with_word<'a>(half: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    half.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(|(index, _)| index + 1)
}

fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |char: Option<char>| char.is_some_and(is_name);
    line.match_indices(word).any(|(at, _)| {
        !part_of_word(line[..at].chars().next_back()) && !part_of_word(line[at + word.len()..].chars().next())
    })
}

/// Where the token that starts here ends, and what it is.
fn token(chars: &[char], start: usize) -> (usize, Kind) {
    match (chars[start], chars.get(start + 1)) {
        ('/', Some('/')) => (find(chars, start, '\n'), Kind::Comment),
        ('/', Some('*')) => (end_of_block(chars, start), Kind::Comment),
        ('"', _) => (end_of_quoted(chars, start, '"'), Kind::Text),
        ('\'', Some('\\')) => (end_of_quoted(chars, start, '\''), Kind::Text),
        ('\'', _) if chars.get(start + 2) == Some(&'\'') => (start + 3, Kind::Text),
        (char, _) if is_name(char) => end_of_name(chars, start),
        _ => (start + 1, Kind::Code),
    }
}

fn is_name(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

fn find(chars: &[char], start: usize, wanted: char) -> usize {
    chars[start..].iter().position(|&char| char == wanted).map_or(chars.len(), |offset| start + offset)
}

/// Block comments nest.
fn end_of_block(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// A name, or the raw string it introduces.
fn end_of_name(chars: &[char], start: usize) -> (usize, Kind) {
    let end =
        chars[start..].iter().position(|&char| !is_name(char)).map_or(chars.len(), |length| start + length);
    let name: String = chars[start..end].iter().collect();
    let hashes = chars[end..].iter().take_while(|&&char| char == '#').count();
    if matches!(name.as_str(), "r" | "br" | "cr") && chars.get(end + hashes) == Some(&'"') {
        return (end_of_raw(chars, end + hashes + 1, hashes), Kind::Text);
    }
    (end, Kind::Code)
}

fn end_of_raw(chars: &[char], start: usize, hashes: usize) -> usize {
    let mut at = start;
    loop {
        at = find(chars, at, '"') + 1;
        if at > chars.len() {
            return chars.len();
        }
        if chars[at..].iter().take(hashes).filter(|&&char| char == '#').count() == hashes {
            return at + hashes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_where_it_lies() {
        // Each source holds `word` once: in code, in a comment, or in text.
        let cases = [
            ("word", "code"),
            ("a + word;", "code"),
            ("&'a word", "code"),
            ("'x' word", "code"),
            (r"'\'' word", "code"),
            (r#""\"" word"#, "code"),
            ("r#type word", "code"),
            (r##"r#"""# word"##, "code"),
            ("/* /* */ */ word", "code"),
            ("// word", "comment"),
            ("a; //! word", "comment"),
            ("/* a\n word */", "comment"),
            ("/* /* */ word */", "comment"),
            ("'\"' // word", "comment"),
            ("\"word\"", "text"),
            ("\"// word\"", "text"),
            (r#"b"\" word""#, "text"),
            (r##"r#"" word"#"##, "text"),
            ("\"a\n word\"", "text"),
            ("words a_word word2", "text"),
        ];
        for (source, place) in cases {
            let halves = split(source);
            let in_code = lines_with_word(&halves.code, "word").count();
            let in_comments = lines_with_word(&halves.comments, "word").count();
            let expected = match place {
                "code" => (1, 0),
                "comment" => (0, 1),
                _ => (0, 0),
            };
            assert_eq!((in_code, in_comments), expected, "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "a\n/* b\nc */ d\n\"e\nf\" word\n";
        let halves = split(source);
        assert_eq!(halves.code.lines().count(), source.lines().count());
        assert_eq!(halves.comments.lines().count(), source.lines().count());
        assert_eq!(lines_with_word(&halves.code, "word").collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn what_is_cut_off_is_survived() {
        let whole = "/* a */ \"b\\\"\" 'c' '\\n' r#\"d\"# // e";
        for end in 0..whole.len() {
            let halves = split(&whole[..end]);
            assert_eq!(halves.code.len(), end);
        }
    }
}
