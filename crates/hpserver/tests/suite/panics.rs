//! A service that panics: the process ends, nothing is left hanging.

use std::os::unix::process::ExitStatusExt;

use crate::{
    child,
    rig::{Rig, shapes},
};

const SIGABRT: i32 = 6;

#[test]
fn a_panic_in_a_service_ends_the_process() {
    if let Some(shape) = child::argument() {
        return panic_in_a_service(shape);
    }
    for (index, shape) in shapes().enumerate() {
        let child = child::run("panics::a_panic_in_a_service_ends_the_process", index);
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
