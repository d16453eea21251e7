//! The service without a socket, the codec at every split, and both of them at work on port 0.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use usher_hpserver::{Action, BadFrame, CloseReason, Codec, Decoded, Partial};

use super::*;

#[test]
fn each_connection_counts_for_itself_and_is_forgotten() {
    let (mut service, mut out) = (Numbered::default(), Actions::new(0));
    let [ann, bob] = [1, 2].map(ConnId::from_bits);
    for conn in [ann, bob, ann] {
        service.handle(Event::Packet { conn, packet: "hello".into() }, &mut out);
    }
    let said = out.drain().filter_map(|action| match action {
        Action::Send(conn, line, _) => Some((conn, line)),
        _ => None,
    });
    let line = |text: &str| text.to_string();
    assert!(said.eq([(ann, line("1 hello")), (bob, line("1 hello")), (ann, line("2 hello"))]));
    service.handle(Event::Closed { conn: ann, reason: CloseReason::PeerClosed }, &mut out);
    assert_eq!(service.lines, BTreeMap::from([(bob, 1)]));
}

/// What the receive stage does with a codec: whole frames are taken, the rest is kept.
fn read(codec: &Lines, pieces: &[&[u8]]) -> Result<Vec<String>, BadFrame> {
    let (mut kept, mut packets) = (Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        while let Some(frame) = codec.frame(&kept)? {
            if let Decoded::Packet(packet) = codec.decode(&mut Partial::default(), &kept[frame.body])? {
                packets.push(packet);
            }
            kept.drain(..frame.end);
        }
        assert!(kept.len() <= codec.line_bytes_max);
    }
    Ok(packets)
}

#[test]
fn lines_are_the_same_at_every_split() {
    let codec = Lines { line_bytes_max: 16 };
    let stream = "one\ntwo\r\n\ntr\u{e8}s\n".as_bytes();
    let lines: Vec<_> = ["one", "two", "", "tr\u{e8}s"].map(String::from).into();
    for cut in 0..=stream.len() {
        let (head, rest) = stream.split_at(cut);
        assert_eq!(read(&codec, &[head, rest]), Ok(lines.clone()), "cut at {cut}");
    }
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(read(&codec, &bytes), Ok(lines));
}

#[test]
fn a_line_too_long_is_refused_from_its_first_byte_too_many() {
    let codec = Lines { line_bytes_max: 4 };
    assert_eq!(codec.frame(b"four"), Ok(None));
    assert_eq!(codec.frame(b"four\n"), Ok(Some(usher_hpserver::Frame { body: 0..4, end: 5 })));
    assert_eq!(codec.frame(b"five!"), Err(BadFrame("line_too_long")));
    assert_eq!(codec.frame(b"five!\n"), Err(BadFrame("line_too_long")));
}

#[test]
fn what_is_no_text_is_refused() {
    let codec = Lines { line_bytes_max: 16 };
    assert_eq!(read(&codec, &[b"a\x1b[2J\n"]), Err(BadFrame("control_character")));
    assert_eq!(read(&codec, &[b"a\rb\n"]), Err(BadFrame("control_character")));
    assert_eq!(read(&codec, &[b"\xff\n"]), Err(BadFrame("not_utf8")));
}

#[test]
fn what_is_written_is_read_again() {
    let codec = Lines { line_bytes_max: 16 };
    let mut wire = usher_hpserver::BytesMut::new();
    for line in ["one", "", "three"] {
        codec.encode(&line.into(), &mut wire).unwrap();
    }
    assert_eq!(read(&codec, &[&wire]).unwrap(), ["one", "", "three"]);
}

/// Everything the server says to somebody who says this, then ends.
fn answer_to(said: &[u8]) -> String {
    let server = start("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(server.addresses()[0].1).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client.write_all(said).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn lines_come_back_with_their_numbers() {
    assert_eq!(answer_to(b"hello\nagain\r\n"), "1 hello\n2 again\n");
}

#[test]
fn a_line_too_long_is_answered_with_why() {
    let mut said = b"hello\n".to_vec();
    said.extend([b'x'; 513]);
    assert_eq!(answer_to(&said), "1 hello\nbye: line_too_long\n");
}
