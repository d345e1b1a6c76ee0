//! Named threads with a stated stack, and what happens when a job on one of them panics.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// The stack of a thread that runs shallow code over bounded buffers, in bytes.
pub const SMALL_STACK: usize = 256 * 1024;
/// The stack of a thread that runs a library with a stack of its own taste (SQLite, PostgreSQL), in bytes.
pub const LARGE_STACK: usize = 2 * 1024 * 1024;

/// Starts a thread under this name.
///
/// # Errors
/// When the operating system grants no further thread.
pub fn spawn<F>(name: impl Into<String>, stack: usize, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    Builder::new().name(name.into()).stack_size(stack).spawn(body)
}

/// Runs one job; a panic in it ends the job and not the thread. `false` when it panicked.
///
/// The panic hook has already said what and where; this only says whose job it was.
pub fn contained(what: &str, job: impl FnOnce()) -> bool {
    let survived = catch_unwind(AssertUnwindSafe(job)).is_ok();
    if !survived {
        log::error!("a panic ended one job of {what}; the thread goes on");
    }
    survived
}
