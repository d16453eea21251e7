//! How much may wait for a worker that does not read, before it is cut off.
//!
//! Why: a worker that is busy with one request does not read the others. As many as its group allows it are its right;
//! only what is beyond that is a worker that reads nothing.
//! Owns: that number of bytes, and with it how many requests a config may allow a worker.
//! Invariants: as many of the longest requests as a worker may have fit below the high water.
//! Limits: [`HIGH_WATER_BYTES_MAX`]; a config that needs more is refused ([`in_flight_max`]).
//! Read next: `workers.rs`, where layer 2 is told.

use crate::config::GroupConfig;
use usher_proto::codec::Form;
use usher_proto::message::{SPECS, Speaker};

/// The most that may wait for one worker, or for one room server of a host.
pub(crate) const HIGH_WATER_BYTES_MAX: usize = 256 << 20;
/// And that may be so for any: what a group has by default, several times.
const HIGH_WATER_BYTES_MIN: usize = 16 << 20;
/// What frames, their seals and the queues they wait in add to a request, and pings to all of them, at most.
const AROUND_BYTES: usize = 512;

/// What may wait for a worker of any of these groups.
pub(crate) fn high_water_bytes(groups: &[GroupConfig]) -> usize {
    let of =
        |group: &GroupConfig| group.in_flight_max.saturating_mul(request_bytes_max(group.members.form()));
    let most = groups.iter().map(of).max().unwrap_or_default();
    most.clamp(HIGH_WATER_BYTES_MIN, HIGH_WATER_BYTES_MAX)
}

/// The most requests that a worker may have.
pub(crate) fn in_flight_max(form: Form) -> usize {
    HIGH_WATER_BYTES_MAX / request_bytes_max(form)
}

fn request_bytes_max(form: Form) -> usize {
    let requests = SPECS.iter().filter(|spec| spec.speaker == Speaker::Host);
    requests.map(|spec| form.bytes_max(spec)).max().unwrap_or_default() + AROUND_BYTES
}
