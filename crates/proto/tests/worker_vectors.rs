//! What a host and its workers say, frame by frame: `vectors/worker.json`, made here and held against this build.
//!
//! Why: a worker is written in any language. It is right when it reads these frames as these messages and writes them so.
//! To write them anew: `USHER_WRITE_VECTORS=1 cargo test -p usher-proto --features codec --test worker_vectors`.
//! Owns: one frame of each message that workers hear or say, and of every choice in them, in MessagePack and in JSON.
//! Read next: `docs/workers.md`.
#![forbid(unsafe_code)]

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::message::{SPECS, Speaker};
use usher_proto::{Message, lines};

#[derive(Serialize)]
struct Vectors {
    what: &'static str,
    frames: Vec<Vector>,
}

#[derive(Serialize)]
struct Vector {
    message: Value,
    message_pack: String,
    json: String,
}

fn hello_and_signs_of_life() -> Vec<Value> {
    vec![
        json!({ "worker_hello": { "version": 1, "name": "rps" } }),
        json!({ "worker_denied": { "why": "version 2 is not spoken here" } }),
        json!({ "host_hello": { "version": 1 } }),
        json!({ "worker_leaving": {} }),
        json!({ "ping": {} }),
        json!({ "pong": {} }),
    ]
}

fn hands() -> Vec<Value> {
    let seed: Vec<u8> = (0..32).collect();
    let act = |seat: u8, action: &str| json!({ "act": { "seat": seat, "action": action } });
    let play = |id: u64, moves: Vec<Value>, next: Value| {
        json!({ "play_hand": { "id": id, "left_ms": 9500, "play": {
            "game": "reversi", "hand": "room-1/1795547325960/3/12/9", "seats": 2, "seed": seed, "moves": moves, "next": next,
        } } })
    };
    let sight = |actions: &[&str], shown: &str| json!({ "actions": actions, "shown": shown });
    let look = |to_act: &[u8], views: [Value; 3], end: Value| json!({ "words": "black played d3", "to_act": to_act, "views": views, "between_tricks": true, "end": end });
    let during = [sight(&[], "\u{25cf}\u{25cb}"), sight(&["c3", "e3"], "\u{25cf}\u{25cb}"), sight(&[], "")];
    let after = [sight(&[], "a \"quote\"\n\u{1}"), sight(&[], ""), sight(&[], "")];
    let end = json!({ "scores": [1, -1], "reason": "timed out" });
    vec![
        play(1, vec![], Value::Null),
        play(2, vec![], act(0, "d3")),
        play(300, vec![act(0, "d3"), act(1, "c3")], json!("timeout")),
        play(1 << 53, vec![json!("timeout")], json!({ "abandon": { "seat": 1 } })),
        json!({ "hand_played": { "id": 2, "look": look(&[1], during, Value::Null) } }),
        json!({ "hand_played": { "id": 300, "look": look(&[], after, end) } }),
        json!({ "play_refused": { "id": 2, "why": "d4 is taken" } }),
    ]
}

fn works() -> Vec<Value> {
    let work = |key: Value, body: Value| json!({ "work": { "id": 7, "left_ms": 250, "kind": "score", "key": key, "body": body } });
    let undone = |why: Value| json!({ "undone": { "id": 7, "why": why } });
    vec![
        work(json!("season-4"), json!("gr\u{fc}\u{df} dich")),
        work(Value::Null, json!([255, 0, 128])),
        json!({ "worked": { "id": 7, "body": "{\"points\":3}" } }),
        json!({ "worked": { "id": 7, "body": [254] } }),
        undone(json!({ "failed": "division by zero" })),
        undone(json!("worker_died")),
        undone(json!("late")),
        undone(json!("set_aside")),
        undone(json!("full")),
        undone(json!("no_worker")),
    ]
}

/// The message as a frame, which must be read again as the same.
fn frame(form: Form, message: &Message) -> String {
    let mut packets = Vec::new();
    codec::encode(form, message, |header, body| packets.push([&header[..], body].concat())).unwrap();
    let [packet] = packets.as_slice() else { panic!("{message:?} takes more than one frame") };
    let read = codec::decode(form, |_| true, &mut Unfinished::default(), packet);
    assert_eq!(read.as_ref(), Ok(&Some(message.clone())));
    let length = (packet.len() as u16).to_be_bytes();
    length.iter().chain(packet).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn vector(message: Value) -> Vector {
    let said = lines::read(|_| true, message.to_string().as_bytes()).unwrap();
    Vector { message, message_pack: frame(Form::MessagePack, &said), json: frame(Form::Json, &said) }
}

#[test]
fn the_vectors_of_workers_are_what_this_build_says() {
    let messages = [hello_and_signs_of_life(), hands(), works()].concat();
    let said: BTreeSet<_> = messages.iter().flat_map(|it| it.as_object().unwrap().keys().cloned()).collect();
    for spec in SPECS.iter().filter(|spec| matches!(spec.speaker, Speaker::Host | Speaker::Worker)) {
        assert!(said.contains(&spec.json_name().collect::<String>()), "no vector has {}", spec.name);
    }
    let what = "a host and its workers: each message, and its whole frame in MessagePack and in JSON";
    let vectors = Vectors { what, frames: messages.into_iter().map(vector).collect() };
    let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/worker.json");
    if env::var_os("USHER_WRITE_VECTORS").is_some() {
        return fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(kept, text, "the wire of workers is not what vectors/worker.json says");
}
