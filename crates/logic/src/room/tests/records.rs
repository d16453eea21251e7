//! The world of a room server on the bench, as far as hands go: it deals chance and keeps records.
//!
//! Invariant: every record is new, sums to zero, and played back comes to what it says.
//! Read next: `house.rs`.

use super::rigged::new_hand;
use crate::hand::unguarded;
use crate::playback::play;
use crate::stand_in;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::vec::Vec;
use usher_games::GameKind;
use usher_proto::hand::{HandRecord, Seed};
use usher_proto::machine::{Answer, Played, Question};
use usher_proto::message::{Deed, Play};
use usher_proto::{AccountId, GameId};

/// Every hand that ended, and what came of them.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The chance of the next hands; after these it is counted up.
    pub(super) seeds: VecDeque<Seed>,
    counted: u64,
    pub(super) hands: Vec<HandRecord>,
    scores: BTreeMap<(AccountId, GameId), i64>,
    /// How often one was asked for.
    pub(super) scores_asked: u64,
    /// Nothing can be written down.
    pub(super) is_full: bool,
    /// What workers say next; after that they play by the rules of the game of their name.
    pub(super) said: VecDeque<Played>,
    /// What they were asked.
    pub(super) plays: Vec<Play>,
}

impl Records {
    pub(super) fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::HandSeed => Answer::HandSeed(self.seeds.pop_front().unwrap_or_else(|| self.count_up())),
            Question::RecordHand(_) if self.is_full => Answer::HandRecorded(None),
            Question::RecordHand(record) => Answer::HandRecorded(Some(self.record(*record))),
            Question::Score { account, game } => {
                self.scores_asked += 1;
                Answer::Score(Some(self.score(account, game)))
            }
            Question::Play(play) => {
                let kind = GameKind::from_name(&play.game).expect("a game whose rules are here");
                let played = self.said.pop_front().unwrap_or_else(|| stand_in::play(kind, &play));
                self.plays.push(*play);
                Answer::Played(played)
            }
            other => panic!("a room asks {other:?}"),
        }
    }

    fn count_up(&mut self) -> Seed {
        self.counted += 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.counted.to_be_bytes());
        seed
    }

    /// Of a worker's hand: the record has the moves that its worker was asked about last.
    fn check_last(&self, record: &HandRecord) {
        let name = record.id.to_string();
        let last = self.plays.iter().rfind(|play| play.hand == name).expect("its worker was asked");
        let moves: Vec<_> = last.moves.iter().chain(&last.next).cloned().collect();
        assert_eq!(record.moves.iter().filter_map(Deed::of).collect::<Vec<_>>(), moves);
        assert_eq!((record.seed, record.seats.len()), (*last.seed, usize::from(last.seats)));
    }

    fn score(&self, account: AccountId, game: GameId) -> i64 {
        self.scores.get(&(account, game)).copied().unwrap_or(0)
    }

    fn record(&mut self, record: HandRecord) -> Vec<i64> {
        assert!(self.hands.iter().all(|hand| hand.id != record.id), "{} twice", record.id);
        assert_eq!(record.scores.iter().sum::<i32>(), 0, "{record:?}");
        assert_eq!(record.scores.len(), record.seats.len());
        assert!(record.began_unix_ms <= record.ended_unix_ms);
        if record.reason != "fault" {
            let kind = GameKind::from_id(record.game.0).expect("a game there is");
            match kind {
                GameKind::Worker(_) => self.check_last(&record),
                kind => {
                    let playback = play(&record, unguarded, || new_hand(kind, record.seed));
                    assert_eq!(playback.difference, None, "{}", record.id);
                }
            }
        }
        for (account, score) in record.seats.iter().zip(&record.scores) {
            *self.scores.entry((*account, record.game)).or_default() += i64::from(*score);
        }
        let totals = record.seats.iter().map(|account| self.score(*account, record.game)).collect();
        self.hands.push(record);
        totals
    }
}
