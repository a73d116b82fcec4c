//! A way to a server that a test can cut: connections through it break, and new ones are refused, until it is mended.
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tests::port::Port;

#[derive(Debug)]
pub(crate) struct Relay {
    port: Port,
    way: Arc<Way>,
}

#[derive(Debug, Default)]
struct Way {
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub(crate) fn to(server: String) -> Relay {
        let port = Port::free().unwrap();
        let listener = TcpListener::bind(port.address()).unwrap();
        let way = Arc::new(Way::default());
        let accepted = way.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A connection that cannot be carried on is dropped, which its client sees.
                let _ = stream.and_then(|stream| accepted.carry(stream, &server));
            }
        });
        Relay { port, way }
    }

    pub(crate) fn address(&self) -> String {
        self.port.address()
    }

    pub(crate) fn cut(&self) {
        self.way.cut.store(true, Ordering::SeqCst);
        for stream in self.way.open.lock().unwrap().drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.way.cut.store(false, Ordering::SeqCst);
    }
}

impl Way {
    fn carry(&self, client: TcpStream, server: &str) -> io::Result<()> {
        let mut open = self.open.lock().unwrap();
        if self.cut.load(Ordering::SeqCst) {
            return Ok(());
        }
        let server = TcpStream::connect(server)?;
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            open.push(from.try_clone()?);
            std::thread::spawn(move || {
                let copied = io::copy(&mut from, &mut to);
                to.shutdown(Shutdown::Both).and(copied)
            });
        }
        Ok(())
    }
}
