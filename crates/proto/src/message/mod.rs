//! Everything that may be said, on one page: opcode, message, how it is packed, its limit, who may say it.
//!
//! Why: a codec, a limit check and a reader all need the same table, so there is one.
//! Owns: [`Message`], the [`Spec`] of each opcode, the message structs (in the submodules, by who talks).
//! Invariants: a `Map` message may grow fields (unknown ones are ignored, missing ones defaulted); an `Array`
//! message is frozen for its protocol version: a new layout is a new opcode. Opcodes are never reused.
//! Limits: `bytes_max` of an opcode holds for the message's MessagePack, over all its frames.
//! Read next: [`login`], [`hall`], [`room`], [`table`], [`link`], [`push`], [`worker`], then `docs/wire.md`.

pub mod door;
pub mod hall;
pub mod link;
pub mod login;
pub mod push;
pub mod push_lists;
pub mod room;
pub mod table;
pub mod worker;

pub use door::*;
pub use hall::*;
pub use link::*;
pub use login::*;
pub use push::*;
pub use push_lists::*;
pub use room::*;
pub use table::*;
pub use worker::*;

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
    /// A login, hall or room server or a gateway, to the manager.
    Node,
    /// The manager, to a server.
    Manager,
    /// Either end of a link.
    Linked,
    /// A terminal, to a push server.
    Terminal,
    /// A controller, to a push server.
    Controller,
    /// An administrator, to a push server.
    Administrator,
    /// A push server, to any of its clients.
    Push,
    /// A host, to its workers.
    Host,
    /// A worker, to its host.
    Worker,
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
                    $($opcode => {
                        crate::codec::unpack::<$name>(body, Packing::$packing).map(Self::$name)
                    })*
                    _ => Err(crate::codec::CodecError::UnknownOpcode(opcode)),
                }
            }

            /// Writes a message's MessagePack.
            #[cfg(feature = "codec")]
            pub(crate) fn pack(&self) -> Result<alloc::vec::Vec<u8>, crate::codec::CodecError> {
                match self { $(Self::$name(message) => crate::codec::pack(message, Packing::$packing),)* }
            }

            /// The message's fields as a person reads them, in JSON.
            #[cfg(feature = "codec")]
            pub(crate) fn to_fields(&self) -> serde_json::Result<alloc::string::String> {
                match self { $(Self::$name(message) => serde_json::to_string(message),)* }
            }

            /// Reads a message's fields in JSON; the caller has checked opcode, speaker and size.
            #[cfg(feature = "codec")]
            pub(crate) fn read_fields(opcode: u16, fields: &[u8]) -> serde_json::Result<Self> {
                match opcode {
                    $($opcode => serde_json::from_slice::<$name>(fields).map(Self::$name),)*
                    _ => Err(serde::de::Error::custom("no such message")),
                }
            }

            /// Reads a message's fields as a person writes them; the caller has checked opcode and speaker.
            #[cfg(feature = "codec")]
            pub(crate) fn from_fields(opcode: u16, fields: serde_json::Value) -> serde_json::Result<Self> {
                match opcode {
                    $($opcode => serde_json::from_value::<$name>(fields).map(Self::$name),)*
                    _ => Err(serde::de::Error::custom("no such message")),
                }
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
    0x0007 NotUnderstood     Map   512     Server;
    // login
    0x0101 LogIn             Map   512     Client;
    0x0102 LoggedIn          Map   2048    Server;
    0x0103 LogInDenied       Map   64      Server;
    0x0104 LogInChallenge    Map   288     Server;
    0x0105 LogInProof        Map   288     Client;
    0x0106 ListWorlds        Map   16      Client;
    0x0107 Worlds            Map   65_536  Server;
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
    0x030b WhoIsHere         Map   16      Client;
    0x030c Presence          Map   16_384  Server;
    0x030d Announced         Map   576     Server;
    // table
    0x0401 Sit               Map   64      Client;
    0x0402 Seated            Map   64      Server;
    0x0403 SitDenied         Map   64      Server;
    0x0404 Stand             Map   16      Client;
    0x0405 Stood             Map   64      Server;
    0x0406 TableState        Map   2048    Server;
    0x0407 Act               Array 128     Client;
    0x0408 Acted             Array 1344    Server;
    0x0409 ActDenied         Map   256     Server;
    0x040a HandEnded         Map   448     Server;
    0x040b PlayerSat         Array 64      Server;
    0x040c PlayerStood       Array 64      Server;
    0x040d Scored            Map   64      Server;
    0x040e TableChat         Array 600     Client;
    0x040f TableSaid         Array 600     Server;
    0x0410 Watch             Map   32      Client;
    0x0411 Watching          Map   32      Server;
    0x0412 WatchDenied       Map   64      Server;
    0x0413 Unwatch           Map   16      Client;
    0x0414 Unwatched         Map   32      Server;
    0x0415 Ready             Map   16      Client;
    0x0416 PlayerReady       Array 32      Server;
    0x0417 SetTableRules     Map   96      Client;
    0x0418 TableRuled        Map   128     Server;
    0x0419 Dismiss           Map   16      Client;
    0x041a TableDenied       Map   32      Server;
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
    0x1016 Revoked           Map   20_480  Linked;
    0x1017 Delay             Map   32      Node;
    0x1018 WorldsUp          Map   65_536  Manager;
    0x1019 ArbitrateParty    Array 96      Node;
    0x101a Announce          Map   576     Manager;
    0x101b Before            Map   20_480  Node;
    0x101c Inner             Map   21_504  Manager;
    0x101d Placed            Map   288     Manager;
    // push: terminals
    0x2001 TerminalHello     Map   128     Terminal;
    0x2002 HelloDenied       Map   64      Push;
    0x2003 Subscribe         Map   160     Terminal;
    0x2004 Subscribed        Map   160     Push;
    0x2005 SubscribeDenied   Map   160     Push;
    0x2006 Unsubscribe       Map   96      Terminal;
    0x2007 Unsubscribed      Map   96      Push;
    0x2008 Instruction       Array 32_896  Push;
    0x2009 Gap               Map   160     Push;
    0x200a Quote             Array 1152    Push;
    0x200b PortionSent       Array 16      Push;
    0x200c PortionTaken      Array 16      Terminal;
    // push: controllers
    0x2101 ControllerHello   Map   64      Controller;
    0x2102 ControllerWelcome Map   64      Push;
    0x2103 Instruct          Array 32_896  Controller;
    0x2104 Instructed        Array 32      Push;
    0x2105 InstructDenied    Map   64      Push;
    0x2106 SetQuote          Array 1152    Controller;
    0x2107 QuoteDenied       Map   160     Push;
    // push: administrators
    0x2201 ListClients       Map   64      Administrator;
    0x2202 Clients           Map   163_840 Push;
    0x2203 ListTopics        Map   96      Administrator;
    0x2204 Topics            Map   8192    Push;
    0x2205 ListTerminals     Map   64      Administrator;
    0x2206 Terminals         Map   8192    Push;
    0x2207 GetCounts         Map   16      Administrator;
    0x2208 Counts            Map   512     Push;
    0x2209 CloseClient       Map   32      Administrator;
    0x220a ClientClosed      Map   32      Push;
    0x220b Forget            Map   96      Administrator;
    0x220c Forgotten         Map   96      Push;
    0x220d Denied            Map   64      Push;
    // workers
    0x3001 WorkerHello       Map   64      Worker;
    0x3002 WorkerDenied      Map   192     Host;
    0x3003 PlayHand          Map   65_536  Host;
    0x3004 HandPlayed        Map   16_384  Worker;
    0x3005 PlayRefused       Map   192     Worker;
    0x3006 Work              Map   131_328 Host;
    0x3007 Worked            Map   131_328 Worker;
    0x3008 Undone            Map   192     Worker;
    0x3009 HostHello         Map   32      Host;
    0x300a WorkerLeaving     Map   16      Worker;
}

impl Message {
    /// Whether a server says with it that it serves this client no longer, or not now.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Closing(_) | Self::Redirect(_) | Self::Busy(_) | Self::Refused(_))
    }
}

impl Spec {
    /// The spec of an opcode, if there is such an opcode.
    pub fn of(opcode: u16) -> Option<&'static Self> {
        let at = SPECS.binary_search_by_key(&opcode, |spec| spec.opcode).ok()?;
        SPECS.get(at)
    }

    /// The spec of the message that is called so in JSON, if there is one.
    pub fn of_json_name(name: &str) -> Option<&'static Self> {
        SPECS.iter().find(|spec| spec.json_name().eq(name.chars()))
    }

    /// The message's name in JSON: `list_clients` for `ListClients`.
    pub fn json_name(&self) -> impl Iterator<Item = char> + use<> {
        self.name.char_indices().flat_map(|(at, char)| {
            let blank = (at > 0 && char.is_ascii_uppercase()).then_some('_');
            blank.into_iter().chain([char.to_ascii_lowercase()])
        })
    }
}

#[cfg(all(test, feature = "codec"))]
mod hostile;
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

    #[test]
    fn a_message_is_found_by_its_name_in_json() {
        for spec in SPECS {
            let name: alloc::string::String = spec.json_name().collect();
            assert_eq!(Spec::of_json_name(&name), Some(spec));
        }
        assert_eq!(Spec::of_json_name("list_clients").map(|spec| spec.name), Some("ListClients"));
        assert_eq!(Spec::of_json_name("ListClients"), None);
    }
}
