//! Reading rows by their numbers. A page costs what it shows: rows of a few devices or people are followed by their
//! index, a short span of time by its own, and whatever else is searched looks at a bounded number of rows.

use postgres::types::ToSql;
use postgres::{GenericClient, Transaction};

use crate::base::ids::DeviceId;
use crate::store::error::StoreError;
use crate::store::journal::columns::{
    certainty, device_id, number, person, signed, source, time, user_id, user_id_text,
};
use crate::store::journal::query::{Bound, FOLLOWED, Filter, LOOK, NARROW, Page, PageQuery};
use crate::store::journal::row::{Moment, Record, Row};
use crate::store::postgres::failed;

pub(super) fn head(client: &mut impl GenericClient) -> Result<u64, StoreError> {
    let last = client
        .query_one("select last_seq from zkgate.journal_head", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    number("last_seq", last)
}

pub(super) fn first(transaction: &mut Transaction<'_>) -> Result<Option<u64>, StoreError> {
    let first: Option<i64> = transaction
        .query_one("select min(seq) from zkgate.punch", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    first.map(|first| number("seq", first)).transpose()
}

pub(super) fn below(
    transaction: &mut Transaction<'_>,
    before: u64,
    limit: u32,
) -> Result<Vec<u64>, StoreError> {
    let (before, limit) = (signed(before), i64::from(limit));
    let rows = transaction
        .query("select seq from zkgate.punch where seq < $1 order by seq desc limit $2", &[&before, &limit])
        .map_err(failed)?;
    rows.iter().map(|row| number("seq", row.try_get(0).map_err(failed)?)).collect()
}

pub(super) fn rows_of(transaction: &mut Transaction<'_>, numbers: &[u64]) -> Result<Vec<Row>, StoreError> {
    let query = PageQuery { after: 0, limit: u32::MAX, filter: Filter::default() };
    let seqs = numbers.iter().map(|seq| signed(*seq)).collect();
    Ok(Search::of(&query).rows(transaction, &Way::These(seqs), i64::MAX, query.limit)?.rows)
}

pub(super) fn met_by(
    client: &mut impl GenericClient,
    serial_number: &str,
    pass: u64,
) -> Result<u64, StoreError> {
    let count = client
        .query_one(
            "select count(*) from zkgate.punch \
             where terminal = (select id from zkgate.terminal where serial_number = $1) and pass = $2",
            &[&serial_number, &signed(pass)],
        )
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    number("count", count)
}

pub(super) fn page(transaction: &mut Transaction<'_>, query: &PageQuery) -> Result<Page, StoreError> {
    let head = head(transaction)?;
    let search = Search::of(query);
    let found = match search.narrow(transaction)? {
        Some(seqs) => search.rows(transaction, &Way::These(seqs), i64::MAX, query.limit)?,
        None => {
            let way = search.way();
            let end = search.end(transaction, &way)?;
            let mut found = search.rows(transaction, &way, end.unwrap_or(i64::MAX), query.limit)?;
            if let (None, Some(end)) = (found.cut, end) {
                found.cut = Some(number("seq", end)?);
            }
            found
        }
    };
    let next_after = found.cut.unwrap_or(head).max(query.after);
    Ok(Page { rows: found.rows, next_after, more: found.cut.is_some() })
}

/// Rows, and where the search stopped if it is not over.
struct Found {
    rows: Vec<Row>,
    cut: Option<u64>,
}

/// What a search goes through.
enum Way<'q> {
    /// The rows of each of these devices.
    Devices(Vec<&'q str>),
    /// The rows of each of these people.
    Users(Vec<&'q str>),
    /// These rows.
    These(Vec<i64>),
    /// All rows.
    All,
}

/// The values that rows are compared with, in a form that a statement takes.
pub(super) struct Search<'q> {
    filter: &'q Filter,
    after: i64,
    pub(super) devices: Vec<&'q str>,
    pub(super) users: Vec<&'q str>,
    pub(super) serial_numbers: Vec<&'q str>,
    from: i64,
    to: i64,
}

/// Parameters and their places.
#[derive(Default)]
pub(super) struct Parameters<'p>(pub(super) Vec<&'p (dyn ToSql + Sync)>);

impl<'p> Parameters<'p> {
    pub(super) fn add(&mut self, value: &'p (dyn ToSql + Sync)) -> String {
        self.0.push(value);
        format!("${}", self.0.len())
    }
}

impl<'q> Search<'q> {
    fn of(query: &'q PageQuery) -> Self {
        Self::new(&query.filter, query.after)
    }

    pub(super) fn new(filter: &'q Filter, after: u64) -> Self {
        let distinct = |mut texts: Vec<&'q str>| {
            texts.sort_unstable();
            texts.dedup();
            texts
        };
        let bound = |bound: Option<Bound>| match bound {
            Some(Bound::Instant(instant)) => instant,
            Some(Bound::Civil(time)) => time.0.into(),
            None => 0,
        };
        Self {
            filter,
            after: signed(after),
            devices: distinct(filter.devices.iter().map(DeviceId::as_str).collect()),
            users: distinct(filter.users.iter().filter_map(|user| user_id_text(Some(user))).collect()),
            serial_numbers: distinct(filter.serial_numbers.iter().map(String::as_str).collect()),
            from: bound(filter.from),
            to: bound(filter.to),
        }
    }

    /// The rows of a short span of time, by their numbers; `None` when there is no span, or too much in it.
    fn narrow(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<i64>>, StoreError> {
        let Some((from, to)) = self.filter.clock_span() else { return Ok(None) };
        let (from, to, most) = (i64::from(from.0), i64::from(to.0), NARROW as i64 + 1);
        let seqs: Option<Vec<i64>> = transaction
            .query_one(
                "select array_agg(seq) from (select seq from zkgate.punch where time >= $1 and time < $2 \
                 order by time limit $3) s",
                &[&from, &to, &most],
            )
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        let mut seqs = seqs.unwrap_or_default();
        if seqs.len() > NARROW {
            return Ok(None);
        }
        seqs.retain(|seq| *seq > self.after);
        Ok(Some(seqs))
    }

    fn way(&self) -> Way<'q> {
        let few = |texts: &[&str]| (1..=FOLLOWED).contains(&texts.len());
        if few(&self.users) {
            Way::Users(self.users.clone())
        } else if few(&self.devices) {
            Way::Devices(self.devices.clone())
        } else {
            Way::All
        }
    }

    /// Up to which row a search along this way looks at once; `None` when that is to the end, or as far as a page
    /// goes because all that it meets is taken.
    fn end(&self, transaction: &mut Transaction<'_>, way: &Way<'_>) -> Result<Option<i64>, StoreError> {
        if self.conditions(way, &mut Parameters::default()).is_empty() {
            return Ok(None);
        }
        let mut values = Parameters::default();
        let (column, each) = match way {
            Way::Devices(each) => ("device_id", each),
            Way::Users(each) => ("user_id", each),
            Way::These(_) => return Ok(None),
            Way::All => ("", &Vec::new()),
        };
        let look = (LOOK / each.len().max(1)) as i64;
        let (after, limit) = (values.add(&self.after), values.add(&look));
        let (lanes, own) = if each.is_empty() {
            (String::new(), String::new())
        } else {
            let each = values.add(each);
            (
                format!("unnest({each}::text[]) as lane (one) cross join lateral"),
                format!("{column} = one and"),
            )
        };
        transaction
            .query_one(
                &format!(
                    "select min(last) from {lanes} (select max(seq) as last, count(*) as looked from \
                     (select seq from zkgate.punch where {own} seq > {after} order by seq limit {limit}) s) s \
                     where looked >= {limit}"
                ),
                &values.0,
            )
            .and_then(|row| row.try_get(0))
            .map_err(failed)
    }

    /// The rows along a way that the filter takes, up to this one, at most so many.
    fn rows(
        &self,
        transaction: &mut Transaction<'_>,
        way: &Way<'_>,
        end: i64,
        limit: u32,
    ) -> Result<Found, StoreError> {
        let mut values = Parameters::default();
        let most = i64::from(limit) + 1;
        let (after, last) = (values.add(&self.after), values.add(&end));
        let conditions = self.conditions(way, &mut values);
        let (lanes, own) = match way {
            Way::Devices(each) => (Some(values.add(each)), "p.device_id = one and".to_owned()),
            Way::Users(each) => (Some(values.add(each)), "p.user_id = one and".to_owned()),
            Way::These(seqs) => (None, format!("p.seq = any({}::bigint[]) and", values.add(seqs))),
            Way::All => (None, String::new()),
        };
        let lanes = lanes.map(|each| format!("unnest({each}::text[]) as lane (one) cross join lateral"));
        let limit = values.add(&most);
        let found = transaction
            .query(
                &format!(
                    "select p.seq, p.device_id, t.serial_number, p.person, p.user_id, p.time, p.instant, \
                     p.certainty, p.punch_state, p.verify_mode, p.work_code, p.ordinal, p.source, p.received_at \
                     from {} (select p.* from zkgate.punch p \
                     where {own} p.seq > {after} and p.seq <= {last} {conditions} \
                     order by p.seq limit {limit}) p \
                     join zkgate.terminal t on t.id = p.terminal order by p.seq limit {limit}",
                    lanes.unwrap_or_default()
                ),
                &values.0,
            )
            .map_err(failed)?;
        let mut rows = found.iter().map(from_sql).collect::<Result<Vec<_>, _>>()?;
        let full = rows.len() as i64 == most;
        if full {
            rows.pop();
        }
        let cut = if full { Some(rows.last().map_or(0, |row| row.seq)) } else { None };
        Ok(Found { rows, cut })
    }

    /// All of the filter.
    pub(super) fn taken<'p>(&'p self, values: &mut Parameters<'p>) -> String {
        self.conditions(&Way::All, values)
    }

    /// What of the filter is left to compare along this way; empty when nothing is.
    fn conditions<'p>(&'p self, way: &Way<'_>, values: &mut Parameters<'p>) -> String {
        let mut text = String::new();
        if !self.filter.devices.is_empty() && !matches!(way, Way::Devices(_)) {
            text += &format!(" and p.device_id = any({}::text[])", values.add(&self.devices));
        }
        if !self.filter.users.is_empty() && !matches!(way, Way::Users(_)) {
            text += &format!(" and p.user_id = any({}::text[])", values.add(&self.users));
        }
        if !self.serial_numbers.is_empty() {
            text += &format!(" and p.terminal in {}", self.terminals(values));
        }
        for (bound, value, sign) in [(self.filter.from, &self.from, ">="), (self.filter.to, &self.to, "<")] {
            let column = match bound {
                Some(Bound::Instant(_)) => "instant",
                Some(Bound::Civil(_)) => "time",
                None => continue,
            };
            text += &format!(" and p.{column} {sign} {}", values.add(value));
        }
        text
    }
}

impl Search<'_> {
    /// The terminals with the serial numbers that are chosen.
    pub(super) fn terminals<'p>(&'p self, values: &mut Parameters<'p>) -> String {
        let chosen = values.add(&self.serial_numbers);
        format!("(select id from zkgate.terminal where serial_number = any({chosen}::text[]))")
    }
}

fn from_sql(row: &postgres::Row) -> Result<Row, StoreError> {
    let column = |index: usize| row.try_get::<_, i64>(index).map_err(failed);
    let small = |index: usize| row.try_get::<_, i16>(index).map(i64::from).map_err(failed);
    let text = |index: usize| row.try_get::<_, &str>(index).map_err(failed);
    let user: Option<&str> = row.try_get(4).map_err(failed)?;
    let work_code: Option<i64> = row.try_get(10).map_err(failed)?;
    Ok(Row {
        seq: number("seq", column(0)?)?,
        device_id: device_id(text(1)?)?,
        serial_number: text(2)?.to_owned(),
        record: Record {
            person: person(text(3)?)?,
            user_id: user.map(user_id).transpose()?,
            time: time(column(5)?)?,
            moment: Moment { instant: row.try_get(6).map_err(failed)?, certainty: certainty(small(7)?)? },
            punch_state: number("punch_state", small(8)?)?,
            verify_mode: number("verify_mode", small(9)?)?,
            work_code: work_code.map(|code| number("work_code", code)).transpose()?,
        },
        ordinal: number("ordinal", column(11)?)?,
        source: source(small(12)?)?,
        received_at: column(13)?,
    })
}
