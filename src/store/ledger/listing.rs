//! Lists of operations: the newest first, in pages that stay small whatever came of what is in them.

use rusqlite::params;

use super::Book;
use super::operations::{COLUMNS, Operation, State, read};
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// Which operations are wanted.
#[derive(Clone, Debug, Default)]
pub struct OperationQuery {
    /// Those with smaller numbers, newest first; 0 for the newest.
    pub before: u64,
    /// At most so many.
    pub limit: u32,
    /// Only those of this device.
    pub device_id: Option<String>,
    /// Only those in this state.
    pub state: Option<State>,
}

/// After so many bytes a list ends, and what is left is on its next page.
const PAGE: usize = 1024 * 1024;
/// What came of it, if it is small.
const SMALL_RESULT: &str = "result";

impl Book {
    /// The operations that are wanted, newest first and without large results, and whether there are more.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn operations(&mut self, query: &OperationQuery) -> Result<(Vec<Operation>, bool), StoreError> {
        let mut statement = self.connection.prepare_cached(&question(query)).map_err(failed)?;
        let before = if query.before == 0 { i64::MAX as u64 } else { query.before };
        let wanted =
            params![before, query.device_id, query.state.map(State::name), query.limit.saturating_add(1)];
        let (mut page, mut bytes) = (Vec::new(), 0);
        for row in statement.query_map(wanted, read).map_err(failed)? {
            if page.len() == query.limit as usize || bytes > PAGE {
                return Ok((page, true));
            }
            let row = row.map_err(failed)?;
            bytes += weight(&row);
            page.push(row);
        }
        Ok((page, false))
    }
}

/// The question for a page. It goes by an index, so that nobody waits while a million rows are looked through: where
/// there are two, by that of the state, which is that of few, unless everything is done.
pub(super) fn question(query: &OperationQuery) -> String {
    let device = match (&query.device_id, query.state) {
        (None, _) => "",
        (Some(_), None | Some(State::Done)) => "and device_id = ?2",
        (Some(_), Some(_)) => "and +device_id = ?2",
    };
    let state = match (query.state, &query.device_id) {
        (None, _) => "",
        (Some(State::Done), Some(_)) => "and +state = ?3",
        (Some(_), _) => "and state = ?3",
    };
    format!(
        "select {COLUMNS}, {SMALL_RESULT} from operation where id < ?1 {device} {state} order by id desc limit ?4"
    )
}

/// About how many bytes an operation is in a list.
fn weight(operation: &Operation) -> usize {
    let Operation { kind, device_id, subject, token, result, problem, .. } = operation;
    let texts = [device_id, subject, result, problem].into_iter().flatten().chain([kind, token]);
    256 + texts.map(String::len).sum::<usize>()
}
