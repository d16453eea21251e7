//! Styles by what they mean, and none with colour where the person wants none.
//!
//! Why: `NO_COLOR` (<https://no-color.org>) is asked once.
//! Invariant: what a colour says is said by a mark or a word too.
//! Read next: `screen.rs`.

use ratatui::style::{Color, Modifier, Style};
use usher_runtime::logs;

/// With colours, or without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub(super) has_colors: bool,
}

impl Ink {
    /// What the environment wants.
    pub(super) fn of_environment() -> Self {
        Self { has_colors: logs::wants_colors() }
    }

    fn colored(self, color: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.has_colors { style.fg(color) } else { style }
    }

    pub(super) fn title(self) -> Style {
        self.colored(Color::Cyan, Modifier::BOLD)
    }

    pub(super) fn dim(self) -> Style {
        self.colored(Color::DarkGray, Modifier::empty())
    }

    pub(super) fn mine(self) -> Style {
        self.colored(Color::Green, Modifier::BOLD)
    }

    pub(super) fn warning(self) -> Style {
        self.colored(Color::Yellow, Modifier::BOLD)
    }

    pub(super) fn chosen(self) -> Style {
        self.colored(Color::White, Modifier::REVERSED)
    }
}
