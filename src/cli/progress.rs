//! How far long work has got, on stderr, and only where somebody looks.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar that waits is drawn.
const TICK: Duration = Duration::from_millis(120);

/// A bar, or nothing where stderr is no terminal. It is gone when it is dropped.
pub(super) struct Bar {
    bar: ProgressBar,
    /// How it looks once it is known how much there is.
    template: &'static str,
}

impl Bar {
    /// Bytes of something.
    pub(super) fn bytes(what: &'static str) -> Self {
        Self::new(what, "{msg} [{bar:30}] {bytes}/{total_bytes}")
    }

    /// Pieces of something.
    pub(super) fn pieces(what: &'static str) -> Self {
        Self::new(what, "{msg} [{bar:30}] {pos}/{len}")
    }

    /// Something of which nobody knows how long it takes.
    pub(super) fn waiting(what: &'static str) -> Self {
        let waiting = Self::new(what, "");
        if !waiting.bar.is_hidden() {
            waiting.bar.enable_steady_tick(TICK);
        }
        waiting
    }

    fn new(what: &'static str, template: &'static str) -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target).with_message(what);
        dress(&bar, "{spinner} {msg}");
        Self { bar, template }
    }

    /// It has got so far, of so much.
    pub(super) fn set(&self, done: u64, total: u64) {
        if self.bar.length().is_none() {
            dress(&self.bar, self.template);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

fn dress(bar: &ProgressBar, template: &str) {
    // The templates are our own.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
