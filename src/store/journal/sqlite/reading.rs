//! Reading rows by their numbers. A page costs what it shows: rows of a few devices or people are followed by their
//! index, a short span of time by its own, and whatever else is searched looks at a bounded number of rows.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{CachedStatement, Connection, Rows, ToSql, Transaction};

use crate::base::ids::DeviceId;
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{
    certainty, device_id, number, person, signed, source, time, user_id, user_id_text,
};
use crate::store::journal::query::{Bound, FOLLOWED, Filter, LOOK, NARROW, Page, PageQuery};
use crate::store::journal::row::{Moment, Record, Row};

pub(super) fn head(connection: &Connection) -> Result<u64, StoreError> {
    let last = connection
        .prepare_cached("select last_seq from journal_head")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    number("last_seq", last)
}

pub(super) fn first(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let first: Option<i64> = connection
        .prepare_cached("select min(seq) from punch")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    first.map(|first| number("seq", first)).transpose()
}

pub(super) fn below(transaction: &Transaction<'_>, before: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
    let mut statement = transaction
        .prepare_cached("select seq from punch where seq < ?1 order by seq desc limit ?2")
        .map_err(failed)?;
    let mut rows = statement.query((signed(before), limit)).map_err(failed)?;
    let mut numbers = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        numbers.push(number("seq", row.get(0).map_err(failed)?)?);
    }
    Ok(numbers)
}

pub(super) fn rows(transaction: &Transaction<'_>, numbers: &[u64]) -> Result<Vec<Row>, StoreError> {
    let query = PageQuery { after: 0, limit: u32::MAX, filter: Filter::default() };
    let values = Values::of(&query);
    let mut statement = transaction.prepare_cached(&values.select(ONE)).map_err(failed)?;
    let mut found = Vec::with_capacity(numbers.len());
    for seq in numbers {
        let mut rows = statement.query(&*values.with(Some(&signed(*seq)))).map_err(failed)?;
        if let Some(row) = rows.next().map_err(failed)? {
            found.push(from_sql(row)?);
        }
    }
    Ok(found)
}

pub(super) fn met_by(connection: &Connection, serial_number: &str, pass: u64) -> Result<u64, StoreError> {
    let count = connection
        .prepare_cached(
            "select count(*) from punch \
             where terminal = (select id from terminal where serial_number = ?1) and pass = ?2",
        )
        .and_then(|mut statement| statement.query_row((serial_number, signed(pass)), |row| row.get(0)))
        .map_err(failed)?;
    number("count", count)
}

pub(super) fn page(transaction: &Transaction<'_>, query: &PageQuery) -> Result<Page, StoreError> {
    let head = head(transaction)?;
    let values = Values::of(query);
    let mut picking = Picking::new(query);
    let whole = match narrow(transaction, query)? {
        Some(seqs) => {
            let sql = values.select(ONE);
            let mut statement = transaction.prepare_cached(&sql).map_err(failed)?;
            let mut whole = true;
            for seq in seqs {
                let mut rows = statement.query(&*values.with(Some(&seq))).map_err(failed)?;
                if let Some(row) = rows.next().map_err(failed)? {
                    whole = picking.look(seq, row)?;
                }
                if !whole {
                    break;
                }
            }
            whole
        }
        None => follow(transaction, &values, &mut picking)?,
    };
    let mut page = picking.page;
    if whole {
        page.next_after = page.next_after.max(head);
    }
    page.more = !whole;
    Ok(page)
}

/// Which rows a statement goes through.
pub(super) const ALL: &str = "p.seq > :after order by p.seq";
pub(super) const OF_DEVICE: &str = "p.device_id = :one and p.seq > :after order by p.seq";
pub(super) const OF_USER: &str = "p.user_id = :one and p.seq > :after order by p.seq";
pub(super) const ONE: &str = "p.seq = :one and p.seq > :after";

/// The rows of a short span of time, by their numbers; `None` when there is no span, or too much in it.
fn narrow(transaction: &Transaction<'_>, query: &PageQuery) -> Result<Option<Vec<i64>>, StoreError> {
    let Some((from, to)) = query.filter.clock_span() else { return Ok(None) };
    let mut statement = transaction
        .prepare_cached("select seq from punch indexed by punch_time where time >= ?1 and time < ?2 limit ?3")
        .map_err(failed)?;
    let mut rows = statement.query((from.0, to.0, NARROW as i64 + 1)).map_err(failed)?;
    let mut seqs = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        seqs.push(row.get::<_, i64>(0).map_err(failed)?);
    }
    if seqs.len() > NARROW {
        return Ok(None);
    }
    let after = signed(query.after);
    seqs.retain(|seq| *seq > after);
    seqs.sort_unstable();
    Ok(Some(seqs))
}

/// Merges the rows of each device or person that is followed, or goes through all rows.
fn follow(
    transaction: &Transaction<'_>,
    values: &Values<'_>,
    picking: &mut Picking<'_>,
) -> Result<bool, StoreError> {
    let filter = &picking.query.filter;
    let users: Vec<&str> = filter.users.iter().filter_map(|user| user_id_text(Some(user))).collect();
    let devices: Vec<&str> = filter.devices.iter().map(DeviceId::as_str).collect();
    let few = |texts: &[&str]| (1..=FOLLOWED).contains(&texts.len());
    let (sql, each) = if few(&users) {
        (values.select(OF_USER), users)
    } else if few(&devices) {
        (values.select(OF_DEVICE), devices)
    } else {
        (values.select(ALL), Vec::new())
    };
    let mut each: Vec<Option<&dyn ToSql>> = each.iter().map(|one| Some(one as &dyn ToSql)).collect();
    if each.is_empty() {
        each.push(None);
    }
    let prepare = |_: &Option<_>| transaction.prepare_cached(&sql);
    let mut statements: Vec<CachedStatement<'_>> =
        each.iter().map(prepare).collect::<Result<_, _>>().map_err(failed)?;
    let mut lanes = Vec::with_capacity(each.len());
    for (statement, one) in statements.iter_mut().zip(each) {
        lanes.push(Lane::begin(statement.query(&*values.with(one)).map_err(failed)?)?);
    }
    while let Some(next) = lanes.iter_mut().filter(|lane| lane.seq.is_some()).min_by_key(|lane| lane.seq) {
        let (Some(seq), Some(row)) = (next.seq, next.rows.get()) else { break };
        if !picking.look(seq, row)? {
            return Ok(false);
        }
        next.advance()?;
    }
    Ok(true)
}

/// Rows in the order of their numbers, and the number of the one that is next.
struct Lane<'s> {
    rows: Rows<'s>,
    seq: Option<i64>,
}

impl<'s> Lane<'s> {
    fn begin(rows: Rows<'s>) -> Result<Self, StoreError> {
        let mut lane = Self { rows, seq: None };
        lane.advance()?;
        Ok(lane)
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        self.rows.advance().map_err(failed)?;
        self.seq = self.rows.get().map(|row| row.get(0)).transpose().map_err(failed)?;
        Ok(())
    }
}

/// A page on its way.
struct Picking<'q> {
    query: &'q PageQuery,
    page: Page,
    looked: usize,
    last: Option<i64>,
}

impl<'q> Picking<'q> {
    fn new(query: &'q PageQuery) -> Self {
        let page = Page { rows: Vec::new(), next_after: query.after, more: false };
        Self { query, page, looked: 0, last: None }
    }

    /// Looks at the next row; `false` when the page is full, or enough was looked at, without this one.
    fn look(&mut self, seq: i64, row: &rusqlite::Row<'_>) -> Result<bool, StoreError> {
        if self.page.rows.len() >= self.query.limit as usize || self.looked >= LOOK {
            return Ok(false);
        }
        // Somebody may be asked for twice.
        if self.last != Some(seq) {
            self.last = Some(seq);
            self.looked += 1;
            self.page.next_after = number("seq", seq)?;
            if row.get::<_, Option<bool>>(1).map_err(failed)? == Some(true) {
                self.page.rows.push(from_sql(row)?);
            }
        }
        Ok(true)
    }
}

/// The terminals with the serial numbers that are chosen.
pub(super) const TERMINALS: &str =
    "(select id from terminal where serial_number in (select value from json_each(:terminals)))";

/// What is compared with the rows' values.
pub(super) struct Values<'q> {
    filter: &'q Filter,
    after: i64,
    devices: String,
    users: String,
    serial_numbers: String,
    from: Option<i64>,
    to: Option<i64>,
}

impl<'q> Values<'q> {
    fn of(query: &'q PageQuery) -> Self {
        Self::new(&query.filter, query.after)
    }

    pub(super) fn new(filter: &'q Filter, after: u64) -> Self {
        let texts = |texts: Vec<&str>| serde_json::Value::from(texts).to_string();
        let bound = |bound: Option<Bound>| {
            bound.map(|bound| match bound {
                Bound::Instant(instant) => instant,
                Bound::Civil(time) => i64::from(time.0),
            })
        };
        Self {
            filter,
            after: signed(after),
            devices: texts(filter.devices.iter().map(DeviceId::as_str).collect()),
            users: texts(filter.users.iter().filter_map(|user| user_id_text(Some(user))).collect()),
            serial_numbers: texts(filter.serial_numbers.iter().map(String::as_str).collect()),
            from: bound(filter.from),
            to: bound(filter.to),
        }
    }

    /// A statement for rows, each with whether the filter takes it. It uses `:after`, and perhaps `:one`.
    fn select(&self, rows: &str) -> String {
        let taken = self.taken();
        format!(
            "select p.seq, {taken}, p.device_id, t.serial_number, p.person, p.user_id, p.time, p.instant, \
             p.certainty, p.punch_state, p.verify_mode, p.work_code, p.ordinal, p.source, p.received_at \
             from punch p cross join terminal t on t.id = p.terminal where {rows}"
        )
    }

    /// Whether the filter takes a row.
    pub(super) fn taken(&self) -> String {
        let Filter { devices, users, serial_numbers, from, to } = self.filter;
        let mut taken = String::from("1");
        if !devices.is_empty() {
            taken.push_str(" and p.device_id in (select value from json_each(:devices))");
        }
        if !users.is_empty() {
            taken.push_str(" and p.user_id in (select value from json_each(:users))");
        }
        if !serial_numbers.is_empty() {
            taken.push_str(" and p.terminal in ");
            taken.push_str(TERMINALS);
        }
        for (bound, instant, civil) in [
            (from, " and p.instant >= :from", " and p.time >= :from"),
            (to, " and p.instant < :to", " and p.time < :to"),
        ] {
            taken.push_str(match bound {
                Some(Bound::Instant(_)) => instant,
                Some(Bound::Civil(_)) => civil,
                None => "",
            });
        }
        taken
    }

    /// The parameters of such a statement.
    pub(super) fn with<'v>(&'v self, one: Option<&'v dyn ToSql>) -> Vec<(&'static str, &'v dyn ToSql)> {
        let Filter { devices, users, serial_numbers, .. } = self.filter;
        let all: [(bool, &'static str, &dyn ToSql); 6] = [
            (true, ":after", &self.after),
            (!devices.is_empty(), ":devices", &self.devices),
            (!users.is_empty(), ":users", &self.users),
            (!serial_numbers.is_empty(), ":terminals", &self.serial_numbers),
            (self.from.is_some(), ":from", &self.from),
            (self.to.is_some(), ":to", &self.to),
        ];
        let others = all.into_iter().filter(|(there, ..)| *there).map(|(_, name, value)| (name, value));
        one.map(|one| (":one", one)).into_iter().chain(others).collect()
    }
}

#[cfg(test)]
pub(super) fn select_all(query: &PageQuery, rows: &str) -> String {
    Values::of(query).select(rows)
}

fn from_sql(row: &rusqlite::Row<'_>) -> Result<Row, StoreError> {
    let column = |index: usize| row.get::<_, i64>(index).map_err(failed);
    let perhaps = |index: usize| row.get::<_, Option<i64>>(index).map_err(failed);
    let text =
        |index: usize| row.get_ref(index).and_then(|value| Ok(value.as_str_or_null()?)).map_err(failed);
    let user = text(5)?.map(user_id).transpose()?;
    Ok(Row {
        seq: number("seq", column(0)?)?,
        device_id: device_id(text(2)?.unwrap_or_default())?,
        serial_number: text(3)?.unwrap_or_default().to_owned(),
        record: Record {
            person: person(text(4)?.unwrap_or_default())?,
            user_id: user,
            time: time(column(6)?)?,
            moment: Moment { instant: perhaps(7)?, certainty: certainty(column(8)?)? },
            punch_state: number("punch_state", column(9)?)?,
            verify_mode: number("verify_mode", column(10)?)?,
            work_code: perhaps(11)?.map(|code| number("work_code", code)).transpose()?,
        },
        ordinal: number("ordinal", column(12)?)?,
        source: source(column(13)?)?,
        received_at: column(14)?,
    })
}
