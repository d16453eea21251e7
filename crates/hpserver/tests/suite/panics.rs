//! A service that panics: the process ends, nothing is left hanging.
//!
//! This test binary runs itself once more as the process that is to end.

use std::{env, os::unix::process::ExitStatusExt, process::Command};

use crate::rig::{Rig, shapes};

const CHILD_SHAPE: &str = "USHER_PANICS_SHAPE";
const SIGABRT: i32 = 6;

#[test]
fn a_panic_in_a_service_ends_the_process() {
    if let Ok(shape) = env::var(CHILD_SHAPE) {
        return panic_in_a_service(shape.parse().unwrap());
    }
    let this = ["--exact", "panics::a_panic_in_a_service_ends_the_process"];
    for (index, shape) in shapes().enumerate() {
        let mut child = Command::new(env::current_exe().unwrap());
        let child = child.args(this).env(CHILD_SHAPE, index.to_string()).output().unwrap();
        assert_eq!(child.status.signal(), Some(SIGABRT), "{shape:?}: {child:?}");
    }
}

/// Comes back, and so fails the test, if the process outlives the thread.
fn panic_in_a_service(shape: usize) {
    let rig = Rig::talk(shapes().nth(shape).unwrap());
    let mut client = rig.client(0);
    client.send(b"!");
    client.hear();
}
