//! A page as somebody reads it who copies its blocks: what goes into which file, and what should be seen.
//!
//! A block is somebody's to copy if the line above says where to: `` `src/main.rs`: `` is a new file, and
//! `` `src/main.rs`, at its end: `` goes on with it. A block that begins with `$ ` is a terminal: commands, then what is to
//! be seen; behind `> ` stands what is typed.
//!
//! - Invariant: a file is begun once, and gone on with only after that.
//!
//! Read next: `project.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

pub(super) struct Page {
    path: &'static str,
    blocks: Vec<Block>,
}

struct Block {
    /// The last line of prose before it.
    above: String,
    text: String,
}

impl Page {
    pub(super) fn read(root: &Path, path: &'static str) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
        Ok(Self { path, blocks: blocks(&text) })
    }

    /// Every file that is to be made, with all that goes into it.
    pub(super) fn files(&self) -> Result<BTreeMap<&str, String>> {
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        for Block { above, text } in &self.blocks {
            let Some((name, rest)) = above.strip_prefix('`').and_then(|above| above.split_once('`')) else {
                continue;
            };
            match (rest, files.get_mut(name)) {
                (":", None) => _ = files.insert(name, text.clone()),
                (", at its end:", Some(file)) => file.extend(["\n", text]),
                (":", Some(_)) => anyhow::bail!("{}: {name} is begun twice", self.path),
                (", at its end:", None) => anyhow::bail!("{}: {name} has no beginning", self.path),
                _ => {}
            }
        }
        Ok(files)
    }

    /// What is seen and typed in the terminal that `command` is given in, under a line of prose that ends so.
    pub(super) fn terminal(&self, above: &str, command: &str) -> Result<Vec<&str>> {
        let block =
            self.blocks.iter().find(|block| block.above.ends_with(above) && block.text.contains(command));
        let block = block.with_context(|| format!("{}: no `{command}` under `{above}`", self.path))?;
        let lines = block.text.lines().skip_while(|line| line.strip_prefix("$ ") != Some(command));
        let lines: Vec<_> = lines.skip(1).take_while(|line| !line.starts_with("$ ")).collect();
        ensure!(!lines.is_empty(), "{}: nothing is seen after `{command}`", self.path);
        Ok(lines)
    }

    /// That some block has this line.
    pub(super) fn shows(&self, line: &str) -> Result<()> {
        let shown = self.blocks.iter().any(|block| block.text.lines().any(|shown| shown == line));
        ensure!(shown, "{} does not show what was seen: {line}", self.path);
        Ok(())
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut above) = (Vec::new(), "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.fold(String::new(), |text, line| text + line + "\n");
            blocks.push(Block { above: above.to_owned(), text });
            above = "";
        } else if !line.is_empty() {
            above = line;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A page

`src/main.rs`:

```rust,ignore
mod two;
```

Then `this` is said.

```sh
cargo run
```

`src/two.rs`:
```rust,ignore
fn two() {}
```

`src/main.rs`, at its end:

```rust,ignore
fn main() {}
```

Ann's window:

```text
$ nc 127.0.0.1 7001
name?
> ann
$ true
seen
```
";

    fn page(text: &str) -> Page {
        Page { path: "a.md", blocks: blocks(text) }
    }

    #[test]
    fn a_file_is_all_that_is_said_to_go_into_it() {
        let page = page(TEXT);
        let files = page.files().unwrap();
        let wanted = [("src/main.rs", "mod two;\n\nfn main() {}\n"), ("src/two.rs", "fn two() {}\n")];
        assert_eq!(files, wanted.map(|(name, text)| (name, text.to_owned())).into());
    }

    #[test]
    fn a_terminal_is_found_by_what_is_said_above_it() {
        let page = page(TEXT);
        assert_eq!(page.terminal("window:", "nc 127.0.0.1 7001").unwrap(), ["name?", "> ann"]);
        assert_eq!(page.terminal("", "true").unwrap(), ["seen"]);
        assert!(page.terminal("Bob's window:", "true").is_err() && page.terminal("", "false").is_err());
        assert!(page.shows("seen").is_ok() && page.shows("see").is_err());
    }

    #[test]
    fn a_page_that_cannot_be_followed_is_refused() {
        let again = TEXT.replace(", at its end:", ":");
        assert_eq!(page(&again).files().unwrap_err().to_string(), "a.md: src/main.rs is begun twice");
        let early = TEXT.replace("`src/two.rs`:", "`src/two.rs`, at its end:");
        assert_eq!(page(&early).files().unwrap_err().to_string(), "a.md: src/two.rs has no beginning");
    }
}
