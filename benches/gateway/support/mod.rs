//! What the rows share: the table, the figures' arithmetic, processes, HTTP clients and a bare socket to a device.

pub mod bare;
pub mod cable;
pub mod http;
pub mod load;
#[path = "../../../tests/support/postgres.rs"]
pub mod postgres;
pub mod process;
pub mod raw;

use std::time::Duration;

use zkgate::ops::limits::allow_open_files;

pub use http::{Http, Url};
pub use load::{Caller, Group, load};
pub use process::{Fleet, Gate};

/// The table as it grows.
pub struct Report {
    rows: usize,
    missed: usize,
}

impl Report {
    pub fn begin() -> Self {
        println!("{:<66} | {:>12} | {:>12} | met?", "what", "figure", "bar");
        println!("{:-<66}-|-{:->12}-|-{:->12}-|-----", "", "", "");
        Self { rows: 0, missed: 0 }
    }

    /// A row with a figure that should not be larger than the bar.
    pub fn at_most(&mut self, what: &str, figure: f64, bar: f64, unit: &str) {
        self.row(what, figure, &format!("≤ {}", shown(bar, unit)), figure <= bar, unit);
    }

    /// A row with a figure that should not be smaller than the bar.
    pub fn at_least(&mut self, what: &str, figure: f64, bar: f64, unit: &str) {
        self.row(what, figure, &format!("≥ {}", shown(bar, unit)), figure >= bar, unit);
    }

    /// A row that has no bar.
    pub fn figure(&self, what: &str, figure: f64, unit: &str) {
        println!("{what:<66} | {:>12} | {:>12} |", shown(figure, unit), "-");
    }

    /// What stands behind the last rows, for whoever wants to know.
    pub fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// A row that cannot be measured here.
    pub fn absent(&mut self, what: &str, why: &str) {
        println!("{what:<66} | {:>12} | {:>12} | {why}", "-", "-");
    }

    fn row(&mut self, what: &str, figure: f64, bar: &str, met: bool, unit: &str) {
        let met = if met { "yes" } else { "NO" };
        self.rows += 1;
        self.missed += usize::from(met == "NO");
        println!("{what:<66} | {:>12} | {bar:>12} | {met}", shown(figure, unit));
    }

    pub fn end(&self) {
        println!("\n{} of {} bars met; load average {}", self.rows - self.missed, self.rows, load_average());
    }
}

fn shown(figure: f64, unit: &str) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0} {unit}"),
        10.0.. => format!("{figure:.1} {unit}"),
        1.0.. => format!("{figure:.2} {unit}"),
        _ => format!("{figure:.3} {unit}"),
    }
}

/// How busy the machine was in the last minute, as it says itself.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// The value below which this share of all values lies; NaN without values.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    of_sorted(values, share)
}

/// The same, where the values are in order already.
pub fn of_sorted(values: &[f64], share: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 0.5)
}

pub fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Asks the system for room for thousands of sockets; what it refuses shows in the row that needs it.
pub fn allow_many_files() {
    if let Err(error) = allow_open_files(16_384) {
        eprintln!("no more files may be opened: {error}");
    }
}
