//! What stands between a gateway and a server, passes every record on, and can cut one in the middle.
//!
//! Read next: `cable.rs`, which is pulled between two connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Way {
    ToServer = 1,
    ToGateway = 2,
}

const NEITHER: u8 = 0;

pub(super) struct Relay {
    /// Where the gateway connects.
    pub(super) address: String,
    /// The way whose next record is to be cut.
    cut: Arc<AtomicU8>,
}

impl Relay {
    /// To a server that listens there.
    pub(super) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cut = Arc::new(AtomicU8::new(NEITHER));
        let (asked, server) = (Arc::clone(&cut), server.to_string());
        let join = move || listener.incoming().flatten().for_each(|gateway| join(&asked, &gateway, &server));
        std::thread::Builder::new().spawn(join).unwrap();
        Self { address, cut }
    }

    /// Of the next record that goes this way only the first half arrives, and nothing after it.
    pub(super) fn cut(&self, way: Way) {
        self.cut.store(way as u8, Relaxed);
    }

    /// Whether that has happened.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.load(Relaxed) == NEITHER
    }
}

fn join(cut: &Arc<AtomicU8>, gateway: &TcpStream, server: &str) {
    let Ok(server) = TcpStream::connect(server) else { return };
    for (from, to, way) in [(gateway, &server, Way::ToServer), (&server, gateway, Way::ToGateway)] {
        let (mut from, mut to, cut) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(cut));
        let pass = move || {
            let _ = pass(&cut, way, &mut from, &mut to); // until either end is closed
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        };
        std::thread::Builder::new().spawn(pass).unwrap();
    }
}

/// Frame by frame: all that goes over a trunk is a length and so many bytes.
fn pass(cut: &AtomicU8, way: Way, from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let mut frame = vec![0; 2];
        from.read_exact(&mut frame)?;
        let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
        frame.resize(2 + length, 0);
        from.read_exact(&mut frame[2..])?;
        if cut.compare_exchange(way as u8, NEITHER, Relaxed, Relaxed).is_ok() {
            return to.write_all(&frame[..(length / 2) | 1]);
        }
        to.write_all(&frame)?;
    }
}
