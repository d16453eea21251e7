//! A program on a terminal: keys in, screen out.
//!
//! Why: what a person sees is what is left on the screen after every byte, and that is what is asserted on.
//! Owns: a pseudoterminal, the program on it, and the screen that its output paints ([`vt100`]).
//! Invariants: the program has the terminal as its own (its session's), and ends with its test; each wait has a
//! deadline, and a wait that fails shows the screen.
//! Read next: `play.rs`.

use crate::page::until;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

/// A terminal with a program on it.
pub(crate) struct Terminal {
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Terminal {
    /// Starts the program on a terminal of this size.
    pub(crate) fn start(program: &Command, (columns, rows): (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = name.to_str().unwrap();
        resize(&master, columns, rows);
        let end = || File::options().read(true).write(true).open(path).unwrap();
        // A session of its own, whose terminal this is.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let child = command.spawn().expect("setsid of util-linux starts the program");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (mut output, painted) = (File::from(master.try_clone().unwrap()), Arc::clone(&screen));
        let paint = move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                painted.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..length]);
            }
        };
        std::thread::Builder::new().spawn(paint).unwrap();
        Self { keys: File::from(master), screen, child }
    }

    /// Types this; `\r` is Enter, `\t` Tab, `\x1b[A` an arrow.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Changes the window's size; the kernel tells the program.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.with(|parser| parser.screen_mut().set_size(rows, columns));
        resize(&self.keys, columns, rows);
    }

    fn with<T>(&self, look: impl FnOnce(&mut vt100::Parser) -> T) -> T {
        look(&mut self.screen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What stands on the screen.
    pub(crate) fn text(&self) -> String {
        self.with(|parser| parser.screen().contents())
    }

    /// Whether the program has the whole screen for itself.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.with(|parser| parser.screen().alternate_screen())
    }

    /// Whether any cell has a colour.
    pub(crate) fn has_colors(&self) -> bool {
        self.with(|parser| {
            let screen = parser.screen();
            let (rows, columns) = screen.size();
            let mut cells = (0..rows).flat_map(|row| (0..columns).filter_map(move |at| screen.cell(row, at)));
            cells.any(|cell| {
                (cell.fgcolor(), cell.bgcolor()) != (vt100::Color::Default, vt100::Color::Default)
            })
        })
    }

    /// Waits until the screen shows one of these; which.
    pub(crate) fn until_any(&self, wanted: &[&str]) -> usize {
        let shown = || {
            let text = self.text();
            wanted.iter().position(|wanted| text.contains(wanted))
        };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until("a screen", shown)));
        found.unwrap_or_else(|_| panic!("none of {wanted:?} on\n{}", self.text()))
    }

    pub(crate) fn until(&self, wanted: &str) {
        self.until_any(&[wanted]);
    }

    /// Prints the screen into the test's log.
    pub(crate) fn show(&self, what: &str) {
        println!("\n----- {what} -----\n{}", self.text());
    }

    /// Waits for the program's end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the end of the program", || self.child.try_wait().unwrap())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

fn resize(terminal: &impl AsFd, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}
