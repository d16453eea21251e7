//! What a load says of one slice: a line of JSON, written by one process and read by another.
//!
//! A message is a round trip, or the delivery of a broadcast to one member.
//!
//! Read next: `account.rs`, which makes it; `contest.rs`, which reads it.

use serde::{Deserialize, Serialize};

/// One slice of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Messages that arrived within the slice.
    pub messages: u64,
    /// Messages that were under way at its end and arrived after it.
    #[serde(default)]
    pub drained: u64,
    /// How long the slice was.
    pub seconds: f64,
    /// Half of them took no longer, microseconds; those under way at the end count.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// 999 of 1,000 took no longer.
    pub p999_us: f64,
}

impl Slice {
    /// Messages a second.
    pub fn throughput(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// All the server has worked for: its CPU is divided by this.
    pub fn echoed(&self) -> u64 {
        self.messages + self.drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let line = r#"{"messages":1000,"seconds":0.5,"p50_us":10.5,"p99_us":20.0,"p999_us":30.0}"#;
        let slice: Slice = serde_json::from_str(line).unwrap();
        assert_eq!((slice.messages, slice.drained, slice.echoed()), (1000, 0, 1000));
        assert!((slice.throughput() - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_written_is_read() {
        let slice = Slice { messages: 3, drained: 2, seconds: 1.0, p50_us: 1.5, p99_us: 2.5, p999_us: 3.5 };
        let line = serde_json::to_string(&slice).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Slice>(&line).unwrap(), slice);
        assert_eq!(slice.echoed(), 5);
    }
}
