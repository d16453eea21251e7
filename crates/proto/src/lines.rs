//! Messages as lines of JSON, for a person at `nc` or a program without MessagePack: `{"subscribe":{"topic":"gold"}}`.
//!
//! Why: the same messages, the same speakers and the same limits as in [`crate::codec`], written so that they can be
//! typed. One object a line, with one entry: the message's name in small letters, and its fields.
//! Invariants: a line that is read is a message the native codec could have carried: its opcode's limit holds for
//! its MessagePack. Unknown fields are ignored, as they are there.
//! Limits: the opcode's own; how long a line may be at all is its transport's to say.
//! Read next: [`crate::message`]; `usher_runtime::codec`, which cuts the stream into lines.

use crate::codec::CodecError;
use crate::limits::WHY_BYTES_MAX;
use crate::message::{Message, NotUnderstood, SPECS, Speaker, Spec};
use serde_json::{Map, Value};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// What is repeated of a wrong name, so that there is room for the right ones.
const NAME_TEXT_BYTES_MAX: usize = 96;

/// What one line says.
pub fn read(allowed: fn(Speaker) -> bool, line: &[u8]) -> Result<Message, CodecError> {
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| malformed("no JSON object", &error))?;
    let mut entries = object.into_iter();
    let (Some((name, fields)), None) = (entries.next(), entries.next()) else {
        return Err(CodecError::Malformed("a line is one message: {\"name\":{...}}".into()));
    };
    let Some(spec) = Spec::of_json_name(&name) else { return Err(CodecError::UnknownName(name)) };
    if !allowed(spec.speaker) {
        return Err(CodecError::WrongSpeaker(spec.name));
    }
    let message = Message::from_fields(spec.opcode, fields).map_err(|error| malformed(&name, &error))?;
    check_length(&message)?;
    Ok(message)
}

/// A message as one line, without its end.
pub fn write(message: &Message) -> Result<String, CodecError> {
    check_length(message)?;
    let name: String = message.spec().json_name().collect();
    let fields = message.to_fields().map_err(|error| malformed(&name, &error))?;
    Ok(format!("{{\"{name}\":{fields}}}"))
}

/// What to tell whoever said what cannot be read.
pub fn not_understood(allowed: fn(Speaker) -> bool, error: &CodecError) -> NotUnderstood {
    let why = match error {
        CodecError::UnknownName(_) | CodecError::WrongSpeaker(_) => {
            let name = cut(error.to_string(), NAME_TEXT_BYTES_MAX);
            format!("{name}; say one of: {}", names(allowed).join(", "))
        }
        _ => error.to_string(),
    };
    NotUnderstood { why: cut(why, WHY_BYTES_MAX) }
}

/// The names of everything that may be said.
fn names(allowed: fn(Speaker) -> bool) -> Vec<String> {
    SPECS.iter().filter(|spec| allowed(spec.speaker)).map(|spec| spec.json_name().collect()).collect()
}

/// At most so many bytes of a text, the last three of them dots if there were more.
fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let mut end = bytes_max - 3;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn malformed(what: &str, error: &serde_json::Error) -> CodecError {
    CodecError::Malformed(format!("{what}: {error}"))
}

fn check_length(message: &Message) -> Result<(), CodecError> {
    let Spec { name, bytes_max, .. } = *message.spec();
    if message.pack()?.len() > bytes_max {
        return Err(CodecError::TooLong { name, bytes_max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Instruction, ListClients, Ping, Port, Position, Since, Subscribe, To};
    use crate::payload::Payload;
    use std::vec;

    fn anyone(_: Speaker) -> bool {
        true
    }

    fn administrator(speaker: Speaker) -> bool {
        matches!(speaker, Speaker::Anyone | Speaker::Administrator)
    }

    #[test]
    fn what_a_person_types_is_a_message() {
        let after = Since::After(Position { log: 7, seq: 3 });
        let gold = |since| Subscribe { topic: "gold".into(), since };
        let cases: [(&str, Message); 5] = [
            (r#"{"ping":{}}"#, Ping {}.into()),
            (r#" { "subscribe" : { "topic" : "gold" } } "#, gold(Since::Now).into()),
            (r#"{"subscribe":{"topic":"gold","since":{"after":{"log":7,"seq":3}}}}"#, gold(after).into()),
            (r#"{"subscribe":{"topic":"gold","since":"start","later":1}}"#, gold(Since::Start).into()),
            (
                r#"{"list_clients":{"port":"terminals"}}"#,
                ListClients { port: Some(Port::Terminals), after: 0 }.into(),
            ),
        ];
        for (line, message) in cases {
            assert_eq!(read(anyone, line.as_bytes()), Ok(message), "{line}");
        }
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        for (payload, text) in
            [(Payload::from("buy \u{1f}"), r#""buy \u001f""#), (vec![0xff, 1].into(), "[255,1]")]
        {
            let said = Instruction { to: To::Topic("gold".into()), seq: 1, payload };
            let line = write(&said.clone().into()).unwrap();
            let wanted = format!(r#"{{"instruction":{{"to":{{"topic":"gold"}},"seq":1,"payload":{text}}}}}"#);
            assert_eq!(line, wanted);
            assert_eq!(read(anyone, line.as_bytes()), Ok(said.into()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_in_words() {
        let long = format!(r#"{{"subscribe":{{"topic":"{}"}}}}"#, "x".repeat(500));
        let unknown = format!(r#"{{"{}":{{}}}}"#, "ü".repeat(60_000));
        let cases = [
            ("hello", "no JSON object: expected value"),
            ("[]", "invalid type"),
            ("{}", "a line is one message"),
            (r#"{"ping":{},"pong":{}}"#, "a line is one message"),
            (r#"{"Ping":{}}"#, "there is no message `Ping`; say one of: ping, pong, list_clients, "),
            (r#"{"instruct":{}}"#, "Instruct may not be said by this peer; say one of: ping"),
            (r#"{"close_client":{}}"#, "close_client: missing field `client`"),
            (r#"{"close_client":{"client":-1}}"#, "invalid value"),
            (r#"{"list_clients":{"port":"doors"}}"#, "unknown variant `doors`"),
            ("\u{ff}", "expected value"),
            (unknown.as_str(), "there is no message `üüü"),
        ];
        for (line, wanted) in cases {
            let error = read(administrator, line.as_bytes()).unwrap_err();
            let NotUnderstood { why } = not_understood(administrator, &error);
            assert!(why.contains(wanted) && why.len() <= WHY_BYTES_MAX, "{wanted}: {why}");
        }
        let error = read(anyone, long.as_bytes());
        assert_eq!(error, Err(CodecError::TooLong { name: "Subscribe", bytes_max: 160 }));
        assert!(read(anyone, &[0xff, 0xfe]).is_err());
        assert!(read(anyone, "[".repeat(50_000).as_bytes()).is_err());
    }

    #[test]
    fn every_list_of_names_fits_its_message() {
        use Speaker::{Administrator, Anyone, Client, Controller, Linked, Node, Terminal};
        let sides: [fn(Speaker) -> bool; 5] = [
            |speaker| matches!(speaker, Anyone | Client),
            |speaker| matches!(speaker, Anyone | Node | Linked),
            |speaker| matches!(speaker, Anyone | Terminal),
            |speaker| matches!(speaker, Anyone | Controller),
            |speaker| matches!(speaker, Anyone | Administrator),
        ];
        for allowed in sides {
            let NotUnderstood { why } = not_understood(allowed, &CodecError::UnknownName("x".repeat(500)));
            let last = names(allowed).pop().unwrap();
            assert!(why.ends_with(&last), "{why}");
        }
    }
}
