//! A stream of native frames, cut anyhow: the same messages, or the same error, as in one piece.
//!
//! Also: nothing is kept or made room for ahead of what came (`assembly.rs`).
//! Read next: `usher_runtime::codec`.

use crate::assembly::{Arrival, hear};
use std::iter;
use usher_runtime::codec::Native;

pub(super) fn run(bytes: &[u8]) {
    let Some(arrival) = Arrival::read(bytes) else { return };
    let codec = Native::new(arrival.side);
    let whole = hear(&codec, iter::once(arrival.stream));
    assert_eq!(hear(&codec, arrival.chunks()), whole);
}
