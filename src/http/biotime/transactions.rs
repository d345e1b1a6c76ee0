//! Punches. The number of a punch is its sequence number in the journal.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::choice::{Chosen, chosen, order};
use super::paging::{Asked, Next, no_page};
use super::row::Transaction;
use super::{nothing, wrong};
use crate::http::api::ask_journal;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::store::journal::listing::{Listed, Listing, Place, list as list_rows};

const PATH: &str = "/iclock/api/transactions/";

/// `GET /iclock/api/transactions/`
pub(super) fn list(call: &mut Call) -> Handled {
    let asked = Asked::of(call, PATH)?;
    let filter = match chosen(call) {
        Ok(Chosen::These(filter)) => filter,
        Ok(Chosen::Nothing) if asked.page > 1 => return Err(no_page()),
        Ok(Chosen::Nothing) => return Ok(Outcome::Now(asked.answer::<Value>(0, None, &[]))),
        Err(name) => return Ok(Outcome::Now(wrong(&[(name, "Enter a valid date/time.")]))),
    };
    let place = asked.behind.map_or(Place::Page(asked.page), Place::Behind);
    let listing = Listing { filter, order: order(call), place, limit: asked.size };
    let devices = call.gateway.store.devices();
    let deadline = call.deadline()?;
    ask_journal::read(
        call,
        deadline,
        move |backend| list_rows(backend, &listing),
        move |listed| match listed {
            Listed::Page { rows, count, next } => {
                let zone = TimeZone::system();
                let data: Vec<_> = rows.iter().map(|row| Transaction::of(row, &devices, &zone)).collect();
                Ok(asked.answer(count, next.map(Next::Behind), &data))
            }
            Listed::Beyond => Err(no_page()),
            Listed::TooFar => Err(Problem::bad_request("invalid_parameter", TOO_FAR)),
        },
    )
}

/// `GET /iclock/api/transactions/{id}/`
pub(super) fn one(call: &mut Call) -> Handled {
    let id = call.number_in_path().map_err(|_| nothing())?;
    let devices = call.gateway.store.devices();
    let deadline = call.deadline()?;
    ask_journal::read(
        call,
        deadline,
        move |backend| backend.rows(&[id]),
        move |rows| {
            let row = rows.first().ok_or_else(nothing)?;
            Ok(as_json(200, &Transaction::of(row, &devices, &TimeZone::system())))
        },
    )
}

const TOO_FAR: &str = "Too many punches would have to be looked at for this page. Follow next from the first page, or \
                       narrow start_time and end_time.";
