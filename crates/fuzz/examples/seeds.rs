//! Writes what the targets start from: real messages, frames, greetings, configs and proofs, in `corpus/`.
//!
//! Run it after the vocabulary has grown: `cargo run -p usher-fuzz --example seeds`. With `--seal` it also seals the
//! fixed ticket and reservation anew, which everything in `corpus/greeting` and `corpus/ticket` then has to follow.
//! Owns: which seeds there are. What fuzzing adds to them is kept beside its build, and not here.
//! Read next: `tests/corpus.rs`, which runs them.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use usher_fuzz::fixed;
use usher_hpserver::Offer;
use usher_proto::codec::{self, Form};
use usher_proto::first_frame::{FirstFrame, Role};
use usher_proto::message::{Chat, GetCounts, Speaker};
use usher_proto::{Message, lines};
use usher_runtime::call::{Call, Knowing, LoginKeys};
use usher_runtime::codec::{Native, Side};
use usher_secure::reservation;

/// The ends of a connection as `assembly.rs` numbers them, and who is heard there.
const SIDES: [(u8, Side, &[Speaker]); 9] = [
    (0, Side::Server, &[Speaker::Client]),
    (1, Side::Client, &[Speaker::Server]),
    (2, Side::Manager, &[Speaker::Node, Speaker::Linked]),
    (3, Side::Node, &[Speaker::Manager, Speaker::Linked]),
    (4, Side::ToTerminals, &[Speaker::Terminal]),
    (6, Side::ToAdministrators, &[Speaker::Administrator]),
    (7, Side::PushClient, &[Speaker::Push]),
    (8, Side::ToWorkers, &[Speaker::Worker]),
    (9, Side::Worker, &[Speaker::Host]),
];

fn main() {
    if std::env::args().any(|word| word == "--seal") {
        return seal();
    }
    let messages = messages();
    packets(&messages);
    streams(&messages);
    greetings();
    tickets();
    configs();
    scram();
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = home().join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn seal() {
    let keys = fixed::ticket_keys();
    let ticket = fixed::ticket().seal(&keys).unwrap();
    let place = reservation::seal(&fixed::reservation(), fixed::EXPIRES_UNIX_MS, &keys).unwrap();
    fs::write(home().join("seeds/ticket"), ticket).unwrap();
    fs::write(home().join("seeds/reservation"), place).unwrap();
}

/// One of each opcode.
fn messages() -> Vec<Message> {
    let text = fs::read_to_string(home().join("seeds/messages.jsonl")).unwrap();
    text.lines().map(|line| lines::read(|_| true, line.as_bytes()).unwrap()).collect()
}

/// Every packet behind its length, a file for each hundred of opcodes.
fn packets(messages: &[Message]) {
    for family in messages.chunk_by(|one, other| one.spec().opcode >> 8 == other.spec().opcode >> 8) {
        let name = format!("{:04x}", family[0].spec().opcode & 0xff00);
        let bytes: Vec<u8> = family.iter().flat_map(|message| native(Side::Server, message)).collect();
        write("messages", &name, &bytes);
    }
    let in_json = Native { form: Form::Json, ..Native::new(Side::Worker) };
    let of_workers = messages.iter().filter(|it| it.spec().opcode >> 12 == 3);
    let bytes: Vec<u8> = of_workers.flat_map(|message| in_json.frames(message)).collect();
    write("messages", "3000_json", &bytes);
    // One message over three frames, as its sender may cut it.
    let mut parts = Vec::new();
    codec::encode(
        Form::MessagePack,
        &Chat { request: 1, text: "a longer text".into() }.into(),
        |header, body| {
            let (first, rest) = body.split_at(4);
            let (second, third) = rest.split_at(4);
            for (flag, part) in [(1, first), (1, second), (0, third)] {
                parts.extend(((3 + part.len()) as u16).to_be_bytes());
                parts.extend([header[0], header[1], flag]);
                parts.extend(part);
            }
        },
    )
    .unwrap();
    write("messages", "continued", &parts);
    write("frames", "continued", &[&[0, 3, 1, 5, 40][..], &parts].concat());
}

fn native(side: Side, message: &Message) -> Vec<u8> {
    Native::new(side).frames(message).to_vec()
}

/// What each end may hear, as frames and as lines, cut in small parts.
fn streams(messages: &[Message]) {
    for (number, side, speakers) in SIDES {
        let heard = || messages.iter().filter(|it| speakers.contains(&it.spec().speaker));
        let cuts = [number, 3, 1, 2, 19];
        let name = format!("{side:?}").to_lowercase();
        let frames: Vec<u8> = heard().flat_map(|message| native(side, message)).collect();
        write("frames", &name, &[&cuts[..], &frames].concat());
        let lines: String = heard().map(|message| lines::write(message).unwrap() + "\n").collect();
        write("json_lines", &name, &[&cuts[..], lines.as_bytes()].concat());
    }
    write("json_lines", "wrong", b"\x06\x01\x07hello\n\r\n{\"get_counts\":{}\n{\"ping\":{}}\n{\"sit\":1}\n");
    let counts = native(Side::PushClient, &GetCounts {}.into());
    write("frames", "cut_short", &[&[6, 0][..], &counts, &counts[..3]].concat());
}

fn greetings() {
    let roles = [Role::Login, Role::Hall, Role::Room, Role::Link, Role::Trunk, Role::Workers];
    for (number, role) in [0, 1, 2, 3, 0x10, 0x20].into_iter().zip(roles) {
        let (ticket, knowing) = match role {
            Role::Login => ("", Knowing::LoginKeys(LoginKeys::new(vec![fixed::login_key().public()]).into())),
            Role::Hall | Role::Room => (fixed::SEALED_TICKET, Knowing::Session(fixed::SESSION_KEY)),
            Role::Link | Role::Trunk | Role::Workers => {
                ("room-1", Knowing::Link(fixed::link_secret().key_of("room-1")))
            }
        };
        let reservation = fixed::SEALED_RESERVATION.as_bytes();
        let frame = FirstFrame { role, ticket: ticket.as_bytes(), reservation, noise: b"" };
        let hello = Call::new(&frame, knowing).hello();
        let name = format!("{role:?}").to_lowercase();
        write("greeting", &name, &[&[number][..], &hello[2..]].concat());
        write("greeting", &format!("{name}_in_clear"), &[&[number | 4][..], &frame.to_bytes()].concat());
        let meeting = [number | 8, number & 3, 0, 40, 1];
        write("greeting", &format!("{name}_altered"), &[&meeting[..], b"said once it is open"].concat());
    }
    write("greeting", "unaltered", b"\x09\x00\x00\x00\x00said once it is open");
}

fn tickets() {
    write("ticket", "ticket", format!("\0{}", fixed::SEALED_TICKET).as_bytes());
    write("ticket", "reservation", format!("\0{}", fixed::SEALED_RESERVATION).as_bytes());
    write("ticket", "ticket_edited", &[1, 2, 40, b'A', 3, 41, 0]);
    write("ticket", "reservation_edited", &[3, 0, 12, b'.', 1, 90, 0]);
    write("ticket", "unedited", &[1]);
    write("ticket", "footer_gone", &[1, 1, 180, 0]);
}

/// The delivered configs without their comments, and what only others have.
fn configs() {
    let delivered = home().join("../../deploy/local");
    for kind in ["manager", "login-1", "hall-1", "room-1", "gateway", "push"] {
        let path: PathBuf = delivered.join(kind).with_extension("toml");
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim_end());
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("accounts"));
        let text: String = lines.map(|line| line.to_owned() + "\n").collect();
        write("config", kind, text.as_bytes());
    }
    let least = "kind=\"hall\"\nserver={name=\"h\",listen=\"[::]:0\",advertise=\"h:1\"}\n\
                 cluster={name=\"c\",key_file=\"k\",manager=\"[::1]:1\"}\n";
    write("config", "least", least.as_bytes());
    write("config", "guests", format!("{}login.guests=true\n", least.replace("hall", "login")).as_bytes());
    write("config", "no_kind", b"[server]\nname = 1\n");
    write(
        "config",
        "wrong",
        b"kind = \"room\"\n[server]\nname = \"r\"\nlisten = \"here\"\n[limits]\nserve_max = -1\n",
    );
}

/// The exchange of RFC 7677, and others as far as they get.
fn scram() {
    let exchange = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO\n\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096\n\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    write("scram", "rfc7677", exchange.as_bytes());
    write("scram", "escaped", b"y,,n=a=2Cb=3Dc,r=x,e=1\nr=xy,s=AA==,i=1000000,e=1\nc=eSws,r=xy,e=1,p=AA==");
    write("scram", "extension", b"n,,m=1,n=a,r=x\nm=1,r=xy,s=AA==,i=4096\nc=biws,r=xy,m=1,p=AA==");
    write("scram", "prepared", "n,,n=\u{fc}\u{2168}\u{ad},r=x\n\n".as_bytes());
}
