//! The text of an announcement, as an operator sends it.
//!
//! Why: whatever is accepted here appears on the screens of all players, so it is looked at once, at the door.
//! Invariants: what is read is UTF-8 without control characters, and not blank; a line break at its end is no part of it.
//! Limits: [`ANNOUNCEMENT_BYTES_MAX`]; no more of a longer body is taken in.
//! Read next: [`crate::admin`], which asks for it.

use axum::body::{Body, to_bytes};
use usher_proto::limits::ANNOUNCEMENT_BYTES_MAX;

/// A line break that a shell adds.
const LINE_END_BYTES: usize = 2;

/// The text of a request's body, or what is wrong with it.
pub(crate) async fn read(body: Body) -> Result<String, String> {
    let bytes = to_bytes(body, ANNOUNCEMENT_BYTES_MAX + LINE_END_BYTES).await.map_err(|_| too_long())?;
    check(&bytes)
}

fn check(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "an announcement is UTF-8 text")?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.len() > ANNOUNCEMENT_BYTES_MAX {
        return Err(too_long());
    }
    if text.chars().any(char::is_control) {
        return Err("an announcement is one line, without control characters".into());
    }
    if text.trim().is_empty() {
        return Err("an announcement says something: send its text as the body".into());
    }
    Ok(text.into())
}

fn too_long() -> String {
    format!("an announcement has at most {ANNOUNCEMENT_BYTES_MAX} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_that_fits_its_message() {
        let longest = "x".repeat(ANNOUNCEMENT_BYTES_MAX);
        for (body, text) in [
            ("Closing at ten.", "Closing at ten."),
            ("今晚十点关服\r\n", "今晚十点关服"),
            (&longest, &longest),
        ] {
            assert_eq!(check(body.as_bytes()).as_deref(), Ok(text));
        }
        let long = longest + "x";
        let wrong: [(&[u8], &str); 6] = [
            (b"", "says something"),
            (b"  \n", "says something"),
            (b"two\nlines", "without control characters"),
            (b"\x1b[31mred", "without control characters"),
            (b"\xff\xfe", "UTF-8"),
            (long.as_bytes(), "at most 512 bytes"),
        ];
        for (body, why) in wrong {
            let said = check(body).unwrap_err();
            assert!(said.contains(why), "{body:?}: {said}");
        }
    }
}
