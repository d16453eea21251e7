//! A cable between clients and one server, to be pulled out and put back.
//!
//! Why: a lost connection is neither end's doing; both live on.
//! Invariants: while it is out, nothing passes and whoever connects is cut off at once.
//! Read next: `play.rs`.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Its two ends' connections; none while it is out.
type Ends = Arc<Mutex<Option<Vec<TcpStream>>>>;

pub(crate) struct Cable {
    /// Where clients connect.
    pub(crate) address: String,
    ends: Ends,
}

impl Cable {
    /// To a server that will listen there.
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ends = Ends::new(Mutex::new(Some(Vec::new())));
        let (laid, server) = (Arc::clone(&ends), server.to_string());
        let lay = move || listener.incoming().flatten().for_each(|client| join(&laid, client, &server));
        std::thread::Builder::new().spawn(lay).unwrap();
        Self { address, ends }
    }

    pub(crate) fn pull(&self) {
        for end in self.ends.lock().unwrap().take().into_iter().flatten() {
            let _ = end.shutdown(Shutdown::Both); // it may be closed already
        }
    }

    pub(crate) fn put_back(&self) {
        self.ends.lock().unwrap().get_or_insert_default();
    }
}

fn join(ends: &Ends, client: TcpStream, server: &str) {
    let mut ends = ends.lock().unwrap();
    let (Some(ends), Ok(server)) = (ends.as_mut(), TcpStream::connect(server)) else { return };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let pass = move || {
            let _ = std::io::copy(&mut from, &mut to); // until either end is closed
            let _ = to.shutdown(Shutdown::Write);
        };
        std::thread::Builder::new().spawn(pass).unwrap();
    }
    ends.extend([client, server]);
}
