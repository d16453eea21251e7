//! Bytes as hexadecimal text, for key files, sealed payloads and records of hands.
//!
//! Why: a key in a file is read by people and by `grep`; three functions need no dependency.
//! Invariants: written in lower case, read in either, never partly.
//! Read next: [`crate::keys`].

/// The bytes, two digits each.
pub fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// Exactly `N` bytes, or nothing.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs(text)) {
        *byte = pair?;
    }
    Some(bytes)
}

/// However many bytes there are, or nothing.
pub fn decode_all(text: &str) -> Option<Vec<u8>> {
    text.len().is_multiple_of(2).then(|| pairs(text).collect())?
}

/// The byte that each two digits are, where they are digits.
fn pairs(text: &str) -> impl Iterator<Item = Option<u8>> {
    text.as_bytes().chunks_exact(2).map(|pair| {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? << 4 | low?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: [u8; 256] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let text = encode(&all);
        assert_eq!(decode::<256>(&text), Some(all));
        assert_eq!(decode::<256>(&text.to_uppercase()), Some(all));
        assert_eq!(decode_all(&text), Some(all.to_vec()));
        assert_eq!(decode_all(""), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_hexadecimal_or_not_that_long_is_refused() {
        for text in ["", "0", "000", "0g", "+1", " 1", "éé", "é"] {
            assert_eq!(decode::<1>(text), None, "{text:?}");
            assert_eq!(decode_all(text), text.is_empty().then(Vec::new), "{text:?}");
        }
    }
}
