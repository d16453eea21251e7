//! A mix of players, from a file: `--mix`.
//!
//! Why: an evening has more to it than a command line holds, and is worth keeping to run again.
//! Invariants: unknown fields are refused; what is wrong names file, line and field, as in a server's config.
//! Limits: [`KINDS_MAX`] kinds; pauses below a table's clock.
//! Read next: `deploy/mixes/evening.toml`, where every field is explained; `usher_player`, which plays it.

use crate::args::PlayArg;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use usher_player::{After, Evening, Mix, Plan, Play};
use usher_runtime::config::{ConfigError, ConfigFile};

/// Kinds of players in one file.
pub const KINDS_MAX: usize = Mix::KINDS_MAX;
/// The share of one kind.
const SHARE: RangeInclusive<u64> = 1..=1_000_000;
/// Below any table's clock, so that nobody loses a hand by thinking.
const THINK_MS: RangeInclusive<u64> = 1..=15_000;
/// Hands at one table.
const HANDS: RangeInclusive<u64> = 1..=1_000_000;
/// A pause, up to a day.
const SPAN_S: RangeInclusive<u64> = 1..=86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixFile {
    kinds: Spanned<Vec<Kind>>,
}

/// `[[kinds]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    share: Spanned<u64>,
    play: PlayArg,
    think_ms: Option<Spanned<[u64; 2]>>,
    chat_every_s: Option<Spanned<u64>>,
    #[serde(default)]
    looks: bool,
    hands: Option<Spanned<[u64; 2]>>,
    after: Option<Spanned<AfterShares>>,
    back_after_s: Option<Spanned<[u64; 2]>>,
}

/// `after = { ... }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct AfterShares {
    another_table: u32,
    another_room: u32,
    leave: u32,
    drop: u32,
}

/// Reads a mix.
pub fn load(path: &Path) -> Result<Mix, ConfigError> {
    read(&ConfigFile::read(path)?)
}

fn read(file: &ConfigFile) -> Result<Mix, ConfigError> {
    let MixFile { kinds } = file.parse()?;
    let plans = kinds.get_ref().iter().map(|kind| {
        within(file, &kind.share, &[*kind.share.get_ref()], &SHARE)?;
        Ok((*kind.share.get_ref() as u32, plan(file, kind)?))
    });
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    Mix::new(plans)
        .ok_or_else(|| file.wrong("kinds", format!("must be 1 to {KINDS_MAX}: write [[kinds]] for each")))
}

fn plan(file: &ConfigFile, kind: &Kind) -> Result<Plan, ConfigError> {
    let game = kind.play.game();
    let mut plan = Plan { play: kind.play.into(), game, looks: kind.looks, ..Plan::default() };
    if let Some(think_ms) = &kind.think_ms {
        plan.think = range(file, think_ms, &THINK_MS)?.map(Duration::from_millis).into();
    }
    if let Some(every_s) = &kind.chat_every_s {
        within(file, every_s, &[*every_s.get_ref()], &SPAN_S)?;
        plan.chat_interval = Duration::from_secs(*every_s.get_ref());
    }
    plan.evening = evening(file, kind, plan.play)?;
    Ok(plan)
}

fn evening(file: &ConfigFile, kind: &Kind, play: Play) -> Result<Option<Evening>, ConfigError> {
    let (hands, after) = match (&kind.hands, &kind.after) {
        (Some(hands), Some(after)) => (hands, after),
        (Some(hands), None) => return Err(file.wrong_at(hands.span(), "needs `after`: what comes then?")),
        (None, Some(after)) => return Err(file.wrong_at(after.span(), "needs `hands`: after how many?")),
        (None, None) => return no_evening(file, kind),
    };
    if play != Play::Game {
        return Err(file.wrong_at(hands.span(), "is for those who play a game: who chats or idles stays"));
    }
    let AfterShares { another_table, another_room, leave, drop } = *after.get_ref();
    if another_table == 0 && another_room == 0 && leave == 0 && drop == 0 {
        return Err(
            file.wrong_at(after.span(), "needs a share of another_table, another_room, leave or drop")
        );
    }
    if let (Some(back), 0) = (&kind.back_after_s, leave) {
        return Err(file.wrong_at(back.span(), "is for who leaves: give `leave` a share in `after`"));
    }
    let back_after_s = kind.back_after_s.as_ref().map(|back| range(file, back, &SPAN_S)).transpose()?;
    let [fewest, most] = range(file, hands, &HANDS)?;
    Ok(Some(Evening {
        hands: (fewest as u32, most as u32),
        after: After { another_table, another_room, leave, drop },
        back_after: back_after_s.map(|range| range.map(Duration::from_secs).into()),
    }))
}

/// Whoever stays where he is has nothing to come back from.
fn no_evening(file: &ConfigFile, kind: &Kind) -> Result<Option<Evening>, ConfigError> {
    match &kind.back_after_s {
        Some(back) => Err(file.wrong_at(back.span(), "needs `hands` and `after`: when does somebody leave?")),
        None => Ok(None),
    }
}

fn range(
    file: &ConfigFile,
    field: &Spanned<[u64; 2]>,
    bounds: &RangeInclusive<u64>,
) -> Result<[u64; 2], ConfigError> {
    let [from, to] = *field.get_ref();
    within(file, field, &[from, to], bounds)?;
    if from > to {
        return Err(file.wrong_at(field.span(), format!("ends before it begins: write [{to}, {from}]")));
    }
    Ok([from, to])
}

fn within<T>(
    file: &ConfigFile,
    field: &Spanned<T>,
    values: &[u64],
    bounds: &RangeInclusive<u64>,
) -> Result<(), ConfigError> {
    match values.iter().find(|value| !bounds.contains(value)) {
        Some(value) => {
            let message = format!("{value} is out of range: {} to {}", bounds.start(), bounds.end());
            Err(file.wrong_at(field.span(), message))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_games::GameKind;

    const GOOD: &str = "[[kinds]]\nshare = 60\nplay = \"gomoku\"\nthink_ms = [300, 1500]\nhands = [2, 5]\n\
        after = { another_table = 40, leave = 20 }\nback_after_s = [10, 30]\nchat_every_s = 10\nlooks = true\n\n\
        [[kinds]]\nshare = 5\nplay = \"idle\"\n";

    fn read_text(text: &str) -> Result<Mix, ConfigError> {
        read(&ConfigFile::from_text(Path::new("evening.toml"), text))
    }

    #[test]
    fn a_good_file_says_what_it_says_and_the_rest_is_default() {
        let seconds = Duration::from_secs;
        let millis = Duration::from_millis;
        let evening = Evening {
            hands: (2, 5),
            after: After { another_table: 40, leave: 20, ..After::default() },
            back_after: Some((seconds(10), seconds(30))),
        };
        let gomoku = Plan {
            play: Play::Game,
            game: GameKind::Gomoku,
            think: (millis(300), millis(1500)),
            chat_interval: seconds(10),
            looks: true,
            evening: Some(evening),
        };
        let idle = Plan { play: Play::Idle, ..Plan::default() };
        assert_eq!(read_text(GOOD).unwrap(), Mix::new(vec![(60, gomoku), (5, idle)]).unwrap());
    }

    #[test]
    fn what_is_wrong_names_file_line_and_field() {
        let cases = [
            ("share = 60", "share = 0", 2, "kinds.share", "0 is out of range: 1 to 1000000"),
            ("share = 5\n", "share = \"5\"\n", 12, "kinds.share", "invalid type"),
            (
                "play = \"gomoku\"",
                "play = \"go\"",
                3,
                "kinds.play",
                "`go` is none of gomoku, doudizhu, nim, chat, idle, worker:NAME",
            ),
            ("think_ms = [300", "think_ms = [0", 4, "kinds.think_ms", "0 is out of range"),
            ("[300, 1500]", "[300, 20000]", 4, "kinds.think_ms", "20000 is out of range: 1 to 15000"),
            ("[300, 1500]", "[1500, 300]", 4, "kinds.think_ms", "ends before it begins: write [300, 1500]"),
            ("[300, 1500]", "[300]", 4, "kinds.think_ms", "invalid length"),
            ("hands = [2, 5]\n", "", 5, "kinds.after", "needs `hands`"),
            ("after = { another_table = 40, leave = 20 }\n", "", 5, "kinds.hands", "needs `after`"),
            ("another_table = 40, leave = 20", "", 6, "kinds.after", "needs a share"),
            ("another_table = 40", "any_table = 40", 6, "kinds.after", "unknown field `any_table`"),
            ("leave = 20", "drop = 20", 7, "kinds.back_after_s", "is for who leaves"),
            ("chat_every_s = 10", "chat_every_s = 0", 8, "kinds.chat_every_s", "0 is out of range"),
            ("play = \"idle\"\n", "play = \"idle\"\nhand = 3\n", 14, "kinds.hand", "unknown field `hand`"),
            (
                "play = \"idle\"\n",
                "play = \"idle\"\nhands = [1, 1]\nafter = { drop = 1 }\n",
                14,
                "kinds.hands",
                "is for those who play a game",
            ),
            (
                "play = \"idle\"\n",
                "play = \"idle\"\nback_after_s = [1, 2]\n",
                14,
                "kinds.back_after_s",
                "needs `hands` and `after`",
            ),
        ];
        for (from, to, line, field, said) in cases {
            assert!(GOOD.contains(from), "{from}");
            let error = read_text(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (Some(line), field), "{error}");
            assert!(
                error.to_string().starts_with("evening.toml:") && error.message.contains(said),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_without_kinds_or_with_too_many_is_refused() {
        for text in ["", "kinds = []\n", "[[kind]]\nshare = 1\n", &GOOD.repeat(KINDS_MAX)] {
            let error = read_text(text).unwrap_err();
            assert!(error.to_string().contains("kinds"), "{error}");
        }
        assert!(load(Path::new("/nowhere/evening.toml")).is_err());
    }

    #[test]
    fn the_delivered_mix_is_good() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mixes/evening.toml");
        load(&path).unwrap();
    }
}
