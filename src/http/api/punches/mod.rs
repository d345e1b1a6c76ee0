//! The journal's punches: in pages, as they come, and all at once.

mod choice;
mod csv;
mod export;
mod follow;
mod page;
mod poll;

pub use choice::devices;
pub use export::export;
pub use follow::stream;
pub use page::list;
