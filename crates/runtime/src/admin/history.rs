//! The last ten minutes in a few numbers, so that a page opened late has its curves at once.
//!
//! Owns: a ring of samples. Invariant: they are in the order of their times, and no view is in it twice.
//! Limits: [`SAMPLES_MAX`]; the oldest goes first.
//! Read next: [`super::events`], which fills and sends it.

use serde::Serialize;
use std::collections::VecDeque;
use usher_proto::machine::ClusterView;

/// Ten minutes, a sample each second.
const SAMPLES_MAX: usize = 600;

/// Numbers of one view. But for the players, all of them only grow: what happened in between is their difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Sample {
    unix_ms: u64,
    players_online: u64,
    claims_granted: u64,
    redirects: u64,
}

impl Sample {
    fn of(view: &ClusterView) -> Self {
        let ClusterView { unix_ms, players_online, claims_granted, .. } = *view;
        let redirects = view.redirects_login + view.redirects_hall + view.redirects_room;
        Self { unix_ms, players_online, claims_granted, redirects }
    }
}

/// The ring.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Notes a view, unless it is the one that was noted last.
    pub(super) fn note(&mut self, view: &ClusterView) {
        let newest_unix_ms = self.samples.back().map_or(0, |sample| sample.unix_ms);
        if view.unix_ms <= newest_unix_ms {
            return;
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample::of(view));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(second: u64) -> ClusterView {
        ClusterView {
            unix_ms: second * 1_000,
            players_online: second % 7,
            claims_granted: 2 * second,
            redirects_login: 1,
            redirects_hall: 2,
            redirects_room: second,
            ..ClusterView::default()
        }
    }

    #[test]
    fn it_holds_the_last_ten_minutes_each_view_once() {
        let mut history = History::default();
        history.note(&ClusterView::default());
        assert!(history.samples.is_empty(), "nothing has been shown yet");
        for second in 1..=2 * SAMPLES_MAX as u64 {
            history.note(&view(second));
            history.note(&view(second));
        }
        assert_eq!(history.samples.len(), SAMPLES_MAX);
        let seconds: Vec<_> = history.samples.iter().map(|sample| sample.unix_ms / 1_000).collect();
        assert_eq!(seconds, (601..=1_200).collect::<Vec<_>>());
        let newest =
            Sample { unix_ms: 1_200_000, players_online: 3, claims_granted: 2_400, redirects: 1_203 };
        assert_eq!(history.samples.back(), Some(&newest));
    }

    #[test]
    fn it_is_a_list_of_samples_in_json() {
        let mut history = History::default();
        history.note(&view(9));
        let json = r#"[{"unix_ms":9000,"players_online":2,"claims_granted":18,"redirects":12}]"#;
        assert_eq!(serde_json::to_string(&history).unwrap(), json);
    }
}
