//! Everything that may be said, on one page: opcode, message, how it is packed, its limit, who may say it.
//!
//! Why: a codec, a limit check and a reader all need the same table, so there is one.
//! Owns: [`Message`], the [`Spec`] of each opcode, the message structs (in the submodules, by who talks).
//! Invariants: a `Map` message may grow fields (unknown ones are ignored, missing ones defaulted); an `Array`
//! message is frozen for its protocol version: a new layout is a new opcode. Opcodes are never reused.
//! Limits: `bytes_max` of an opcode holds for the message's MessagePack, over all its frames.
//! Read next: [`login`], [`hall`], [`room`], [`table`], [`link`], then `docs/wire.md`.

pub mod door;
pub mod hall;
pub mod link;
pub mod login;
pub mod room;
pub mod table;

pub use door::*;
pub use hall::*;
pub use link::*;
pub use login::*;
pub use room::*;
pub use table::*;

/// How a message lies in MessagePack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Field names and values: control messages, free to grow.
    Map,
    /// Values in order: hot messages, frozen.
    Array,
}

/// Who may say a message. A listener decodes only what its peers may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Either side, on any connection.
    Anyone,
    /// A player.
    Client,
    /// A login, hall or room server, to a player.
    Server,
    /// A login, hall or room server, to the manager.
    Node,
    /// The manager, to a server.
    Manager,
}

/// What is fixed about one opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The number on the wire.
    pub opcode: u16,
    /// The message's name, in logs and metrics.
    pub name: &'static str,
    /// How it is packed.
    pub packing: Packing,
    /// Its MessagePack, at most, in bytes.
    pub bytes_max: usize,
    /// Who may say it.
    pub speaker: Speaker,
}

macro_rules! messages {
    ($($opcode:literal $name:ident $packing:ident $bytes_max:literal $speaker:ident;)*) => {
        /// Any message.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // each variant is documented at its struct
        pub enum Message { $($name($name),)* }

        /// The table, ordered by opcode.
        pub const SPECS: &[Spec] = &[$(Spec {
            opcode: $opcode,
            name: stringify!($name),
            packing: Packing::$packing,
            bytes_max: $bytes_max,
            speaker: Speaker::$speaker,
        },)*];

        $(impl From<$name> for Message {
            fn from(message: $name) -> Self { Self::$name(message) }
        })*

        impl Message {
            /// What is fixed about this message's opcode.
            pub fn spec(&self) -> &'static Spec {
                let opcode: u16 = match self { $(Self::$name(_) => $opcode,)* };
                Spec::of(opcode).expect("invariant: every variant stands in the table")
            }

            /// Reads a message's MessagePack; the caller has checked opcode, speaker and size.
            #[cfg(feature = "codec")]
            pub(crate) fn unpack(opcode: u16, body: &[u8]) -> Result<Self, crate::codec::CodecError> {
                match opcode {
                    $($opcode => crate::codec::unpack::<$name>(body).map(Self::$name),)*
                    _ => Err(crate::codec::CodecError::UnknownOpcode(opcode)),
                }
            }

            /// Writes a message's MessagePack.
            #[cfg(feature = "codec")]
            pub(crate) fn pack(&self) -> Result<alloc::vec::Vec<u8>, crate::codec::CodecError> {
                match self { $(Self::$name(message) => crate::codec::pack(message, Packing::$packing),)* }
            }

            /// The message as a person reads it.
            #[cfg(feature = "codec")]
            pub fn to_json(&self) -> serde_json::Value {
                let value = match self { $(Self::$name(message) => serde_json::to_value(message),)* };
                serde_json::json!({ self.spec().name: value.unwrap_or_default() })
            }
        }
    };
}

messages! {
    // door: any listener
    0x0001 Ping              Array 16      Anyone;
    0x0002 Pong              Array 16      Anyone;
    0x0003 Redirect          Map   1024    Server;
    0x0004 Busy              Map   64      Server;
    0x0005 Refused           Map   64      Server;
    0x0006 Closing           Map   256     Server;
    // login
    0x0101 LogIn             Map   512     Client;
    0x0102 LoggedIn          Map   2048    Server;
    0x0103 LogInDenied       Map   64      Server;
    // hall
    0x0201 GetDirectory      Map   64      Client;
    0x0202 Directory         Map   131_072  Server;
    0x0203 Renewed           Map   2048    Server;
    // room
    0x0301 Enter             Map   64      Client;
    0x0302 Entered           Map   256     Server;
    0x0303 EnterDenied       Map   1024    Server;
    0x0304 Leave             Map   16      Client;
    0x0305 Left              Map   32      Server;
    0x0306 Chat              Array 600     Client;
    0x0307 ChatAccepted      Array 32      Server;
    0x0308 ChatSaid          Array 640     Server;
    0x0309 ChatGap           Map   64      Server;
    0x030a ChatDenied        Map   64      Server;
    // table
    0x0401 Sit               Map   64      Client;
    0x0402 Seated            Map   64      Server;
    0x0403 SitDenied         Map   64      Server;
    0x0404 Stand             Map   16      Client;
    0x0405 Stood             Map   64      Server;
    0x0406 TableState        Map   2048    Server;
    0x0407 Act               Array 128     Client;
    0x0408 Acted             Array 320     Server;
    0x0409 ActDenied         Map   256     Server;
    0x040a HandEnded         Map   256     Server;
    0x040b PlayerSat         Array 64      Server;
    0x040c PlayerStood       Array 64      Server;
    // link: servers and their manager
    0x1001 Register          Map   131_072  Node;
    0x1002 Registered        Map   64      Manager;
    0x1003 RegisterDenied    Map   512     Manager;
    0x1004 Present           Map   131_072  Node;
    0x1005 Renew             Array 128     Node;
    0x1006 Load              Array 65_536  Node;
    0x1007 Redeemed          Array 16_384  Node;
    0x1008 Arbitrate         Array 64      Node;
    0x1009 Arbitrated        Map   1024    Manager;
    0x100a Claim             Array 128     Node;
    0x100b Claimed           Map   512     Manager;
    0x100c Release           Array 128     Node;
    0x100d Released          Array 32      Manager;
    0x100e Evict             Array 64      Manager;
    0x100f Evicted           Array 64      Node;
    0x1010 Locate            Array 64      Node;
    0x1011 Located           Map   2048    Manager;
    0x1012 RoomsOf           Map   131_072  Manager;
    0x1013 RoomsGone         Map   128     Manager;
    0x1014 Halls             Map   2048    Manager;
    0x1015 DrainOrder        Map   16      Manager;
}

impl Spec {
    /// The spec of an opcode, if there is such an opcode.
    pub fn of(opcode: u16) -> Option<&'static Self> {
        let at = SPECS.binary_search_by_key(&opcode, |spec| spec.opcode).ok()?;
        SPECS.get(at)
    }
}

#[cfg(all(test, feature = "codec"))]
mod largest;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ordered_so_that_an_opcode_is_found() {
        assert!(SPECS.is_sorted_by(|a, b| a.opcode < b.opcode));
        for spec in SPECS {
            assert_eq!(Spec::of(spec.opcode), Some(spec));
            assert!(spec.bytes_max <= crate::limits::MESSAGE_BYTES_MAX, "{}", spec.name);
            assert_ne!(spec.opcode >> 8, u16::from(crate::first_frame::ANSWER_WELCOME), "{}", spec.name);
        }
        assert_eq!(Spec::of(0xffff), None);
    }
}
