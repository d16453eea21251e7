//! Every message at its largest, against the limit of its opcode.
//!
//! Why: a message that may be said and does not fit is a connection closed by our own bug.
//! Owns: the largest of each; a message without one fails the test.
//! Limits assumed where no constant says so: 256 games in a directory's totals, 4 seats kept (one a game),
//! texts of a game's own of 128 bytes, 8 protocol versions.
//! Read next: [`super`], the table.

use super::*;
use crate::ids::*;
use crate::limits::*;
use crate::payload::Payload;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde_bytes::{ByteArray, ByteBuf};

const GAMES_MAX: usize = 256;
const SEATS_KEPT_MAX: usize = 4;
const GAME_TEXT_BYTES_MAX: usize = 128;
const VERSIONS_MAX: usize = 8;

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn bytes(count: usize) -> ByteBuf {
    vec![0xff; count].into()
}

fn address() -> Address {
    Address::from(text(ADDRESS_BYTES_MAX))
}

fn name() -> ServerName {
    ServerName::from(text(NAME_BYTES_MAX))
}

const WORLD: WorldId = WorldId(u16::MAX);
const GAME: GameId = GameId(u16::MAX);
const ROOM: RoomNo = RoomNo(u16::MAX);
const TABLE: TableNo = TableNo(u16::MAX);
const ACCOUNT: AccountId = AccountId(u64::MAX);
const GENERATION: Generation = Generation(u64::MAX);
const AT: SeatNo = SeatNo { table: TABLE, seat: u8::MAX };
const WHO: Identity =
    Identity { world: WORLD, account: ACCOUNT, session: SessionId(u64::MAX), generation: GENERATION };

fn door() -> Vec<Message> {
    vec![
        Ping {}.into(),
        Pong {}.into(),
        Redirect { address: address(), reservation: bytes(RESERVATION_BYTES_MAX), room: Some(ROOM) }.into(),
        Busy { retry_after_ms: u32::MAX }.into(),
        Refused { versions: vec![u8::MAX; VERSIONS_MAX] }.into(),
        Closing { reason: CloseReason::ClosedByAdministrator }.into(),
        NotUnderstood { why: text(WHY_BYTES_MAX) }.into(),
    ]
}

fn worlds() -> Vec<WorldEntry> {
    let logins = vec![address(); HALLS_MAX];
    vec![WorldEntry { world: WORLD, players: u32::MAX, capacity: u32::MAX, logins }; WORLDS_MAX]
}

fn login() -> Vec<Message> {
    let credentials = Credentials::Scram { client_first: text(SCRAM_BYTES_MAX) };
    let logged_in = LoggedIn {
        identity: WHO,
        session_key: bytes(32),
        ticket: bytes(TICKET_BYTES_MAX),
        ticket_ttl_s: u32::MAX,
        halls: vec![address(); HALLS_MAX].into(),
        server_final: Some(text(SCRAM_BYTES_MAX).into()),
    };
    vec![
        LogIn { world: WORLD, credentials }.into(),
        logged_in.into(),
        LogInDenied { reason: LogInDenial::TryLater { retry_after_ms: u32::MAX } }.into(),
        LogInChallenge { server_first: text(SCRAM_BYTES_MAX) }.into(),
        LogInProof { client_final: text(SCRAM_BYTES_MAX) }.into(),
        ListWorlds {}.into(),
        Worlds { worlds: worlds() }.into(),
    ]
}

fn seats_kept() -> Vec<SeatKept> {
    vec![SeatKept { address: address(), room: ROOM, game: GAME }; SEATS_KEPT_MAX]
}

fn hall() -> Vec<Message> {
    let (population, capacity) = (u32::MAX, u32::MAX);
    let name = text(NAME_BYTES_MAX).into();
    let room = RoomEntry { address: address(), room: ROOM, name, game: GAME, population, capacity };
    let total = GameTotal { game: GAME, rooms: u32::MAX, population, capacity };
    let (ticket, directory_refresh_s) = (Some(bytes(TICKET_BYTES_MAX)), u32::MAX);
    vec![
        GetDirectory { game: Some(GAME) }.into(),
        Directory { rooms: vec![room; DIRECTORY_ROOMS_MAX], totals: vec![total; GAMES_MAX] }.into(),
        Renewed { ticket, directory_refresh_s, seats: seats_kept() }.into(),
    ]
}

fn room() -> Vec<Message> {
    let (request, seq, name) = (u32::MAX, u64::MAX, text(NAME_BYTES_MAX));
    let entered = Entered { room: ROOM, name, seq, population: u32::MAX, seat: Some(AT) };
    vec![
        Enter { game: GAME, room: Some(ROOM), last_seq: Some(seq), last_hand: Some(seq) }.into(),
        entered.into(),
        EnterDenied { reason: EnterDenial::Elsewhere { address: address(), room: ROOM } }.into(),
        EnterDenied { reason: EnterDenial::Full(vec![ROOM; OTHER_ROOMS_MAX]) }.into(),
        Leave {}.into(),
        Left { seq }.into(),
        Chat { request, text: text(CHAT_BYTES_MAX) }.into(),
        ChatAccepted { request, seq }.into(),
        ChatSaid { seq, from: ACCOUNT, text: text(CHAT_BYTES_MAX) }.into(),
        ChatGap { first: seq, last: seq }.into(),
        ChatDenied { request, reason: ChatDenial::NotInside }.into(),
        WhoIsHere {}.into(),
        Presence { came: vec![ACCOUNT; PRESENCE_MAX], left: vec![], population: u32::MAX }.into(),
        Announced { text: text(ANNOUNCEMENT_BYTES_MAX) }.into(),
    ]
}

fn table() -> Vec<Message> {
    let (hand, turn, to_act) = (u64::MAX, u32::MAX, Some(u8::MAX));
    let rules = TableRules { begin: HandBegin::OwnerReady, closed: true, private: true };
    let state = TableState {
        table: TABLE,
        hand,
        playing: true,
        turn,
        seats: vec![Some(ACCOUNT); SEATS_MAX],
        to_act,
        turn_left_ms: u32::MAX,
        view: bytes(VIEW_BYTES_MAX),
        scores: vec![Some(i64::MIN); SEATS_MAX],
        owner: Some(u8::MAX),
        rules,
        ready: u8::MAX,
    };
    let illegal = ActDenial::Illegal(text(GAME_TEXT_BYTES_MAX));
    let (scores, reason) = (vec![i32::MIN; SEATS_MAX], text(GAME_TEXT_BYTES_MAX));
    vec![
        Sit { table: Some(TABLE), seat: Some(u8::MAX) }.into(),
        Seated { at: AT }.into(),
        SitDenied { reason: SitDenial::AlreadySeated }.into(),
        Stand {}.into(),
        Stood { from: Some(AT), dismissed: true }.into(),
        state.into(),
        Act { hand, turn, action: bytes(ACTION_BYTES_MAX) }.into(),
        Acted { hand, turn, seat: u8::MAX, action: bytes(EVENT_BYTES_MAX), to_act }.into(),
        ActDenied { hand, turn, reason: illegal }.into(),
        HandEnded {
            hand,
            scores,
            reason: reason.into(),
            totals: vec![i64::MIN; SEATS_MAX],
            seed: Some(Box::new(ByteArray::new([u8::MAX; 32]))),
            left: u8::MAX,
            seats: vec![ACCOUNT; SEATS_MAX],
        }
        .into(),
        PlayerSat { at: AT, account: ACCOUNT }.into(),
        PlayerStood { at: AT, account: ACCOUNT }.into(),
        Scored { at: AT, score: i64::MIN }.into(),
        TableChat { request: u32::MAX, text: text(CHAT_BYTES_MAX) }.into(),
        TableSaid { from: ACCOUNT, text: text(CHAT_BYTES_MAX) }.into(),
        Watch { table: TABLE }.into(),
        Watching { table: TABLE }.into(),
        WatchDenied { reason: WatchDenial::NoSuchTable }.into(),
        Unwatch {}.into(),
        Unwatched { table: Some(TABLE) }.into(),
        Ready { ready: true }.into(),
        PlayerReady { at: AT, ready: true }.into(),
        SetTableRules { rules }.into(),
        TableRuled { table: TABLE, owner: Some(u8::MAX), rules }.into(),
        Dismiss { seat: u8::MAX }.into(),
        TableDenied { reason: TableDenial::NoSuchSeat }.into(),
    ]
}

fn rooms() -> Vec<RoomReport> {
    let (population, capacity, name) = (u32::MAX, u32::MAX, text(NAME_BYTES_MAX).into());
    vec![RoomReport { room: ROOM, name, game: GAME, population, capacity }; ROOMS_MAX]
}

fn node() -> Vec<Message> {
    let request = u64::MAX;
    let register = Register {
        kind: ServerKind::Login,
        name: name(),
        incarnation: u64::MAX,
        world: WORLD,
        address: address(),
        clock_unix_ms: u64::MAX,
        serve_max: u32::MAX,
        serve_per_second_max: u32::MAX,
        connections_max: u32::MAX,
        rooms: rooms(),
        players: u32::MAX,
        inner: address(),
    };
    let player = PlayerPresent { identity: WHO, game: GAME, room: ROOM, entered_unix_ms: u64::MAX };
    let renew = Renew {
        connections: u32::MAX,
        connections_peak: u32::MAX,
        cpu_ms: u64::MAX,
        rss_kib: u64::MAX,
        rss_kib_peak: u64::MAX,
    };
    let populations = vec![(ROOM, u32::MAX); ROOMS_MAX];
    let load = Load { serving: u32::MAX, served_per_second: u32::MAX, draining: true, rooms: populations };
    vec![
        register.into(),
        Present { players: vec![player; PRESENT_PLAYERS_MAX] }.into(),
        renew.into(),
        Delay { logic_delay_us: u32::MAX }.into(),
        load.into(),
        Redeemed { reservations: vec![ReservationId(u64::MAX); REDEEMED_MAX] }.into(),
        Arbitrate { request, session: Some(WHO.session), hops_left: u8::MAX }.into(),
        ArbitrateParty { request, game: GAME, sessions: vec![WHO.session; SEATS_MAX] }.into(),
        Claim { request, identity: WHO, game: GAME, room: ROOM }.into(),
        Release { request, identity: WHO, game: GAME, room: ROOM }.into(),
        Evicted { world: WORLD, account: ACCOUNT, below: GENERATION }.into(),
        Locate { request, identity: WHO }.into(),
        Before { servers: vec![Front { server: name(), address: address() }; FRONTS_MAX] }.into(),
    ]
}

fn manager() -> Vec<Message> {
    let request = u64::MAX;
    let verdict = Verdict::Elsewhere { address: address(), room: ROOM };
    let inner = InnerServer { server: name(), kind: ServerKind::Gateway, address: address() };
    vec![
        Registered { lease_ms: u32::MAX }.into(),
        RegisterDenied { reason: RegisterDenial::NameTaken }.into(),
        Arbitrated { request, to: Some((address(), bytes(RESERVATION_BYTES_MAX))), room: Some(ROOM) }.into(),
        Claimed { request, verdict }.into(),
        Released { request }.into(),
        Evict { world: WORLD, account: ACCOUNT, below: GENERATION }.into(),
        Located { request, seats: seats_kept() }.into(),
        RoomsOf { server: name(), address: address(), rooms: rooms() }.into(),
        RoomsGone { server: name() }.into(),
        Halls { addresses: vec![address(); HALLS_MAX] }.into(),
        WorldsUp { worlds: worlds() }.into(),
        DrainOrder {}.into(),
        Revoked { logins: vec![(ACCOUNT, GENERATION); REVOKED_MAX] }.into(),
        Announce { text: text(ANNOUNCEMENT_BYTES_MAX) }.into(),
        Inner { servers: vec![inner; FRONTS_MAX] }.into(),
        Placed { address: address() }.into(),
    ]
}

fn topic() -> To {
    To::Topic(text(TOPIC_BYTES_MAX))
}

fn terminals() -> Vec<Message> {
    let (topic_name, key) = (text(TOPIC_BYTES_MAX), text(QUOTE_KEY_BYTES_MAX));
    let (name, payload) = (text(NAME_BYTES_MAX), vec![0xff; INSTRUCTION_BYTES_MAX].into());
    let (log, seq) = (u64::MAX, u64::MAX);
    let since = Since::After(Position { log, seq });
    vec![
        TerminalHello { name, generation: seq, since }.into(),
        HelloDenied { reason: HelloDenial::BadName }.into(),
        Subscribe { topic: topic_name.clone(), since }.into(),
        Subscribed { to: topic(), log, seq, last: u64::MAX }.into(),
        SubscribeDenied { topic: topic_name.clone(), reason: SubscribeDenial::AlreadySubscribed }.into(),
        Unsubscribe { topic: topic_name.clone() }.into(),
        Unsubscribed { topic: topic_name.clone() }.into(),
        Instruction { to: topic(), seq, payload }.into(),
        Gap { to: topic(), from: seq, until: seq }.into(),
        Quote { topic: topic_name, key, value: vec![0xff; QUOTE_BYTES_MAX].into() }.into(),
        PortionSent {}.into(),
        PortionTaken {}.into(),
    ]
}

fn controllers() -> Vec<Message> {
    let (topic_name, key) = (text(TOPIC_BYTES_MAX), text(QUOTE_KEY_BYTES_MAX));
    let (request, payload) = (u64::MAX, vec![0xff; INSTRUCTION_BYTES_MAX].into());
    let value = vec![0xff; QUOTE_BYTES_MAX].into();
    vec![
        ControllerHello { name: text(NAME_BYTES_MAX), generation: request }.into(),
        ControllerWelcome { last_request: Some(request) }.into(),
        Instruct { request, to: topic(), payload }.into(),
        Instructed { request, seq: u64::MAX }.into(),
        InstructDenied { request, reason: InstructDenial::NoSuchTerminal }.into(),
        SetQuote { topic: topic_name.clone(), key: key.clone(), value }.into(),
        QuoteDenied { topic: topic_name, key, reason: QuoteDenial::TopicsFull }.into(),
    ]
}

/// An IPv6 address with a scope and a port, in bytes.
const SOCKET_BYTES_MAX: usize = 64;

fn administrators() -> Vec<Message> {
    let (client, more) = (u64::MAX, true);
    let log = LogEntry { log: u64::MAX, entries: u64::MAX, bytes: u64::MAX, last: u64::MAX };
    let connected = ClientEntry {
        client,
        port: Port::Administrators,
        name: Some(text(NAME_BYTES_MAX)),
        address: text(SOCKET_BYTES_MAX),
        since_unix_ms: u64::MAX,
        topics: vec![text(TOPIC_BYTES_MAX); TERMINAL_TOPICS_MAX],
        behind: true,
    };
    let topic_entry =
        TopicEntry { topic: text(TOPIC_BYTES_MAX), subscribers: u64::MAX, quotes: u64::MAX, log };
    let terminal = TerminalEntry { terminal: text(NAME_BYTES_MAX), client: Some(client), log };
    let max = u64::MAX;
    let counts = Counts {
        terminals: max,
        controllers: max,
        administrators: max,
        terminals_known: max,
        behind: max,
        topics: max,
        quotes: max,
        log_entries: max,
        log_bytes: max,
        instructions_total: max,
        quotes_total: max,
        replayed_total: max,
        gaps_total: max,
        denied_total: max,
    };
    vec![
        ListClients { port: Some(Port::Administrators), after: client }.into(),
        Clients { clients: vec![connected; LISTED_MAX], more }.into(),
        ListTopics { after: text(TOPIC_BYTES_MAX) }.into(),
        Topics { topics: vec![topic_entry; LISTED_MAX], more }.into(),
        ListTerminals { after: text(NAME_BYTES_MAX) }.into(),
        Terminals { terminals: vec![terminal; LISTED_MAX], more }.into(),
        GetCounts {}.into(),
        counts.into(),
        CloseClient { client }.into(),
        ClientClosed { client }.into(),
        Forget { to: topic() }.into(),
        Forgotten { to: topic() }.into(),
        Denied { reason: Denial::NoSuchTerminal }.into(),
    ]
}

/// A hand that is sent a worker may be as long as fits; this is how many of the longest moves always do.
const DEEDS: usize = 500;

fn sight() -> Sight {
    // As its view packs it, which has a limit of its own.
    let actions = vec![text(1); usize::from(u8::MAX)];
    Sight { shown: text(VIEW_BYTES_MAX - 1 - 2 * actions.len()), actions }
}

fn workers() -> Vec<Message> {
    let (id, left_ms, why) = (u64::MAX, u32::MAX, text(WORK_WHY_BYTES_MAX));
    let act = || Deed::Act { seat: u8::MAX, action: text(ACTION_BYTES_MAX) };
    let play = Play {
        game: text(NAME_BYTES_MAX),
        hand: text(NAME_BYTES_MAX + 53),
        seats: SEATS_MAX as u8,
        seed: ByteArray::new([0xff; 32]),
        moves: vec![act(); DEEDS],
        next: Some(act()),
    };
    let look = Look {
        words: text(EVENT_BYTES_MAX - VIEW_BYTES_MAX - 1),
        to_act: vec![u8::MAX; SEATS_MAX],
        views: vec![sight(); SEATS_MAX + 1],
        between_tricks: false,
        end: Some(HandEnd { scores: vec![i32::MIN; SEATS_MAX], reason: "timed out".into() }),
    };
    let body = Payload::from(vec![0xff; WORK_BYTES_MAX]);
    let (kind, key) = (text(WORK_KIND_BYTES_MAX), Some(text(WORK_KEY_BYTES_MAX)));
    vec![
        WorkerHello { version: u16::MAX, name: text(NAME_BYTES_MAX) }.into(),
        WorkerDenied { why: why.clone() }.into(),
        PlayHand { id, left_ms, play: Box::new(play) }.into(),
        HandPlayed { id, look: Box::new(look) }.into(),
        PlayRefused { id, why: why.clone() }.into(),
        Work { id, left_ms, kind, key, body: body.clone() }.into(),
        Worked { id, body }.into(),
        Undone { id, why: NotDone::Failed(why) }.into(),
        HostHello { version: u16::MAX }.into(),
        WorkerLeaving {}.into(),
    ]
}

/// Every message at its largest.
pub(super) fn every() -> Vec<Message> {
    [
        door(),
        login(),
        hall(),
        room(),
        table(),
        node(),
        manager(),
        terminals(),
        controllers(),
        administrators(),
        workers(),
    ]
    .concat()
}

#[test]
fn every_message_at_its_largest_fits_its_limit() {
    let largest = every();
    for spec in SPECS {
        let of_opcode: Vec<_> = largest.iter().filter(|it| it.spec() == spec).collect();
        assert!(!of_opcode.is_empty(), "there is no largest {}", spec.name);
        for message in of_opcode {
            let packed_bytes = message.pack().unwrap().len();
            assert!(packed_bytes <= spec.bytes_max, "a {} of {packed_bytes} bytes", spec.name);
        }
    }
}
