//! Pages as that server has them: numbered, with how many rows there are, and whole addresses of the next and the
//! previous one.

use serde::Serialize;

use super::given;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::http::response::Answer;

/// Rows on a page when nothing is said.
const SIZE: u32 = 10;
/// The most rows on a page; whoever asks for more gets so many.
const LARGEST: u32 = 5000;
/// Where a page begins, in the addresses that are given out: behind the row with this number. A page that is reached
/// so holds no row of the one before, whatever has come or gone since.
const BEHIND: &str = "after_id";

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its number, 1 and up.
    pub(super) page: u64,
    /// How many rows it may have.
    pub(super) size: u32,
    /// Behind which row it begins, where that is said.
    pub(super) behind: Option<u64>,
    /// The address without page.
    address: String,
    query: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Envelope<'p, T> {
    count: u64,
    next: Option<&'p str>,
    previous: Option<&'p str>,
    msg: &'p str,
    code: u8,
    data: &'p [T],
}

impl Asked {
    /// Reads `page`, `page_size` (or `limit`) and the place of the page.
    pub(super) fn of(call: &Call, path: &str) -> Result<Self, Problem> {
        let given = |name| given(call, name);
        let page = given("page").map_or(Some(1), |text| text.parse().ok().filter(|page| *page > 0));
        let behind = given(BEHIND).map(|text| text.parse().ok().filter(|seq| *seq <= i64::MAX as u64));
        let (Some(page), None | Some(Some(_))) = (page, behind) else { return Err(no_page()) };
        // A size that is none is taken for none, as that server does.
        let size = |name| given(name).and_then(|text| text.parse::<u64>().ok()).filter(|size| *size > 0);
        let size = size("page_size").or_else(|| size("limit")).unwrap_or(SIZE.into());
        Ok(Self {
            page,
            size: u32::try_from(size).unwrap_or(LARGEST).min(LARGEST),
            behind: behind.flatten(),
            address: address(call, path),
            query: call
                .parameters()
                .filter(|(name, _)| ![BEHIND, "page"].contains(name))
                .map(owned)
                .collect(),
        })
    }

    /// A page that goes on behind the row with this number, if there is a next one.
    pub(super) fn answer<T: Serialize>(&self, count: u64, next: Option<Next>, data: &[T]) -> Answer {
        let next = next.map(|next| match next {
            Next::Behind(seq) => self.link(self.page.saturating_add(1), Some(seq)),
            Next::Page => self.link(self.page.saturating_add(1), None),
        });
        let previous = (self.page > 1).then(|| self.link(self.page - 1, None));
        let (next, previous) = (next.as_deref(), previous.as_deref());
        as_json(200, &Envelope { count, next, previous, msg: "", code: 0, data })
    }

    fn link(&self, page: u64, behind: Option<u64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query).append_pair("page", &page.to_string());
        if let Some(seq) = behind {
            query.append_pair(BEHIND, &seq.to_string());
        }
        format!("{}?{}", self.address, query.finish())
    }
}

/// Where the next page begins.
pub(super) enum Next {
    /// Behind this row.
    Behind(u64),
    /// Where its number says.
    Page,
}

/// There is no such page.
pub(super) fn no_page() -> Problem {
    Problem::new(404, "not_found", "Invalid page.")
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The path with the name by which the client reached us. It can only mislead the client that sent it.
fn address(call: &Call, path: &str) -> String {
    let headers = call.headers();
    let Some(host) = headers.host.as_deref().filter(|host| is_host(host)) else { return path.to_owned() };
    let nearest = headers.forwarded_proto.as_deref().and_then(|list| list.split(',').next());
    let secure = nearest.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
    let scheme = if secure { "https" } else { "http" };
    format!("{scheme}://{host}{path}")
}

fn is_host(host: &str) -> bool {
    (1..=255).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_was_asked_for_and_names_the_page() {
        let query = vec![("emp_code".to_owned(), "7 &".to_owned()), ("page_size".to_owned(), "2".to_owned())];
        let asked = Asked { page: 3, size: 2, behind: None, address: "http://x/a/".into(), query };
        assert_eq!(asked.link(4, Some(17)), "http://x/a/?emp_code=7+%26&page_size=2&page=4&after_id=17");
        assert_eq!(asked.link(2, None), "http://x/a/?emp_code=7+%26&page_size=2&page=2");
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for good in ["zkgate.example", "10.0.0.5:8437", "[::1]:80"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "a@b", "a\"b", "a?b"] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
