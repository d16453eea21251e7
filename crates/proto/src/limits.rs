//! The limits of the wire, each with its unit in its name.
//!
//! Why: a limit that both sides know is checked before anything is allocated, and a client can tell its
//! user why a text was refused. Limits of one server (connections, queues) are that server's config.

/// The body of one frame, in bytes: what its `u16` length can say.
pub const FRAME_BYTES_MAX: usize = 65_535;
/// Any message, in bytes, over all its frames; most opcodes allow far less.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// A server's, room's or account's name, in bytes.
pub const NAME_BYTES_MAX: usize = 32;
/// A password as typed, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// A SCRAM text, in bytes; an account's name is escaped in it.
pub const SCRAM_BYTES_MAX: usize = 256;
/// An advertised address, in bytes (a host name is at most 253).
pub const ADDRESS_BYTES_MAX: usize = 262;
/// A sealed ticket, in bytes.
pub const TICKET_BYTES_MAX: usize = 512;
/// A sealed reservation, in bytes.
pub const RESERVATION_BYTES_MAX: usize = 512;
/// One chat text, in bytes.
pub const CHAT_BYTES_MAX: usize = 512;
/// An operator's words to every player in a room, in bytes.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 512;
/// Rooms in one directory answer.
pub const DIRECTORY_ROOMS_MAX: usize = 200;
/// Hall addresses in one login answer.
pub const HALLS_MAX: usize = 3;
/// Worlds that a login lists; those of the lowest numbers.
pub const WORLDS_MAX: usize = 64;
/// Rooms named in a full room's answer.
pub const OTHER_ROOMS_MAX: usize = 8;
/// Seats at one table.
pub const SEATS_MAX: usize = 8;
/// An action of a game, in bytes.
pub const ACTION_BYTES_MAX: usize = 64;
/// What may happen in one hand. One that is not over by then is ended as where its game fails: a record has room for no
/// more.
pub const MOVES_MAX: usize = 1_024;
/// What a game tells a seat of one action, in bytes.
pub const EVENT_BYTES_MAX: usize = 1280;
/// What a seat may see of a table's game, in bytes.
pub const VIEW_BYTES_MAX: usize = 1024;
/// Rooms in one process.
pub const ROOMS_MAX: usize = 1000;
/// Players presented in one link message.
pub const PRESENT_PLAYERS_MAX: usize = 1000;
/// Servers that one gateway stands before.
pub const FRONTS_MAX: usize = 64;
/// Reservations reported redeemed in one link message.
pub const REDEEMED_MAX: usize = 1000;
/// Accounts whose logins are over, in one link message.
pub const REVOKED_MAX: usize = 1000;
/// People named in one message about who came and went.
pub const PRESENCE_MAX: usize = 1000;
/// A topic of a push server, in bytes.
pub const TOPIC_BYTES_MAX: usize = 64;
/// The key of a quote within its topic, in bytes.
pub const QUOTE_KEY_BYTES_MAX: usize = 32;
/// The value of a quote, in bytes; a server's config may allow less.
pub const QUOTE_BYTES_MAX: usize = 1024;
/// The payload of an instruction, in bytes; a server's config may allow less.
pub const INSTRUCTION_BYTES_MAX: usize = 32 * 1024;
/// Topics one terminal may be subscribed to; a server's config may allow less.
pub const TERMINAL_TOPICS_MAX: usize = 64;
/// Entries in one answer to an administrator.
pub const LISTED_MAX: usize = 32;
/// What a worker is given to work on, and what it answers, in bytes.
pub const WORK_BYTES_MAX: usize = 128 * 1024;
/// A kind of work, in bytes.
pub const WORK_KIND_BYTES_MAX: usize = 32;
/// What work is about, in bytes.
pub const WORK_KEY_BYTES_MAX: usize = 64;
/// Why work was refused or not done, in bytes.
pub const WORK_WHY_BYTES_MAX: usize = 128;
/// Why a line was not understood, in bytes.
pub const WHY_BYTES_MAX: usize = 448;
