//! Handshakes with the right key and every wrong one.

use super::*;
use crate::cipher::{Forged, TAG_BYTES};
use snow::TransportState;

const SHARED: [u8; KEY_BYTES] = [0x5a; KEY_BYTES];
const FRAME: &[u8] = b"version, role, ticket, reservation";

fn login_key() -> LoginKey {
    LoginKey::from_private([0x11; KEY_BYTES])
}

/// Each pattern, with what either end knows.
fn patterns(login: &(LoginKey, LoginPublicKey)) -> [(Known<'_>, Proof<'_>); 2] {
    [(Known::Login(&login.1), Proof::Login(&login.0)), (Known::Shared(&SHARED), Proof::Shared(&SHARED))]
}

fn login() -> (LoginKey, LoginPublicKey) {
    let key = login_key();
    let public = key.public();
    (key, public)
}

fn sealed(split: &mut Split, text: &[u8]) -> Vec<u8> {
    let mut frame = text.to_vec();
    let tag = split.sealing.seal(&mut frame).unwrap();
    [&frame[..], &tag].concat()
}

fn opened(split: &mut Split, frame: &[u8]) -> Result<Vec<u8>, Forged> {
    let mut clear = Vec::new();
    split.opening.open(frame, &mut clear)?;
    Ok(clear)
}

#[test]
fn both_ends_understand_each_other_after_it() {
    let login = login();
    for (known, proof) in patterns(&login) {
        let (initiator, first) = Initiator::begin(known, FRAME);
        let (answer, mut responder) = respond(proof, FRAME, &first).unwrap();
        let mut initiator = initiator.finish(&answer).unwrap();
        for text in [&b"hello"[..], b"", &[7; 5000]] {
            let frame = sealed(&mut initiator, text);
            assert_eq!(opened(&mut responder, &frame).unwrap(), text);
            let frame = sealed(&mut responder, text);
            assert_eq!(opened(&mut initiator, &frame).unwrap(), text);
        }
    }
}

/// What is kept after the split seals and opens as snow's own transport does.
#[test]
fn the_split_speaks_with_snows_transport() {
    let builder = || builder_for_responder(Proof::Shared(&SHARED));
    let (initiator, first) = Initiator::begin(Known::Shared(&SHARED), FRAME);
    let prologue = [PROLOGUE, FRAME].concat();
    let mut state = builder().prologue(&prologue).unwrap().build_responder().unwrap();
    state.read_message(&first, &mut []).unwrap();
    let mut answer = [0; MESSAGE_BYTES];
    state.write_message(&[], &mut answer).unwrap();
    let mut snow: TransportState = state.into_transport_mode().unwrap();
    let mut ours = initiator.finish(&answer).unwrap();
    for number in 0..100_u8 {
        let text = vec![number; usize::from(number)];
        let mut buffer = vec![0; text.len() + TAG_BYTES];
        let clear = snow.read_message(&sealed(&mut ours, &text), &mut buffer).unwrap();
        assert_eq!(buffer[..clear], text);
        let mut buffer = vec![0; text.len() + TAG_BYTES];
        snow.write_message(&text, &mut buffer).unwrap();
        assert_eq!(opened(&mut ours, &buffer).unwrap(), text);
    }
}

#[test]
fn whoever_lacks_the_key_gets_no_further() {
    let login = login();
    let other_login = LoginKey::from_private([0x22; KEY_BYTES]);
    let other_public = other_login.public();
    let strangers = [
        (Known::Login(&other_public), Proof::Login(&login.0)),
        (Known::Shared(&[0; KEY_BYTES]), Proof::Shared(&SHARED)),
        (Known::Login(&login.1), Proof::Shared(&SHARED)),
    ];
    for (known, proof) in strangers {
        let (_, first) = Initiator::begin(known, FRAME);
        assert_eq!(respond(proof, FRAME, &first).unwrap_err(), HandshakeError);
    }
}

#[test]
fn a_handshake_altered_in_any_bit_or_cut_anywhere_does_not_hold() {
    let login = login();
    for (known, proof) in patterns(&login) {
        let (_, first) = Initiator::begin(known, FRAME);
        for bit in 0..FRAME.len() * 8 {
            let mut frame = FRAME.to_vec();
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(respond(proof, &frame, &first).is_err(), "bit {bit} of the prologue");
        }
        for bit in 0..MESSAGE_BYTES * 8 {
            let alter = |message: &Message| {
                let mut altered = *message;
                altered[bit / 8] ^= 1 << (bit % 8);
                altered
            };
            // X25519 ignores the highest bit of a key; the hash over it does not.
            assert!(respond(proof, FRAME, &alter(&first)).is_err(), "bit {bit} of the first");
            let (initiator, first) = Initiator::begin(known, FRAME);
            let (answer, _) = respond(proof, FRAME, &first).unwrap();
            assert!(initiator.finish(&alter(&answer)).is_err(), "bit {bit} of the answer");
        }
        for cut in 0..MESSAGE_BYTES {
            assert!(respond(proof, FRAME, &first[..cut]).is_err(), "first cut at {cut}");
            let (initiator, first) = Initiator::begin(known, FRAME);
            let (answer, _) = respond(proof, FRAME, &first).unwrap();
            assert!(initiator.finish(&answer[..cut]).is_err(), "answer cut at {cut}");
        }
    }
}

/// A first message that was recorded gets an answer, and nothing that is recorded opens under it.
#[test]
fn a_recorded_conversation_proves_nothing() {
    let (initiator, first) = Initiator::begin(Known::Shared(&SHARED), FRAME);
    let (answer, _) = respond(Proof::Shared(&SHARED), FRAME, &first).unwrap();
    let recorded = sealed(&mut initiator.finish(&answer).unwrap(), b"enter");
    let (_, mut again) = respond(Proof::Shared(&SHARED), FRAME, &first).unwrap();
    assert_eq!(opened(&mut again, &recorded), Err(Forged));
}
