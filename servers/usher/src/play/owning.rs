//! The owner's keys, and the word that one is ready.
//!
//! Why: letters that no game's moves use, so that they mean the same at every table.
//! Owns: those keys, and how rules and who is ready are said. Does not own whether a wish is granted: the room says.
//! Read next: `keys.rs`.

use super::evening::{Evening, Voice};
use super::keys::Asked;
use super::table::Table;
use super::words::who;
use usher_games::GameKind;
use usher_player::person::Wish;
use usher_proto::AccountId;
use usher_proto::message::{
    Dismiss, HandBegin, PlayerReady, Ready, SetTableRules, TableDenial, TableRuled, TableRules,
};

/// After a seat's number: that one is to stand up.
pub(super) const DISMISS: char = 'z';

impl Evening {
    /// What a letter means for the table itself, if anything.
    pub(super) fn owning_key(&mut self, letter: char) -> Option<Asked> {
        let table = self.inside.as_ref()?.table.as_ref()?;
        let rules = table.rules;
        let message = match letter {
            'y' if table.playing => return None,
            'y' => Ready { ready: !table.is_ready(table.seat.0) }.into(),
            'w' => SetTableRules { rules: TableRules { begin: next(rules.begin), ..rules } }.into(),
            'x' => SetTableRules { rules: TableRules { closed: !rules.closed, ..rules } }.into(),
            'v' => SetTableRules { rules: TableRules { private: !rules.private, ..rules } }.into(),
            DISMISS => {
                let Some(seat) = self.line.trim_end().parse::<u8>().ok().and_then(|seat| seat.checked_sub(1))
                else {
                    self.note(Voice::Warning, "a seat's number first: 2 z");
                    return Some(Asked::Nothing);
                };
                Dismiss { seat }.into()
            }
            _ => return None,
        };
        self.line.clear();
        Some(Asked::Wish(Wish::Say(message)))
    }

    pub(super) fn on_ready(&mut self, said: &PlayerReady) {
        let me = self.me;
        let Some(table) = self.table_mut() else { return };
        table.set_ready(said.at.seat, said.ready);
        let name = name_of(table.sitter(said.at.seat), me);
        let is = if name == "you" { "are" } else { "is" };
        let how = if said.ready { "ready" } else { "not ready any more" };
        self.note(Voice::Event, format!("{name} {is} {how}"));
    }

    pub(super) fn on_ruled(&mut self, ruled: &TableRuled) {
        let me = self.me;
        let Some(table) = self.table_mut() else { return };
        let is_new = table.owner != ruled.owner;
        if table.rules != ruled.rules {
            table.ready = 0;
        }
        (table.owner, table.rules) = (ruled.owner, ruled.rules);
        let owner = name_of(ruled.owner.and_then(|seat| table.sitter(seat)), me);
        let text = if is_new {
            format!("the table's owner is now: {owner}")
        } else {
            format!("at this table from now on: {}", in_words(ruled.rules))
        };
        self.note(Voice::Event, text);
    }

    fn table_mut(&mut self) -> Option<&mut Table> {
        self.inside.as_mut()?.table.as_mut()
    }
}

/// What the help line says of these keys, where they do something.
pub(super) fn keys(table: &Table) -> Vec<&'static str> {
    let TableRules { begin, closed, private } = table.rules;
    let owns = table.owner == Some(table.seat.0);
    let waits = begin == HandBegin::AllReady || (begin == HandBegin::OwnerReady && owns);
    let mut keys = Vec::new();
    if waits && !table.playing {
        keys.push(if table.is_ready(table.seat.0) { "y wait" } else { "y ready" });
    }
    if owns {
        let (close, hide) =
            (if closed { "x open" } else { "x close" }, if private { "v show" } else { "v hide" });
        keys.extend(["w begin", close, hide]);
    }
    if owns && !table.playing {
        keys.push("2 z out");
    }
    keys
}

/// What the status line says of a table where all seats are taken and no hand is played.
pub(super) fn waits_for(table: &Table) -> String {
    let owns = table.owner == Some(table.seat.0);
    match table.rules.begin {
        HandBegin::AtOnce if matches!(table.kind, Some(GameKind::Worker(_))) => {
            "a worker is asked for the hand".into()
        }
        HandBegin::AtOnce => "the hand begins in a moment".into(),
        HandBegin::AllReady if table.is_ready(table.seat.0) => "you are ready; others are not yet".into(),
        HandBegin::AllReady => "y when you are ready".into(),
        HandBegin::OwnerReady if owns => "y begins the hand".into(),
        HandBegin::OwnerReady => "the owner says when it begins".into(),
    }
}

/// The table's name, and whose it is.
pub(super) fn title(table: &Table, me: Option<AccountId>) -> String {
    match table.owner.and_then(|seat| table.sitter(seat)) {
        Some(owner) if Some(owner) == me => format!(" table {}, yours ", table.no),
        Some(owner) => format!(" table {} of {} ", table.no, who(owner)),
        None => format!(" table {} ", table.no),
    }
}

pub(super) fn denial(reason: TableDenial) -> &'static str {
    match reason {
        TableDenial::NotSeated => "you sit at no table",
        TableDenial::NotOwner => "the table is somebody else's to decide about",
        TableDenial::NoSuchSeat => "nobody sits there",
        TableDenial::HandPlayed => "not out of a hand that is played",
        TableDenial::TooManyClosed => "too many tables of this room are closed already",
    }
}

fn in_words(rules: TableRules) -> String {
    let begin = match rules.begin {
        HandBegin::AtOnce => "hands begin at once",
        HandBegin::AllReady => "hands begin when all are ready",
        HandBegin::OwnerReady => "hands begin on the owner's word",
    };
    let closed = if rules.closed { "nobody else may sit down" } else { "anybody may sit down" };
    let private = if rules.private { "nobody may watch" } else { "anybody may watch" };
    format!("{begin}, {closed}, {private}")
}

fn next(begin: HandBegin) -> HandBegin {
    match begin {
        HandBegin::AtOnce => HandBegin::AllReady,
        HandBegin::AllReady => HandBegin::OwnerReady,
        HandBegin::OwnerReady => HandBegin::AtOnce,
    }
}

fn name_of(account: Option<AccountId>, me: Option<AccountId>) -> String {
    match account {
        Some(account) if Some(account) == me => "you".into(),
        Some(account) => who(account),
        None => "nobody".into(),
    }
}
