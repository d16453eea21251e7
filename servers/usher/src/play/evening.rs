//! A person's evening: everything the screen shows, changed by news and by keys.
//!
//! Why: what is shown is a function of this, so that it is tested without a terminal and without a cluster.
//! Owns: which screen it is, the list of rooms, the room, what was said and what happened.
//! Does not own: drawing (`screen.rs`), what keys do (`keys.rs`), the way to the servers (`usher_player::person`).
//! Limits: [`SAID_MAX`] lines are kept, of one room; the oldest go first.
//! Read next: `keys.rs`, `table.rs`.

use super::owning::denial;
use super::table::Table;
use super::words::{deed, game_name, who};
use std::collections::VecDeque;
use std::time::Duration;
use usher_games::doudizhu::DouDizhu;
use usher_games::{GameKind, Rules};
use usher_player::person::{News, Place, Wish};
use usher_proto::message::{
    ActDenial, Acted, ChatDenial, Directory, Entered, GameTotal, RoomEntry, SeatKept, SitDenial, TableState,
    WorldEntry,
};
use usher_proto::{AccountId, GameId, Message};

/// Lines kept of what was said and what happened.
const SAID_MAX: usize = 500;
/// After it is back in a room, what a person missed is counted for so long, unless a table says that it is all.
const BACK_WITHIN: Duration = Duration::from_millis(500);

/// What the person sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    /// On the way to a list of rooms.
    Way,
    Worlds,
    Rooms,
    Room,
}

/// Where typed text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Table,
    Chat,
}

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// Somebody says it.
    Chat,
    /// The person's own.
    Mine,
    /// It happened.
    Event,
    /// It went wrong.
    Warning,
    /// Whoever runs the servers says it.
    Operator,
}

/// One line of the messages pane.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) voice: Voice,
    pub(super) text: String,
}

/// What is to be confirmed by the same key again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    Quit,
    Leave,
    Stand,
    Resign,
}

/// The list of rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    pub(super) entries: Vec<RoomEntry>,
    pub(super) totals: Vec<GameTotal>,
    pub(super) kept: Vec<SeatKept>,
    pub(super) filter: Option<GameId>,
    pub(super) at: usize,
}

impl Rooms {
    /// Those of the game that is looked for.
    pub(super) fn shown(&self) -> impl Iterator<Item = &RoomEntry> {
        self.entries.iter().filter(|room| self.filter.is_none_or(|game| room.game == game))
    }

    /// Whether a seat of the person's own is kept there.
    pub(super) fn is_kept(&self, room: &RoomEntry) -> bool {
        self.kept.iter().any(|seat| seat.room == room.room && seat.address == room.address)
    }
}

/// What was missed, while it is counted.
#[derive(Debug)]
struct Back {
    since: Duration,
    away: Duration,
    chats: u64,
    gone: u64,
    hand: Option<(u64, u32)>,
}

/// The room.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) population: u32,
    pub(super) table: Option<Table>,
    /// Its connection is gone since then.
    pub(super) away_since: Option<Duration>,
    back: Option<Back>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Evening {
    pub(super) now: Duration,
    pub(super) screen: Screen,
    pub(super) me: Option<AccountId>,
    /// What is going on, where there is nothing better to show.
    pub(super) way: String,
    /// The worlds to choose from, and the one the cursor is on.
    pub(super) worlds: Vec<WorldEntry>,
    pub(super) world_at: usize,
    pub(super) rooms: Rooms,
    pub(super) inside: Option<Inside>,
    pub(super) said: VecDeque<Said>,
    pub(super) focus: Focus,
    /// What is being typed: a move, or a chat.
    pub(super) line: String,
    /// The cell the cursor is on.
    pub(super) cursor: u8,
    pub(super) sure: Option<Sure>,
    pub(super) chats: u32,
    /// Why it is over.
    pub(super) ended: Option<&'static str>,
}

/// News.
impl Evening {
    pub(super) fn new() -> Self {
        Self {
            now: Duration::ZERO,
            screen: Screen::Way,
            me: None,
            way: "setting out".into(),
            worlds: Vec::new(),
            world_at: 0,
            rooms: Rooms::default(),
            inside: None,
            said: VecDeque::new(),
            focus: Focus::Table,
            line: String::new(),
            cursor: usher_games::gomoku::CELLS / 2,
            sure: None,
            chats: 0,
            ended: None,
        }
    }

    pub(super) fn note(&mut self, voice: Voice, text: impl Into<String>) {
        if self.said.len() == SAID_MAX {
            self.said.pop_front();
        }
        self.said.push_back(Said { voice, text: text.into() });
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Duration) {
        self.now = now;
        let is_over = self
            .inside
            .as_ref()
            .and_then(|inside| inside.back.as_ref())
            .is_some_and(|back| now >= back.since + BACK_WITHIN);
        if is_over {
            self.tell_missed();
        }
    }

    /// What happened; what is to be wished because of it.
    pub(super) fn on_news(&mut self, news: News) -> Option<Wish> {
        match news {
            News::Dialing(kind) => self.way = format!("asking a {} server", kind.as_str()),
            News::Waiting { why, wait } => {
                self.way = format!("{why}; again in {:.1} s", wait.as_secs_f64());
            }
            News::Worlds(worlds) => {
                self.worlds = worlds;
                self.world_at = 0;
                self.screen = Screen::Worlds;
            }
            News::LoggedIn(account) => {
                self.me = Some(account);
                self.note(Voice::Event, format!("logged in as {}", who(account)));
            }
            News::Rooms { directory, kept } => self.on_rooms(directory, kept),
            News::Entered { place, entered, away } => self.on_entered(place, entered, away),
            News::Denied(why) => {
                self.note(Voice::Warning, why);
                self.way = why.into();
                self.inside = None;
                self.screen = Screen::Way;
            }
            News::Heard(message) => return self.on_heard(message),
            News::Lost(why) => {
                self.note(Voice::Warning, format!("connection lost ({why}); trying again..."));
                if let Some(inside) = &mut self.inside {
                    inside.away_since = Some(self.now);
                }
            }
            News::Left => {
                self.note(Voice::Event, "you left the room");
                self.inside = None;
                self.screen = Screen::Way;
            }
            News::NotNow => self.note(Voice::Warning, "not now"),
            News::Ended(why) => self.ended = Some(why),
        }
        None
    }

    fn on_rooms(&mut self, directory: Directory, kept: Vec<SeatKept>) {
        self.rooms.entries = directory.rooms;
        self.rooms.totals = directory.totals;
        self.rooms.kept = kept;
        self.rooms.at = self.rooms.at.min(self.rooms.shown().count().saturating_sub(1));
        self.inside = None;
        self.way.clear();
        self.screen = Screen::Rooms;
        self.focus = Focus::Table;
        self.line.clear();
    }

    fn on_entered(&mut self, place: Place, entered: Entered, away: Option<Duration>) {
        let before =
            self.inside.take().filter(|inside| inside.place == place).and_then(|inside| inside.table);
        let Entered { name, population, seat, .. } = entered;
        let table = seat.map(|at| match before.clone() {
            Some(table) if table.no == at.table => table,
            _ => Table::new(at, place.game),
        });
        if away.is_none() {
            self.said.clear(); // of another room, or of the way
            self.note(Voice::Event, format!("you entered {name}: {population} people"));
        } else if before.is_some() && seat.is_none() {
            self.note(Voice::Warning, "your seat was not kept");
        }
        let hand = before.filter(|table| table.playing).map(|table| (table.hand, table.turn));
        let back = away.map(|away| Back { since: self.now, away, chats: 0, gone: 0, hand });
        self.inside = Some(Inside { place, name, population, table, away_since: None, back });
        self.screen = Screen::Room;
        self.sure = None;
    }

    /// Says what there was while the connection was away.
    fn tell_missed(&mut self) {
        let Some(inside) = &mut self.inside else { return };
        let Some(Back { away, chats, gone, hand, .. }) = inside.back.take() else { return };
        let chats = match (chats, gone) {
            (0, 0) => "nobody said anything meanwhile".into(),
            (chats, 0) => format!("you missed {chats} chats: they are above"),
            (chats, gone) => format!("you missed {} chats: {gone} are not kept any more", chats + gone),
        };
        let table = inside.table.as_ref().filter(|table| table.playing);
        let moves = match (hand, table.map(|table| (table.hand, table.turn))) {
            (Some((hand, before)), Some((same, turn))) if hand == same => {
                format!("; moves made: {}", turn.saturating_sub(before))
            }
            (Some(_), _) => "; your hand ended without you".into(),
            (None, _) => String::new(),
        };
        let text = format!("back after {:.1} s; {chats}{moves}", away.as_secs_f64());
        self.note(Voice::Event, text);
    }
}

/// What the room says.
impl Evening {
    fn on_heard(&mut self, message: Message) -> Option<Wish> {
        match message {
            Message::ChatSaid(said) => {
                if let Some(back) = self.inside.as_mut().and_then(|inside| inside.back.as_mut()) {
                    back.chats += 1;
                }
                let is_mine = self.me == Some(said.from);
                let name = if is_mine { "you".into() } else { who(said.from) };
                let voice = if is_mine { Voice::Mine } else { Voice::Chat };
                self.note(voice, format!("{name}: {}", printable(&said.text)));
            }
            Message::Announced(announced) => {
                self.note(Voice::Operator, format!("operator: {}", printable(&announced.text)));
            }
            Message::ChatGap(gap) => {
                if let Some(back) = self.inside.as_mut().and_then(|inside| inside.back.as_mut()) {
                    back.gone += gap.last.saturating_sub(gap.first) + 1;
                }
            }
            Message::ChatDenied(denied) => {
                let why = match denied.reason {
                    ChatDenial::Length => "not said: it is too long",
                    ChatDenial::NotInside => "not said: you are in no room",
                    ChatDenial::NotSeated => "not said: you sit at no table",
                    ChatDenial::TooFast => "not said: so much at once is more than the room takes",
                };
                self.note(Voice::Warning, why);
            }
            Message::SitDenied(denied) => self.note(Voice::Warning, sit_denial(denied.reason)),
            Message::ActDenied(denied) => self.on_act_denied(&denied.reason),
            message => return self.on_table_message(message),
        }
        None
    }

    fn on_act_denied(&mut self, reason: &ActDenial) {
        let text = match reason {
            ActDenial::Stale => return, // the whole table follows
            ActDenial::NotSeated => "you sit at no table".into(),
            ActDenial::NotYourTurn => "it is not your turn".into(),
            ActDenial::Illegal(why) => format!("illegal: {why}"),
        };
        self.note(Voice::Warning, text);
    }

    fn on_table_message(&mut self, message: Message) -> Option<Wish> {
        let now = self.now;
        let inside = self.inside.as_mut()?;
        if let Message::Seated(seated) = &message {
            inside.table = Some(Table::new(seated.at, inside.place.game));
            let text = format!("you sit at table {}, seat {}", seated.at.table, seated.at.seat + 1);
            self.note(Voice::Event, text);
            return None;
        }
        let table = inside.table.as_mut()?;
        match message {
            Message::TableState(state) => self.on_table_state(state),
            Message::Acted(acted) => {
                let text = deed_of(table, &acted, self.me);
                if !table.on_acted(&acted, now) {
                    return Some(Wish::Say(table.resync().into()));
                }
                self.note(Voice::Event, text);
            }
            Message::HandEnded(ended) => {
                table.on_ended(&ended, self.me);
                let text = table.outcome.clone().unwrap_or_default();
                self.note(Voice::Event, text);
            }
            Message::PlayerSat(sat) => {
                table.on_sat(&sat);
                self.note(Voice::Event, format!("{} sat down at your table", who(sat.account)));
            }
            Message::PlayerStood(stood) => {
                table.set_sitter(stood.at.seat, None);
                self.note(Voice::Event, format!("{} stood up from your table", who(stood.account)));
            }
            Message::Scored(scored) => table.on_scored(&scored),
            Message::PlayerReady(said) => self.on_ready(&said),
            Message::TableRuled(ruled) => self.on_ruled(&ruled),
            Message::TableDenied(denied) => self.note(Voice::Warning, denial(denied.reason)),
            Message::TableSaid(said) => {
                self.note(
                    Voice::Chat,
                    format!("{} at your table: {}", who(said.from), printable(&said.text)),
                );
            }
            Message::Stood(stood) => {
                inside.table = None;
                let why = if stood.dismissed { "the table's owner had you stand up" } else { "you stood up" };
                self.note(Voice::Event, why);
            }
            _ => {}
        }
        None
    }

    fn on_table_state(&mut self, state: TableState) {
        let now = self.now;
        let Some(inside) = &mut self.inside else { return };
        let Some(table) = &mut inside.table else { return };
        let begins = table.on_state(state, now);
        let number = table.hand;
        let is_back = inside.back.is_some();
        if begins {
            self.note(Voice::Event, format!("hand {number} begins"));
        }
        if is_back {
            self.tell_missed();
        }
    }
}

fn deed_of(table: &Table, acted: &Acted, me: Option<AccountId>) -> String {
    let account = table.sitter(acted.seat);
    let name = match account {
        account if account.is_some() && account == me => "you".into(),
        Some(account) => who(account),
        None => format!("seat {}", acted.seat + 1),
    };
    let Some(kind) = table.kind else { return format!("{name} did something") };
    let bidding = kind == GameKind::DouDizhu
        && DouDizhu::from_view(&table.view).is_ok_and(|hand| hand.landlord().is_none());
    format!("{name} {}", deed(kind, &acted.action, bidding))
}

fn sit_denial(reason: SitDenial) -> &'static str {
    match reason {
        SitDenial::NotInside => "you are in no room",
        SitDenial::AlreadySeated => "you sit already: stand up first",
        SitDenial::Taken => "no free seat there",
        SitDenial::NoSuchSeat => "there is no such table here",
        SitDenial::Closed => "its owner lets nobody else sit down there",
    }
}

/// What somebody else wrote, without what would move the cursor or change colours.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// The game's name and how full it is.
pub(super) fn total_line(total: &GameTotal) -> String {
    format!(
        "{}: {} of {} places taken, rooms: {}",
        game_name(total.game),
        total.population,
        total.capacity,
        total.rooms
    )
}
