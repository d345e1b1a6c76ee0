//! Numbered pages: for readers that ask for the third hundred instead of what comes behind a sequence number.
//!
//! All rows are paged by their numbers, which costs the same on every page. Of a filter's rows an index tells the
//! numbers, as long as they are not too many; of more than that there is no third page but the one behind the second.

use super::backend::Backend;
use super::query::{Filter, PageQuery};
use super::row::Row;
use crate::store::error::StoreError;

/// Which page of which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which rows.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Where the page begins.
    pub place: Place,
    /// How many rows it may have, 1 and up.
    pub limit: u32,
}

/// In which order rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they arrived.
    OldestFirst,
    /// What arrived last, first.
    NewestFirst,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The page with this number, 1 and up.
    Page(u64),
    /// Behind the row with this sequence number, in the order that is asked for.
    Behind(u64),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The page.
    Page {
        /// Its rows, in the order that was asked for.
        rows: Vec<Row>,
        /// How many rows there are on all pages. Never too few: where they are too many to be counted, it is how
        /// many there are without the filter.
        count: u64,
        /// Behind which row the next page begins, if there is one.
        next: Option<u64>,
    },
    /// There are not so many pages.
    Beyond,
    /// There may be such a page, and too many rows would have to be looked at to find it.
    TooFar,
}

/// How often a search for one page begins anew.
const ROUNDS: usize = 16;

/// Reads a page.
///
/// # Errors
/// [`StoreError`].
pub fn list(backend: &mut dyn Backend, listing: &Listing) -> Result<Listed, StoreError> {
    let head = backend.head()?;
    let base = backend.first()?.map_or(head, |first| first.saturating_sub(1));
    if listing.filter.is_all() {
        return match listing.order {
            Order::OldestFirst => forwards(backend, listing, base, head),
            Order::NewestFirst => backwards(backend, listing, base, head),
        };
    }
    let behind = match listing.place {
        Place::Behind(seq) if listing.order == Order::OldestFirst => seq,
        _ => 0,
    };
    let survey = backend.survey(&listing.filter, behind)?;
    match survey.numbers {
        Some(numbers) => few(backend, listing, &numbers),
        None => many(backend, listing, survey.count.unwrap_or(head - base), survey.first),
    }
}

/// How many rows are on the pages before this one.
fn skipped(page: u64, limit: u32) -> u64 {
    page.saturating_sub(1).saturating_mul(u64::from(limit))
}

/// All rows, by their numbers. Where some are missing, pages that are asked for by number overlap.
fn forwards(
    backend: &mut dyn Backend,
    listing: &Listing,
    base: u64,
    head: u64,
) -> Result<Listed, StoreError> {
    let after = match listing.place {
        Place::Page(page) => base.saturating_add(skipped(page, listing.limit)),
        Place::Behind(seq) => seq,
    };
    if after >= head && matches!(listing.place, Place::Page(2..)) {
        return Ok(Listed::Beyond);
    }
    let query = PageQuery { after, limit: listing.limit, filter: Filter::default() };
    let page = backend.page(&query)?;
    let last = page.rows.last().map_or(head, |row| row.seq.max(head));
    Ok(Listed::Page { rows: page.rows, count: last - base, next: page.more.then_some(page.next_after) })
}

fn backwards(
    backend: &mut dyn Backend,
    listing: &Listing,
    base: u64,
    head: u64,
) -> Result<Listed, StoreError> {
    let before = match listing.place {
        Place::Page(page) => (head + 1).saturating_sub(skipped(page, listing.limit)),
        Place::Behind(seq) => seq,
    };
    if before <= base + 1 && matches!(listing.place, Place::Page(2..)) {
        return Ok(Listed::Beyond);
    }
    let mut numbers = backend.below(before, listing.limit.saturating_add(1))?;
    let left = numbers.len() > listing.limit as usize;
    numbers.truncate(listing.limit as usize);
    let next = numbers.last().copied().filter(|_| left);
    numbers.reverse();
    let mut rows = backend.rows(&numbers)?;
    rows.reverse();
    let newest = rows.first().map_or(head, |row| row.seq.max(head));
    Ok(Listed::Page { rows, count: newest - base, next })
}

/// Rows of which all numbers are known.
fn few(backend: &mut dyn Backend, listing: &Listing, numbers: &[u64]) -> Result<Listed, StoreError> {
    let (count, limit) = (numbers.len(), listing.limit as usize);
    let skip = |page| usize::try_from(skipped(page, listing.limit)).unwrap_or(usize::MAX);
    if matches!(listing.place, Place::Page(page @ 2..) if skip(page) >= count) {
        return Ok(Listed::Beyond);
    }
    let (chosen, next) = match listing.order {
        Order::OldestFirst => {
            let begin = match listing.place {
                Place::Page(page) => skip(page).min(count),
                Place::Behind(seq) => numbers.partition_point(|number| *number <= seq),
            };
            let end = begin.saturating_add(limit).min(count);
            let chosen = numbers.get(begin..end).unwrap_or_default();
            (chosen, chosen.last().filter(|_| end < count))
        }
        Order::NewestFirst => {
            let end = match listing.place {
                Place::Page(page) => count.saturating_sub(skip(page)),
                Place::Behind(seq) => numbers.partition_point(|number| *number < seq),
            };
            let begin = end.saturating_sub(limit);
            let chosen = numbers.get(begin..end).unwrap_or_default();
            (chosen, chosen.first().filter(|_| begin > 0))
        }
    };
    let mut rows = backend.rows(chosen)?;
    if listing.order == Order::NewestFirst {
        rows.reverse();
    }
    Ok(Listed::Page { rows, count: count as u64, next: next.copied() })
}

/// Rows that are too many for their numbers to be known: from the first one, or from where the page before ended.
fn many(
    backend: &mut dyn Backend,
    listing: &Listing,
    count: u64,
    first: Option<u64>,
) -> Result<Listed, StoreError> {
    let mut after = match (listing.order, listing.place) {
        (Order::OldestFirst, Place::Page(1)) => 0,
        (Order::OldestFirst, Place::Behind(seq)) => seq,
        _ => return Ok(Listed::TooFar),
    };
    let (limit, mut first) = (listing.limit as usize, first);
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..ROUNDS {
        let from = first.map_or(after, |first| first.saturating_sub(1).max(after));
        // One more than is shown tells whether there is a next page.
        let wanted = u32::try_from(limit + 1 - rows.len()).unwrap_or(u32::MAX);
        let query = PageQuery { after: from, limit: wanted, filter: listing.filter.clone() };
        let page = backend.page(&query)?;
        rows.extend(page.rows);
        if rows.len() > limit {
            rows.truncate(limit);
            let next = rows.last().map(|row| row.seq);
            return Ok(Listed::Page { rows, count, next });
        }
        after = page.next_after;
        let survey = if page.more { Some(backend.survey(&listing.filter, after)?) } else { None };
        match survey {
            Some(survey) if survey.first.is_some() || survey.count.is_none() => first = survey.first,
            // Nothing is left.
            _ => return Ok(Listed::Page { rows, count, next: None }),
        }
    }
    match rows.last().map(|row| row.seq) {
        next @ Some(_) => Ok(Listed::Page { rows, count, next }),
        None => Ok(Listed::TooFar),
    }
}
