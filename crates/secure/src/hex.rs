//! Bytes as hexadecimal text, for key files and sealed payloads.
//!
//! Why: a key in a file is read by people and by `grep`; two functions need no dependency.
//! Invariants: written in lower case, read in either, never partly.
//! Read next: [`crate::keys`].

/// The bytes, two digits each.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// Exactly `N` bytes, or nothing.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(bytes)
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
    }

    #[test]
    fn what_is_not_hexadecimal_or_not_that_long_is_refused() {
        for text in ["", "0", "000", "0g", "+1", " 1", "éé", "é"] {
            assert_eq!(decode::<1>(text), None, "{text:?}");
        }
    }
}
