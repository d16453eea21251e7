//! `docs/tutorial.md`: the echo, the lines and the chat of its seven steps, and the windows it shows of them.
//!
//! - Limit: sleeps of the page's commands are left out, and so is the flood of step 6, which the chat's own tests have.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};

use super::PATIENCE;
use super::page::Page;
use super::project::Project;
use crate::cargo::Workspace;

const FREE: &str = "127.0.0.1:0";

pub(super) fn follow(workspace: &Workspace) -> Result<()> {
    let page = Page::read(&workspace.root, "docs/tutorial.md")?;
    let project = Project::make(workspace, "my-server", &page)?;
    project.cargo(workspace, &["build", "--bins", "--examples"])?;
    project.cargo(workspace, &["test", "--quiet", "--examples"])?;
    echo(&page, &project)?;
    lines(&page, &project)?;
    chat(&page, &project)
}

fn echo(page: &Page, project: &Project) -> Result<()> {
    let server = project.serve("my-server", &["--listen", FREE], 1)?;
    for said in [&b"\0\x05hello"[..], b"\0\x05hello\0\x03you"] {
        let mut client = connect(&server.addresses[0])?;
        client.write_all(said)?;
        let mut heard = vec![0; said.len()];
        client.read_exact(&mut heard)?;
        page.shows(&xxd(0, &heard))?;
    }
    server.interrupt().map(drop)
}

fn lines(page: &Page, project: &Project) -> Result<()> {
    let server = project.serve("examples/lines", &[FREE], 1)?;
    let told = page.terminal("", "nc 127.0.0.1 7001")?;
    Window::open(&server.addresses[0], &told)?.until("2 again")?;
    let too_long = page.terminal("", "head -c 513 /dev/zero | tr '\\0' x | nc -N 127.0.0.1 7001")?;
    let mut window = Window::open(&server.addresses[0], &too_long)?;
    window.stream.get_mut().write_all(&[b'x'; 513])?;
    window.until("bye: line_too_long")?;
    server.interrupt().map(drop)
}

fn chat(page: &Page, project: &Project) -> Result<()> {
    let server = project.serve("examples/chat", &[FREE, FREE], 2)?;
    let [anns, bobs] = ["ann's:", "bob's:"].map(|whose| page.terminal(whose, "nc 127.0.0.1 7001"));
    let (anns, bobs) = (anns?, bobs?);
    let mut ann = Window::open(&server.addresses[0], &anns)?;
    ann.until("* 1 here")?;
    let mut bob = Window::open(&server.addresses[0], &bobs)?;
    bob.until("* 2 here")?;
    ann.until("> hello bob")?;
    bob.until("> hello ann")?;
    ann.until("bob: hello ann")?;
    drop(bob);
    ann.until("* 1 here")?;

    let mut program = connect(&server.addresses[1])?;
    program.write_all(b"\0\x03bot\0\x05hello")?;
    let mut heard = [0; 25];
    program.read_exact(&mut heard)?;
    drop(program);
    page.shows(&xxd(0, &heard[..16]))?;
    page.shows(&xxd(16, &heard[16..]))?;
    ann.rest = &["* bot is here", "* 2 here", "bot: hello", "* bot left", "* 1 here"];
    ann.until("* 1 here")?;
    drop(ann);

    let last = server.interrupt()?;
    ensure!(last.len() == 2 && last[0].starts_with("people: 2 came, "), "the chat ended with {last:?}");
    page.shows(&last[1])
}

/// Somebody's terminal, and what is still to be typed and seen in it.
struct Window<'a> {
    stream: BufReader<TcpStream>,
    rest: &'a [&'a str],
}

impl<'a> Window<'a> {
    fn open(address: &str, lines: &'a [&'a str]) -> Result<Self> {
        Ok(Self { stream: BufReader::new(connect(address)?), rest: lines })
    }

    /// Types and sees line after line, up to this one.
    fn until(&mut self, last: &str) -> Result<()> {
        while let Some((line, rest)) = self.rest.split_first() {
            self.rest = rest;
            if let Some(typed) = line.strip_prefix("> ") {
                self.stream.get_mut().write_all(format!("{typed}\n").as_bytes())?;
            } else {
                let mut seen = String::new();
                self.stream.read_line(&mut seen)?;
                ensure!(
                    seen.trim_end() == *line,
                    "the page says `{line}`, and seen is `{}`",
                    seen.trim_end()
                );
            }
            if *line == last {
                return Ok(());
            }
        }
        anyhow::bail!("the page does not come to `{last}`")
    }
}

fn connect(address: &str) -> Result<TcpStream> {
    let client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// A line of what `xxd` prints.
fn xxd(offset: usize, bytes: &[u8]) -> String {
    let pair = |pair: &[u8]| pair.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let pairs = bytes.chunks(2).map(pair).collect::<Vec<_>>().join(" ");
    let printable = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
    let text: String = bytes.iter().map(printable).collect();
    format!("{offset:08x}: {pairs:39}  {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_printed_as_xxd_prints_them() {
        assert_eq!(xxd(0, b"\0\x05hello"), "00000000: 0005 6865 6c6c 6f                        ..hello");
        assert_eq!(xxd(16, b"\x08* 2 here"), "00000010: 082a 2032 2068 6572 65                   .* 2 here");
    }
}
