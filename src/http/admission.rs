//! Whether whoever was let in still would be. A token may be revoked, or its time be over, while something that it asked
//! for goes on: a stream, a wait for news, a large answer. Each asks again before it hands out more.

use std::io::{self, Read};
use std::sync::Arc;

use super::problem::Problem;
use super::response::Body;

/// The question, for as long as the request lasts.
#[derive(Clone)]
pub struct Admission(Arc<dyn Fn() -> bool + Send + Sync>);

impl Admission {
    /// It lasts as long as this says so.
    pub(super) fn while_so(lasts: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(lasts))
    }

    /// Whether more may be handed out.
    #[must_use]
    pub fn lasts(&self) -> bool {
        (self.0)()
    }

    /// The body, cut where it does not last.
    pub(super) fn bounds(&self, body: Body) -> Body {
        match body {
            Body::Stream(body) => Body::Stream(Box::new(Bounded { admission: self.clone(), body })),
            whole => whole,
        }
    }
}

/// What is answered where it does not last.
pub(super) fn over() -> Problem {
    Problem::new(401, "unauthorized", "The token was revoked, or its time is over, before this was answered.")
}

struct Bounded {
    admission: Admission,
    body: Box<dyn Read + Send>,
}

impl Read for Bounded {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.admission.lasts() {
            self.body.read(room)
        } else {
            Err(io::Error::other("the token does not count any more"))
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_large_answer_is_cut_where_the_token_ends() {
        let counts = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&counts);
        let admission = Admission::while_so(move || asked.load(Ordering::Relaxed));
        let Body::Stream(mut body) = admission.bounds(Body::Stream(Box::new(io::repeat(7)))) else {
            panic!("a stream")
        };
        let mut room = [0; 16];
        assert_eq!(body.read(&mut room).unwrap(), 16);
        counts.store(false, Ordering::Relaxed);
        assert!(body.read(&mut room).is_err(), "and no end that would pass for the whole");
    }
}
