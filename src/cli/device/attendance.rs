//! The attendance log, proved complete before the first row is printed.

use jiff::tz::TimeZone;

use super::Caller;
use super::clock::now;
use crate::cli::csv_rows;
use crate::cli::failure::Done;
use crate::cli::progress::Bar;
use crate::cli::rows::PunchRow;
use crate::wire::clock_word::ClockWord;

pub(super) fn read(caller: Caller<'_>, csv: bool) -> Done {
    let bar = Bar::bytes("reading attendance");
    let today = ClockWord::pack(now(&TimeZone::system()));
    let table = caller.work(|line| {
        let mut told = |there: u32, all: u32| bar.set(there.into(), all.into());
        line.read(|session, deadline| session.punches_in_pieces(today, &mut told, deadline))
    })?;
    drop(bar);
    let rows: Vec<_> = table.iter().map(|punch| PunchRow::from(&punch)).collect();
    match csv {
        true => csv_rows::print(caller.out, &rows),
        false => caller.out.rows(&rows),
    }
}
