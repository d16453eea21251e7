//! The texts of an exchange: written and read by the grammar of RFC 5802, section 7.
//!
//! Why: every byte of them is signed, so they are taken apart where they lie and never rewritten.
//! Invariants: attributes come in the RFC's order; optional extensions are skipped, a mandatory one (`m=`) is
//! refused; nothing is read of a text over its limit.
//! Limits: `SCRAM_BYTES_MAX` bytes a text, [`NONCE_CHARS_MAX`] characters a client's share of the nonce.
//! Read next: [`super::server`].

use super::{ITERATIONS_MAX, ITERATIONS_MIN, Key, SALT_BYTES_MAX, ScramError, check_name};
use base64ct::{Base64, Encoding};
use usher_proto::limits::SCRAM_BYTES_MAX;

/// A client's share of the nonce, as text.
const NONCE_CHARS_MAX: usize = 64;

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst<'a> {
    /// Who it claims to be.
    pub name: String,
    pub(super) header: &'a str,
    pub(super) bare: &'a str,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    /// Reads it. Channel binding and acting for somebody else are refused.
    pub fn parse(text: &'a str) -> Result<Self, ScramError> {
        check_length(text)?;
        // `y`: a client that could bind the channel and believes that the server cannot.
        let header = ["n,,", "y,,"].into_iter().find(|header| text.starts_with(header));
        let (header, bare) = text.split_at(header.ok_or(ScramError::Malformed("the header"))?.len());
        let mut attributes = Attributes(Some(bare));
        let name = unescaped(attributes.take('n', "the name")?)?;
        check_name(&name)?;
        let nonce = attributes.take('r', "the nonce")?;
        if nonce.len() > NONCE_CHARS_MAX || !is_nonce(nonce) {
            return Err(ScramError::Malformed("the nonce"));
        }
        attributes.skip_extensions()?;
        Ok(Self { name, header, bare, nonce })
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    /// The account's salt.
    pub salt: Vec<u8>,
    /// How often to iterate.
    pub iterations: u32,
}

impl<'a> ServerFirst<'a> {
    /// Reads it, with its bounds checked.
    pub fn parse(text: &'a str) -> Result<Self, ScramError> {
        check_length(text)?;
        let mut attributes = Attributes(Some(text));
        let nonce = attributes.take('r', "the nonce")?;
        if !is_nonce(nonce) {
            return Err(ScramError::Malformed("the nonce"));
        }
        let salt = Base64::decode_vec(attributes.take('s', "the salt")?).unwrap_or_default();
        if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
            return Err(ScramError::Malformed("the salt"));
        }
        let iterations = iterations(attributes.take('i', "the iterations")?)?;
        attributes.skip_extensions()?;
        Ok(Self { nonce, salt, iterations })
    }
}

/// A client's proof.
pub(super) struct ClientProof<'a> {
    pub(super) without_proof: &'a str,
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    pub(super) proof: Key,
}

impl<'a> ClientProof<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ScramError> {
        check_length(text)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed("the proof"))?;
        let mut attributes = Attributes(Some(without_proof));
        let binding = attributes.take('c', "the channel binding")?;
        let nonce = attributes.take('r', "the nonce")?;
        attributes.skip_extensions()?;
        let mut bytes = [0; super::KEY_BYTES];
        match Base64::decode(proof, &mut bytes) {
            Ok(decoded) if decoded.len() == super::KEY_BYTES => {}
            _ => return Err(ScramError::Malformed("the proof")),
        }
        Ok(Self { without_proof, binding, nonce, proof: Key::new(bytes) })
    }
}

/// `a=value,b=value`: what is left of it.
struct Attributes<'a>(Option<&'a str>);

impl<'a> Attributes<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        let (first, rest) = match rest.split_once(',') {
            Some((first, rest)) => (first, Some(rest)),
            None => (rest, None),
        };
        self.0 = rest;
        Some(first)
    }

    /// The value of the next one, which must have that name.
    fn take(&mut self, name: char, what: &'static str) -> Result<&'a str, ScramError> {
        let attribute = self.next().ok_or(ScramError::Malformed(what))?;
        if attribute.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        let value = attribute.strip_prefix(name).and_then(|it| it.strip_prefix('='));
        value.filter(|it| !it.is_empty()).ok_or(ScramError::Malformed(what))
    }

    fn skip_extensions(&mut self) -> Result<(), ScramError> {
        while let Some(extension) = self.next() {
            match extension.as_bytes() {
                [b'm', b'=', ..] => return Err(ScramError::Extension),
                [name, b'=', _, ..] if name.is_ascii_alphabetic() => {}
                _ => return Err(ScramError::Malformed("an extension")),
            }
        }
        Ok(())
    }
}

fn check_length(text: &str) -> Result<(), ScramError> {
    if text.len() > SCRAM_BYTES_MAX { Err(ScramError::Malformed("the length")) } else { Ok(()) }
}

/// Printable and no comma.
fn is_nonce(nonce: &str) -> bool {
    nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn iterations(digits: &str) -> Result<u32, ScramError> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let count = digits.parse().ok().filter(|_| is_number).ok_or(ScramError::Malformed("the iterations"))?;
    if (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&count) {
        Ok(count)
    } else {
        Err(ScramError::Iterations(count))
    }
}

/// A name as it stands in a text.
pub(super) fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescaped(text: &str) -> Result<String, ScramError> {
    let mut parts = text.split('=');
    let mut name: String = parts.next().unwrap_or_default().into();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(ScramError::Malformed("the name")),
        };
        name.push(sign);
        name.push_str(rest);
    }
    Ok(name)
}
