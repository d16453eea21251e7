//! Where connections come from: listeners, connects, descriptors from elsewhere.
//!
//! Each is first-class afterwards; each failure is one fault and nothing else.
//! Read next: `limits.rs`.

use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use usher_completion::{Config, Fault, Origin, Reason, bind};

use crate::station::{DEADLINE, Event, Station, client, configs, echo, nothing, read, reset, write};
use crate::{send_large, turn};

#[test]
fn an_opened_connection_says_where_it_comes_from() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let client = station.client();
        let (conn, opened) = station.connected();
        assert_eq!(opened.origin, Origin::Accepted { listener: station.listener });
        assert_eq!(opened.peer, client.local_addr().unwrap());
        assert_eq!(opened.local, station.address);
        assert!(conn.worker() < station.handle().workers());
        station.shutdown();
    }
}

#[test]
fn a_socket_that_listens_already_keeps_its_waiting_connections() {
    for config in configs() {
        let station = Station::start(config, &echo());
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let early = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let (listener, address) = station.handle().listen_on(socket).unwrap();
        let (_, opened) = station.connected();
        assert_eq!(opened.origin, Origin::Accepted { listener });
        assert_eq!((opened.peer, opened.local), (early.local_addr().unwrap(), address));
        write(&early, b"hello");
        assert_eq!(read(&early, 5), b"hello");
        station.shutdown();
    }
}

#[test]
fn socket_buffers_are_set_whoever_bound_the_listener() {
    for config in configs() {
        let station = Station::start(Config { socket_buffer_bytes: Some(4096), ..config }, &nothing());
        let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let early = narrow_client(address);
        station.handle().listen_on(socket).unwrap();
        let early = (early, station.connected().0);
        for (_client, conn) in [early, (narrow_client(address), station.connected().0)] {
            send_large(station.handle(), conn);
            let taken = station.refused().bytes;
            assert!(taken < 64 * 1024, "the socket took {taken} bytes that nobody read");
        }
        station.shutdown();
    }
}

/// One that takes in next to nothing before it is read.
fn narrow_client(address: SocketAddr) -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket
}

#[test]
fn outgoing_connections_are_first_class() {
    for config in configs() {
        let station = Station::start(config, &echo());
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        station.handle().connect(address, 7);
        let (peer, _) = other.accept().unwrap();
        let (conn, opened) = station.connected();
        assert_eq!(opened.origin, Origin::Outgoing { token: 7 });
        assert_eq!((opened.peer, opened.local), (address, peer.peer_addr().unwrap()));
        write(&peer, b"hello");
        assert_eq!(read(&peer, 5), b"hello");
        station.handle().close(conn);
        drop(peer);
        assert_eq!(station.disconnected().0, conn);
        station.shutdown();
    }
}

#[test]
fn a_refused_connect_is_a_fault_and_nothing_else() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        // Bound but not listening: nobody else can get the port meanwhile.
        let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bound.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        station.handle().connect(bound.local_addr().unwrap().as_socket().unwrap(), 9);
        let event = station.next();
        let Event::Fault(Fault::Connect { token: 9, error }) = event else { panic!("{event:?}") };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let stats = station.shutdown();
        assert_eq!((stats.connect_errors, stats.connected), (1, 0));
    }
}

#[test]
fn an_adopted_socket_is_like_any_other() {
    for config in configs() {
        let station = Station::start(config, &echo());
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = client(elsewhere.local_addr().unwrap());
        let (stream, _) = elsewhere.accept().unwrap();
        let duplicate = stream.try_clone().unwrap();
        station.handle().adopt(stream, 11);
        let (conn, opened) = station.connected();
        assert_eq!(opened.origin, Origin::Adopted { token: 11 });
        write(&client, b"hello");
        assert_eq!(read(&client, 5), b"hello");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(station.disconnected(), (conn, Reason::PeerClosed));
        // The duplicate keeps the socket alive; its events must reach nobody.
        let (_next, next_conn) = station.pair();
        reset(client);
        drop(duplicate);
        turn(&station, next_conn);
        station.shutdown();
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_can_be_adopted_and_has_no_address() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(DEADLINE)).unwrap();
        station.handle().adopt(ours, 13);
        let (conn, opened) = station.connected();
        assert_eq!(opened.origin, Origin::Adopted { token: 13 });
        assert!(opened.peer.ip().is_unspecified() && opened.local.ip().is_unspecified());
        theirs.write_all(b"hello").unwrap();
        let heard = station.find(|event| match event {
            Event::Received(_, chunk) => Some(chunk.to_vec()),
            _ => None,
        });
        assert_eq!(heard, b"hello");
        // Both ways more than its buffers hold, and then an end in good order.
        let sent = send_large(station.handle(), conn);
        station.handle().close(conn);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        assert!(all == sent, "{} bytes came of {}", all.len(), sent.len());
        drop(theirs);
        assert_eq!(station.disconnected().0, conn);
        station.shutdown();
    }
}

#[cfg(unix)]
#[test]
fn what_has_no_stream_cannot_be_adopted() {
    use std::os::unix::net::UnixDatagram;
    for config in configs() {
        let station = Station::start(config, &nothing());
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        station.handle().adopt(ours, 5);
        assert!(matches!(station.next(), Event::Fault(Fault::Adopt { token: 5, .. })));
        assert_eq!(station.shutdown().connected, 0);
    }
}

#[test]
fn an_unconnected_socket_cannot_be_adopted() {
    for config in configs() {
        let station = Station::start(config, &nothing());
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        station.handle().adopt(socket, 3);
        assert!(matches!(station.next(), Event::Fault(Fault::Adopt { token: 3, .. })));
        assert_eq!(station.shutdown().connected, 0);
    }
}

#[test]
fn a_listener_can_be_closed_and_others_stay() {
    for config in configs() {
        let station = Station::start(config, &echo());
        let v6 = station.handle().listen("[::1]:0".parse().unwrap());
        let (listener, address) = v6.expect("IPv6 on the loopback");
        let kept = client(address);
        assert_eq!(station.connected().1.origin, Origin::Accepted { listener });
        station.handle().unlisten(listener);
        // The accept thread closes it soon; a connection of the backlog that comes in between is reset.
        while let Ok(late) = TcpStream::connect_timeout(&address, DEADLINE) {
            drop(late);
        }
        for open in [kept, station.client()] {
            write(&open, b"still");
            assert_eq!(read(&open, 5), b"still");
        }
        assert_eq!(station.handle().listen(station.address).unwrap_err().kind(), ErrorKind::AddrInUse);
        station.shutdown();
    }
}
