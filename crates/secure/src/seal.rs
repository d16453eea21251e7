//! The seal itself: JSON inside a PASETO v4.local token, the key's id in the footer.
//!
//! Why: tickets and reservations differ in what they say and not in how they are sealed; the implicit
//! assertion, which is authenticated but not sent, keeps one from passing as the other.
//! The payload is a JSON array because PASETO payloads are JSON and names would fill the wire's 512 bytes.
//! Invariants: nothing of a payload is looked at before its seal has opened.
//! Read next: <https://github.com/paseto-standard/paseto-spec>.

use crate::keys::TicketKeys;
use pasetors::token::UntrustedToken;
use pasetors::version4::{LocalToken, V4};
use pasetors::{Local, errors};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why something could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Its names are so long that the seal would not fit the wire's limit.
    #[error("sealed it would be {bytes} bytes, over the limit of {bytes_max}")]
    TooLong {
        /// What it would be.
        bytes: usize,
        /// What it may be.
        bytes_max: usize,
    },
    /// The operating system's random generator failed.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

/// Why a seal did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Not such a token at all.
    Malformed,
    /// Its key is not among ours.
    UnknownKey,
    /// Altered, or not sealed with that key for that purpose.
    Forged,
}

/// Seals a payload for one purpose.
pub(crate) fn seal<T: Serialize>(
    keys: &TicketKeys,
    purpose: &str,
    bytes_max: usize,
    payload: &T,
) -> Result<Vec<u8>, SealError> {
    let payload = serde_json::to_vec(payload).expect("invariant: numbers and strings are JSON");
    let key = keys.current();
    let footer = Some(key.id.as_bytes());
    let token = LocalToken::encrypt(&key.key, &payload, footer, Some(purpose.as_bytes()))
        .map_err(|_: errors::Error| SealError::NoRandomness)?;
    if token.len() > bytes_max {
        return Err(SealError::TooLong { bytes: token.len(), bytes_max });
    }
    Ok(token.into_bytes())
}

/// Opens what was sealed for that purpose.
pub(crate) fn open<T: DeserializeOwned>(
    keys: &TicketKeys,
    purpose: &str,
    bytes_max: usize,
    sealed: &[u8],
) -> Result<T, OpenError> {
    if sealed.len() > bytes_max {
        return Err(OpenError::Malformed);
    }
    let text = core::str::from_utf8(sealed).map_err(|_| OpenError::Malformed)?;
    let token = UntrustedToken::<Local, V4>::try_from(text).map_err(|_| OpenError::Malformed)?;
    let key = keys.find(token.untrusted_footer()).ok_or(OpenError::UnknownKey)?;
    let opened = LocalToken::decrypt(&key.key, &token, None, Some(purpose.as_bytes()))
        .map_err(|_| OpenError::Forged)?;
    serde_json::from_str(opened.payload()).map_err(|_| OpenError::Malformed)
}
