//! The requests of a pool that nobody has yet, by who may have them.
//!
//! Invariants: within a list the oldest is first. Who waits for a home that is not up waits with the homeless.
//! Read next: `pool.rs`.

use super::RequestId;
use std::collections::{BTreeMap, BTreeSet};

/// Who may have a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Whoever has room.
    Anybody,
    /// Whoever is the home of this key.
    Home(u64),
    /// Somebody who has nothing else.
    Alone,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    free: BTreeSet<RequestId>,
    /// By instance; with their keys.
    homed: Vec<BTreeMap<RequestId, u64>>,
    homeless: BTreeMap<RequestId, u64>,
    suspects: BTreeSet<RequestId>,
}

impl Waiting {
    pub(super) fn new(instances: usize) -> Self {
        Self { homed: vec![BTreeMap::new(); instances], ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        let homed: usize = self.homed.iter().map(BTreeMap::len).sum();
        self.free.len() + homed + self.homeless.len() + self.suspects.len()
    }

    /// `home`: who is the home of a key now.
    pub(super) fn push(&mut self, request: RequestId, who: For, home: impl Fn(u64) -> Option<usize>) {
        let _: bool = match who {
            For::Anybody => self.free.insert(request),
            For::Alone => self.suspects.insert(request),
            For::Home(key) => {
                let homed = home(key).map(|instance| &mut self.homed[instance]);
                homed.unwrap_or(&mut self.homeless).insert(request, key).is_none()
            }
        };
    }

    pub(super) fn remove(&mut self, request: RequestId) {
        self.free.remove(&request);
        self.suspects.remove(&request);
        self.homeless.remove(&request);
        for homed in &mut self.homed {
            homed.remove(&request);
        }
    }

    /// Others are up than before.
    pub(super) fn rehome(&mut self, home: impl Fn(u64) -> Option<usize>) {
        let mut all = std::mem::take(&mut self.homeless);
        self.homed.iter_mut().for_each(|homed| all.append(homed));
        for (request, key) in all {
            self.push(request, For::Home(key), &home);
        }
    }

    /// Whether there is anything that this instance may have.
    pub(super) fn has_for(&self, instance: usize) -> bool {
        !self.free.is_empty() || !self.homed[instance].is_empty()
    }

    /// The oldest that this instance may have.
    pub(super) fn pop_for(&mut self, instance: usize) -> Option<RequestId> {
        let homed = &mut self.homed[instance];
        let own = homed.first_key_value().map(|(request, _)| *request);
        match self.free.first() {
            Some(free) if own.is_none_or(|own| *free < own) => self.free.pop_first(),
            _ => homed.pop_first().map(|(request, _)| request),
        }
    }

    pub(super) fn pop_suspect(&mut self) -> Option<RequestId> {
        self.suspects.pop_first()
    }

    pub(super) fn has_suspect(&self) -> bool {
        !self.suspects.is_empty()
    }
}
