//! The wire's test vectors, `crates/proto/vectors`: made here, and held against this build each time.
//!
//! Why: a client in another language is right when it gets these bytes from these keys; and whoever changes the wire
//! without meaning to hears of it here. `docs/wire.md` says how to use them.
//! To write them anew: `USHER_WRITE_VECTORS=1 cargo test -p usher-secure vectors`. What PASETO seals holds a random
//! nonce, so sealed texts stay as they are in the file, and are opened here.
//! Owns: fixed ephemeral keys, which snow has for tests alone. Invariant: no key here is used anywhere else.
//! Read next: `docs/wire.md`.

use super::*;
use crate::cipher::{REKEY_FRAMES, TAG_BYTES};
use crate::keys::TicketKeys;
use crate::link_key::LinkSecret;
use crate::scram::{ClientKeys, ServerFirst, client_final};
use crate::{hex, seal};
use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::first_frame::{ANSWER_WELCOME, FirstFrame, PROTOCOL_VERSION, Role};
use usher_proto::limits::{RESERVATION_BYTES_MAX, TICKET_BYTES_MAX};
use usher_proto::{Message as Said, lines};

const CLIENT: &str = "client";
const SERVER: &str = "server";
const TICKET_KEY: &str = "00112233445566aa 404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f";
const ISSUED_UNIX_MS: u64 = 1_800_000_000_000;
const GENERATION: u64 = ISSUED_UNIX_MS << 16 | 0xbeef;
// RFC 7677, section 3; the password is `pencil`.
const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const CHALLENGE: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

/// A connection from its first frame to its last.
#[derive(Serialize)]
struct Conversation {
    what: &'static str,
    suite: &'static str,
    known: BTreeMap<&'static str, String>,
    client_ephemeral_private: String,
    server_ephemeral_private: String,
    prologue: String,
    first_frame: String,
    answer_frame: String,
    handshake_hash: String,
    client_to_server_key: String,
    server_to_client_key: String,
    frames: Vec<Sealed>,
}

/// One sealed frame.
#[derive(Serialize)]
struct Sealed {
    from: &'static str,
    number: u64,
    message: Value,
    clear: String,
    frame: String,
}

/// What a conversation is made from.
struct Plan<'a> {
    what: &'static str,
    suite: &'static str,
    told: &'a [(&'static str, String)],
    known: Known<'a>,
    proof: Proof<'a>,
    first_frame: FirstFrame<'a>,
    ephemerals: [[u8; KEY_BYTES]; 2],
    said: Vec<(&'static str, Value)>,
}

/// Sealed texts, by the name they have in `sealed.json`.
struct SealedTexts {
    ticket: String,
    renewed: String,
    reservation: String,
}

/// A key that is easily told from others.
fn key(first: u8) -> [u8; KEY_BYTES] {
    std::array::from_fn(|at| first + at as u8)
}

fn session_key() -> [u8; KEY_BYTES] {
    key(0x20)
}

fn login_key() -> LoginKey {
    LoginKey::from_private(key(0x60))
}

fn ticket_keys() -> TicketKeys {
    TicketKeys::parse(Path::new("vectors"), TICKET_KEY).unwrap()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors").join(name)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], body].concat()
}

fn read(message: &Value) -> Said {
    lines::read(|_| true, message.to_string().as_bytes()).unwrap()
}

/// A message's packet; all of these fit one frame.
fn packet(message: &Value) -> Vec<u8> {
    let mut packets = Vec::new();
    codec::encode(Form::MessagePack, &read(message), |header, body| {
        packets.push([&header[..], body].concat());
    })
    .unwrap();
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

fn sealed(sealing: &mut Sealing, clear: &[u8]) -> Vec<u8> {
    let mut body = clear.to_vec();
    let tag = sealing.seal(&mut body).unwrap();
    framed(&[&body[..], &tag].concat())
}

/// Speaks it, one end sealing and the other opening.
fn converse(plan: Plan<'_>) -> Conversation {
    let head = plan.first_frame.to_bytes();
    let [ours, theirs] = plan.ephemerals;
    let builder = builder_for_initiator(plan.known).fixed_ephemeral_key_for_testing_only(&ours);
    let (mut initiator, first) = Initiator::begin_with(builder, &head);
    let builder = builder_for_responder(plan.proof).fixed_ephemeral_key_for_testing_only(&theirs);
    let (answer, mut server) = respond_with(builder, &head, &first).unwrap();
    initiator.0.read_message(&answer, &mut []).unwrap();
    let handshake_hash = hex::encode(initiator.0.get_handshake_hash());
    let (to_server, to_client) = initiator.0.dangerously_get_raw_split();
    let mut client = Split { sealing: Sealing::new(to_server), opening: Opening::new(to_client) };
    let mut numbers = [0, 0];
    let mut say = |(from, message): (&'static str, Value)| {
        let is_server = from == SERVER;
        let (speaker, hearer) =
            if is_server { (&mut server, &mut client) } else { (&mut client, &mut server) };
        let clear = packet(&message);
        let frame = sealed(&mut speaker.sealing, &clear);
        let mut opened = Vec::new();
        hearer.opening.open(&frame[2..], &mut opened).unwrap();
        let said = codec::decode(Form::MessagePack, |_| true, &mut Unfinished::default(), &opened).unwrap();
        assert_eq!(said, Some(read(&message)));
        let number = numbers[usize::from(is_server)];
        numbers[usize::from(is_server)] += 1;
        Sealed { from, number, message, clear: hex::encode(&clear), frame: hex::encode(&frame) }
    };
    Conversation {
        what: plan.what,
        suite: plan.suite,
        known: plan.told.iter().cloned().collect(),
        client_ephemeral_private: hex::encode(&ours),
        server_ephemeral_private: hex::encode(&theirs),
        prologue: hex::encode(&[PROLOGUE, &head].concat()),
        first_frame: hex::encode(&framed(&[&head[..], &first].concat())),
        answer_frame: hex::encode(&framed(&[&[ANSWER_WELCOME][..], &answer].concat())),
        handshake_hash,
        client_to_server_key: hex::encode(&to_server),
        server_to_client_key: hex::encode(&to_client),
        frames: plan.said.into_iter().map(&mut say).collect(),
    }
}

fn login(texts: &SealedTexts) -> Conversation {
    let (private, public) = (login_key(), login_key().public());
    let asked = ServerFirst::parse(CHALLENGE).unwrap();
    let keys = ClientKeys::derive("pencil", &asked.salt, asked.iterations).unwrap();
    let proven = client_final(FIRST, CHALLENGE, &keys).unwrap();
    converse(Plan {
        what: "a login of the account of RFC 7677",
        suite: "Noise_NK_25519_ChaChaPoly_SHA256",
        told: &[
            ("login_key_private", hex::encode(private.private())),
            ("login_key_public", public.to_string()),
            ("account", "user".into()),
            ("password", "pencil".into()),
        ],
        known: Known::Login(&public),
        proof: Proof::Login(&private),
        first_frame: FirstFrame { role: Role::Login, ticket: b"", reservation: b"", noise: b"" },
        ephemerals: [key(0x80), key(0xa0)],
        said: vec![
            (
                CLIENT,
                json!({ "log_in": { "world": 1, "credentials": { "scram": { "client_first": FIRST } } } }),
            ),
            (SERVER, json!({ "log_in_challenge": { "server_first": CHALLENGE } })),
            (CLIENT, json!({ "log_in_proof": { "client_final": proven.text } })),
            (
                SERVER,
                json!({ "logged_in": {
                    "identity": { "world": 1, "account": 4711, "session": 7, "generation": GENERATION },
                    "session_key": session_key(),
                    "ticket": texts.ticket,
                    "ticket_ttl_s": 7200,
                    "halls": ["127.0.0.1:7200", "127.0.0.1:7201"],
                    "server_final": proven.server_final,
                } }),
            ),
            (SERVER, json!({ "closing": { "reason": "finished" } })),
        ],
    })
}

fn hall(texts: &SealedTexts) -> Conversation {
    let room = json!({
        "address": "127.0.0.1:7300", "room": 3, "name": "Gomoku 4", "game": 1, "population": 120, "capacity": 400,
    });
    let total = json!({ "game": 1, "rooms": 50, "population": 120, "capacity": 20_000 });
    converse(Plan {
        what: "a visit to a hall after a redirect: the first frame has a ticket and a reservation",
        suite: "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
        told: &[("session_key", hex::encode(&session_key()))],
        known: Known::Shared(&session_key()),
        proof: Proof::Shared(&session_key()),
        first_frame: FirstFrame {
            role: Role::Hall,
            ticket: texts.ticket.as_bytes(),
            reservation: texts.reservation.as_bytes(),
            noise: b"",
        },
        ephemerals: [key(0x81), key(0xa1)],
        said: vec![
            (CLIENT, json!({ "get_directory": { "game": 1 } })),
            (
                SERVER,
                json!({ "renewed": { "ticket": texts.renewed, "directory_refresh_s": 1800, "seats": [] } }),
            ),
            (SERVER, json!({ "directory": { "rooms": [room], "totals": [total] } })),
            (SERVER, json!({ "closing": { "reason": "finished" } })),
        ],
    })
}

fn room(texts: &SealedTexts) -> Conversation {
    converse(Plan {
        what: "a visit to a room: enter, talk, sit, a sign of life, leave",
        suite: "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
        told: &[("session_key", hex::encode(&session_key()))],
        known: Known::Shared(&session_key()),
        proof: Proof::Shared(&session_key()),
        first_frame: FirstFrame {
            role: Role::Room,
            ticket: texts.renewed.as_bytes(),
            reservation: b"",
            noise: b"",
        },
        ephemerals: [key(0x82), key(0xa2)],
        said: vec![
            (CLIENT, json!({ "enter": { "game": 1, "room": 3, "last_seq": null, "last_hand": null } })),
            (
                SERVER,
                json!({ "entered": { "room": 3, "name": "Gomoku 4", "seq": 41, "population": 121, "seat": null } }),
            ),
            (CLIENT, json!({ "chat": { "request": 1, "text": "hello" } })),
            (SERVER, json!({ "chat_accepted": { "request": 1, "seq": 42 } })),
            (SERVER, json!({ "chat_said": { "seq": 43, "from": 4712, "text": "gr\u{fc}\u{df} dich" } })),
            (CLIENT, json!({ "sit": { "table": 5, "seat": 0 } })),
            (SERVER, json!({ "seated": { "at": { "table": 5, "seat": 0 } } })),
            (SERVER, json!({ "ping": {} })),
            (CLIENT, json!({ "pong": {} })),
            (CLIENT, json!({ "leave": {} })),
            (SERVER, json!({ "left": { "seq": 43 } })),
        ],
    })
}

fn link() -> Conversation {
    let secret = LinkSecret::from_bytes(key(0x30));
    let link_key = secret.key_of("hall-1");
    converse(Plan {
        what: "a hall's link to its manager begins; the client is the hall",
        suite: "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
        told: &[
            ("link_secret", hex::encode(&key(0x30))),
            ("server_name", "hall-1".into()),
            ("link_key", hex::encode(link_key.as_bytes())),
        ],
        known: Known::Shared(link_key.as_bytes()),
        proof: Proof::Shared(link_key.as_bytes()),
        first_frame: FirstFrame { role: Role::Link, ticket: b"hall-1", reservation: b"", noise: b"" },
        ephemerals: [key(0x83), key(0xa3)],
        said: vec![
            (
                CLIENT,
                json!({ "register": {
                    "kind": "hall", "name": "hall-1", "incarnation": ISSUED_UNIX_MS, "world": 1,
                    "address": "127.0.0.1:7200", "clock_unix_ms": ISSUED_UNIX_MS + 250, "serve_max": 4000,
                    "serve_per_second_max": 600, "connections_max": 5000, "rooms": [], "players": 0,
                } }),
            ),
            (SERVER, json!({ "registered": { "lease_ms": 4000 } })),
            (
                CLIENT,
                json!({ "load": { "serving": 3, "served_per_second": 20, "draining": false, "rooms": [] } }),
            ),
            (
                CLIENT,
                json!({ "renew": {
                    "connections": 3, "connections_peak": 9, "cpu_ms": 1200, "rss_kib": 8800, "rss_kib_peak": 9000,
                } }),
            ),
        ],
    })
}

/// What hall and room open, and what is in it; texts that were sealed before are kept.
fn texts() -> (Value, SealedTexts) {
    let before: Option<Value> =
        fs::read_to_string(file("sealed.json")).ok().map(|text| serde_json::from_str(&text).unwrap());
    let ticket = |issued_unix_ms: u64| {
        let expires_unix_ms = issued_unix_ms + 7_200_000;
        let key = hex::encode(&session_key());
        json!(["vectors", 1, 4711, 7, GENERATION, key, issued_unix_ms, expires_unix_ms])
    };
    let cases = [
        ("ticket", "usher/1 ticket", TICKET_BYTES_MAX, ticket(ISSUED_UNIX_MS)),
        ("renewed_ticket", "usher/1 ticket", TICKET_BYTES_MAX, ticket(ISSUED_UNIX_MS + 60_000)),
        (
            "reservation",
            "usher/1 reservation",
            RESERVATION_BYTES_MAX,
            json!([99, "hall-2", 7, 2, ISSUED_UNIX_MS + 5_000]),
        ),
    ];
    let mut all = json!({
        "what": "PASETO v4.local; the footer is the key's id, the implicit assertion is not sent",
        "key_id": TICKET_KEY[..16], "key": TICKET_KEY[17..],
    });
    let mut texts = Vec::new();
    for (name, assertion, bytes_max, payload) in cases {
        let kept = before.as_ref().and_then(|all| all[name]["text"].as_str().map(String::from));
        let text = kept.unwrap_or_else(|| {
            let sealed = seal::seal(&ticket_keys(), assertion, bytes_max, &payload).unwrap();
            String::from_utf8(sealed).unwrap()
        });
        let opened: Value = seal::open(&ticket_keys(), assertion, bytes_max, text.as_bytes()).unwrap();
        assert_eq!(opened, payload, "{name}");
        all[name] = json!({ "implicit_assertion": assertion, "payload": payload, "text": text });
        texts.push(text);
    }
    let [ticket, renewed, reservation] = texts.try_into().unwrap();
    (all, SealedTexts { ticket, renewed, reservation })
}

/// The frames on either side of a change of keys.
fn rekey() -> Value {
    let before = key(0x70);
    let (mut sealing, mut opening) = (Sealing::new(before), Opening::new(before));
    let clear = packet(&json!({ "ping": {} }));
    let mut say = |number: u64| {
        let frame = sealed(&mut sealing, &clear);
        opening.open(&frame[2..], &mut Vec::new()).unwrap();
        json!({ "number": number, "clear": hex::encode(&clear), "frame": hex::encode(&frame) })
    };
    let last = (0..REKEY_FRAMES).map(&mut say).last();
    let first = say(REKEY_FRAMES);
    let mut after = [0; KEY_BYTES];
    let (mut last_nonce, mut nonce) = ([0xff; 12], [0; 12]);
    last_nonce[..4].fill(0);
    nonce[4..].copy_from_slice(&REKEY_FRAMES.to_le_bytes());
    let cipher = |key: &[u8; KEY_BYTES]| ChaCha20Poly1305::new(key.into());
    cipher(&before).encrypt_in_place_detached(Nonce::from_slice(&last_nonce), b"", &mut after).unwrap();
    let mut body = clear.clone();
    let tag = cipher(&after).encrypt_in_place_detached(Nonce::from_slice(&nonce), b"", &mut body).unwrap();
    assert_eq!(tag.len(), TAG_BYTES);
    assert_eq!(first["frame"], hex::encode(&framed(&[&body[..], &tag].concat())));
    json!({
        "what": "one direction that says pings and nothing else: the last frame under its first key, the first under \
            the next; numbers go on",
        "key_before": hex::encode(&before), "key_after": hex::encode(&after), "frames": [last, first],
    })
}

/// First frames that are answered in clear.
fn refusals(texts: &SealedTexts, login: &Conversation) -> Value {
    let body = |role, ticket: &str| {
        FirstFrame { role, ticket: ticket.as_bytes(), reservation: b"", noise: &[0xee; MESSAGE_BYTES] }
            .to_bytes()
    };
    let mut other_version = body(Role::Login, "");
    other_version[0] = PROTOCOL_VERSION + 1;
    let in_clear = FirstFrame { role: Role::Login, ticket: b"", reservation: b"", noise: b"" }.to_bytes();
    let first = |body: &[u8]| Some(hex::encode(&framed(body)));
    let closing = |reason: &str| json!({ "closing": { "reason": reason } });
    let cases = [
        (
            "another protocol version",
            first(&other_version),
            json!({ "refused": { "versions": [PROTOCOL_VERSION] } }),
        ),
        (
            "a hall over its limit, and another has room",
            first(&body(Role::Hall, &texts.ticket)),
            json!({ "redirect": { "address": "127.0.0.1:7201", "reservation": texts.reservation } }),
        ),
        (
            "a login over its limit, and none has room",
            Some(login.first_frame.clone()),
            json!({ "busy": { "retry_after_ms": 500 } }),
        ),
        ("a hall, and no ticket", first(&body(Role::Hall, "")), closing("no_ticket")),
        ("no handshake where one is wanted", first(&in_clear), closing("wrong_channel")),
        ("a handshake that proves nothing", first(&body(Role::Login, "")), closing("handshake_failed")),
        ("before anything was read", None, closing("connections_full")),
    ];
    let cases = cases.map(|(what, first_frame, message)| {
        let answer_frame = hex::encode(&framed(&packet(&message)));
        json!({ "what": what, "first_frame": first_frame, "message": message, "answer_frame": answer_frame })
    });
    json!({ "what": "answers in clear: the server closes after each", "refusals": cases })
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn the_vectors_of_the_wire_are_what_this_build_says() {
    let (sealed, texts) = texts();
    let login = login(&texts);
    let made = [
        ("refusals.json", pretty(&refusals(&texts, &login))),
        ("login.json", pretty(&login)),
        ("hall.json", pretty(&hall(&texts))),
        ("room.json", pretty(&room(&texts))),
        ("link.json", pretty(&link())),
        ("rekey.json", pretty(&rekey())),
        ("sealed.json", pretty(&sealed)),
    ];
    for (name, text) in made {
        if env::var_os("USHER_WRITE_VECTORS").is_some() {
            fs::write(file(name), &text).unwrap();
        }
        let kept = fs::read_to_string(file(name)).unwrap();
        assert!(kept == text, "{name} is not what this build says: see the head of this file");
    }
}
