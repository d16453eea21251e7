//! A controller, and what it was answered lately.
//!
//! Why: a controller whose connection broke before the answer asks again with the same number, and must not instruct
//! twice.
//! Invariants: the numbers a controller was answered rise; the same number gets the same answer.
//! Limits: `answers_max` answers (an older number is stale); `controllers_known_max` controllers, beyond which the one
//! that is away longest is forgotten. Its next welcome tells it so.
//! Read next: [`super::publishing`], which gives the answers.

use super::named::Dispensable;
use std::collections::VecDeque;
use usher_proto::ConnId;
use usher_proto::message::InstructDenial;

/// How an instruction was answered: its number in the log, or why it has none.
pub(super) type Answer = Result<u64, InstructDenial>;

/// One controller.
#[derive(Debug, Default)]
pub(super) struct Controller {
    /// Its connection, while it has one.
    pub(super) conn: Option<ConnId>,
    /// Which of its connections that is.
    pub(super) generation: u64,
    /// When it left, in the order of leavings.
    pub(super) left: u64,
    /// The last request that was answered.
    pub(super) last_request: Option<u64>,
    answers: VecDeque<(u64, Answer)>,
}

impl Controller {
    /// Whether a newer connection than `generation` has the name.
    pub(super) fn is_ahead_of(&self, generation: u64) -> bool {
        self.conn.is_some() && self.generation > generation
    }

    /// The answer to a number that is not new.
    pub(super) fn answered(&self, request: u64) -> Option<Answer> {
        if self.last_request.is_none_or(|last| request > last) {
            return None;
        }
        let at = self.answers.binary_search_by_key(&request, |(request, _)| *request);
        Some(at.map_or(Err(InstructDenial::Stale), |at| self.answers[at].1))
    }

    /// Remembers an answer.
    pub(super) fn remember(&mut self, request: u64, answer: Answer, answers_max: usize) {
        self.last_request = Some(request);
        if self.answers.len() >= answers_max {
            self.answers.pop_front();
        }
        self.answers.push_back((request, answer));
    }
}

impl Dispensable for Controller {
    fn rank(&self) -> Option<u64> {
        self.conn.is_none().then_some(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_answered_is_answered_the_same_while_that_is_remembered() {
        let mut controller = Controller::default();
        assert_eq!(controller.answered(0), None);
        for (request, answer) in [(3, Ok(1)), (4, Err(InstructDenial::TooLong)), (9, Ok(2))] {
            assert_eq!(controller.answered(request), None);
            controller.remember(request, answer, 2);
        }
        let stale = Some(Err(InstructDenial::Stale));
        let denied = Some(Err(InstructDenial::TooLong));
        for (request, answer) in [(3, stale), (4, denied), (5, stale), (9, Some(Ok(2))), (10, None)] {
            assert_eq!(controller.answered(request), answer, "{request}");
        }
    }
}
