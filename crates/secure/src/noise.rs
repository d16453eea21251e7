//! The handshakes: how two ends that know something of each other get the keys of a channel.
//!
//! Why: the Noise Protocol Framework (revision 34) with two patterns and one suite. `NK` at a login server: the client
//! knows its public key, and is itself nobody yet. `NNpsk0` everywhere else: both know a key already, a session's or a
//! link's; without it nothing of the first message can be read.
//! 1. The initiator sends an ephemeral key with the first frame; everything before it in that frame is the prologue.
//! 2. The responder answers with its own; both have the two keys now.
//! 3. The initiator's first sealed frame proves that it knew the key: a recorded first message completes step 2.
//!
//! Owns: nothing that outlives a handshake; snow does the work.
//! Invariants: messages carry no payload and are [`MESSAGE_BYTES`] long; whoever lacks the key gets an error.
//! Read next: [`crate::cipher`]; <https://noiseprotocol.org/noise.html>.

use crate::cipher::{KEY_BYTES, Opening, Sealing};
use crate::login_key::{LoginKey, LoginPublicKey};
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};
use std::fmt;
use std::sync::LazyLock;

/// Each handshake message: an ephemeral public key and a tag, in bytes.
pub const MESSAGE_BYTES: usize = 48;
/// What every prologue begins with.
pub const PROLOGUE: &[u8] = b"usher/1";

static NK: LazyLock<NoiseParams> = LazyLock::new(|| params("Noise_NK_25519_ChaChaPoly_SHA256"));
static NN_PSK0: LazyLock<NoiseParams> = LazyLock::new(|| params("Noise_NNpsk0_25519_ChaChaPoly_SHA256"));

/// The other end does not know the key, or its message was altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the handshake does not hold")]
pub struct HandshakeError;

/// One handshake message.
pub type Message = [u8; MESSAGE_BYTES];

/// What an initiator knows of the other end.
#[derive(Clone, Copy)]
pub enum Known<'a> {
    /// The public key of a login server.
    Login(&'a LoginPublicKey),
    /// A key that both ends have.
    Shared(&'a [u8; KEY_BYTES]),
}

/// What a responder proves itself by.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The key of this login server.
    Login(&'a LoginKey),
    /// A key that both ends have.
    Shared(&'a [u8; KEY_BYTES]),
}

/// Both directions of a channel, as one of its ends uses them.
#[derive(Debug)]
pub struct Split {
    /// For what this end sends.
    pub sealing: Sealing,
    /// For what it receives.
    pub opening: Opening,
}

/// The end that sent the first message.
pub struct Initiator(Box<HandshakeState>);

impl Initiator {
    /// The first message, to go behind `frame`: the first frame up to there.
    pub fn begin(known: Known<'_>, frame: &[u8]) -> (Self, Message) {
        Self::begin_with(builder_for_initiator(known), frame)
    }

    fn begin_with(builder: Builder<'_>, frame: &[u8]) -> (Self, Message) {
        let prologue = [PROLOGUE, frame].concat();
        let state = builder.prologue(&prologue).and_then(Builder::build_initiator);
        let mut state = Box::new(state.expect("invariant: the keys fit their pattern"));
        let mut message = [0; MESSAGE_BYTES];
        state.write_message(&[], &mut message).expect("invariant: the system gives random bytes");
        (Self(state), message)
    }

    /// Reads the responder's message.
    pub fn finish(mut self, message: &[u8]) -> Result<Split, HandshakeError> {
        self.0.read_message(message, &mut []).map_err(|_| HandshakeError)?;
        let (ours, theirs) = self.0.dangerously_get_raw_split();
        Ok(Split { sealing: Sealing::new(ours), opening: Opening::new(theirs) })
    }
}

impl fmt::Debug for Initiator {
    /// Without what it knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator").finish_non_exhaustive()
    }
}

/// The responder's part: reads the first message, which came behind `frame`, and answers it.
pub fn respond(proof: Proof<'_>, frame: &[u8], message: &[u8]) -> Result<(Message, Split), HandshakeError> {
    respond_with(builder_for_responder(proof), frame, message)
}

fn respond_with(
    builder: Builder<'_>,
    frame: &[u8],
    message: &[u8],
) -> Result<(Message, Split), HandshakeError> {
    let prologue = [PROLOGUE, frame].concat();
    let state = builder.prologue(&prologue).and_then(Builder::build_responder);
    let mut state = state.expect("invariant: the keys fit their pattern");
    state.read_message(message, &mut []).map_err(|_| HandshakeError)?;
    let mut answer = [0; MESSAGE_BYTES];
    state.write_message(&[], &mut answer).expect("invariant: the system gives random bytes");
    let (theirs, ours) = state.dangerously_get_raw_split();
    Ok((answer, Split { sealing: Sealing::new(ours), opening: Opening::new(theirs) }))
}

fn builder_for_initiator(known: Known<'_>) -> Builder<'_> {
    let builder = match known {
        Known::Login(key) => Builder::new(NK.clone()).remote_public_key(&key.0),
        Known::Shared(key) => Builder::new(NN_PSK0.clone()).psk(0, key),
    };
    builder.expect("invariant: each is set once")
}

fn builder_for_responder(proof: Proof<'_>) -> Builder<'_> {
    let builder = match proof {
        Proof::Login(key) => Builder::new(NK.clone()).local_private_key(key.private()),
        Proof::Shared(key) => Builder::new(NN_PSK0.clone()).psk(0, key),
    };
    builder.expect("invariant: each is set once")
}

fn params(suite: &str) -> NoiseParams {
    suite.parse().expect("invariant: the suite is one of snow's")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
