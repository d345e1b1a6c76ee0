//! The jobs that wait for one device: bounded, in order of priority and then of arrival.

use std::collections::VecDeque;
use std::time::Instant;

use super::job::{Priority, Ticket};

/// A bounded queue.
#[derive(Debug)]
pub struct Queue<J> {
    limit: usize,
    waiting: [VecDeque<Ticket<J>>; 3],
}

/// Places beyond the limit for urgent jobs: a door must not stay shut because many read tables.
const RESERVED: usize = 8;

impl<J> Queue<J> {
    /// An empty queue for so many jobs, and a few urgent ones more.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, waiting: [VecDeque::new(), VecDeque::new(), VecDeque::new()] }
    }

    /// Adds a job at its place, or gives it back when the queue is full.
    ///
    /// # Errors
    /// The job, untouched.
    pub fn push(&mut self, ticket: Ticket<J>) -> Result<(), Ticket<J>> {
        let reserved = if ticket.priority == Priority::Urgent { RESERVED } else { 0 };
        if self.len() >= self.limit + reserved {
            return Err(ticket);
        }
        self.line(ticket.priority).push_back(ticket);
        Ok(())
    }

    /// Puts a job back that was taken and could not be done: before all others of its priority, beyond the limit
    /// if need be.
    pub fn push_front(&mut self, ticket: Ticket<J>) {
        self.line(ticket.priority).push_front(ticket);
    }

    /// Takes the next job.
    pub fn pop(&mut self) -> Option<Ticket<J>> {
        self.waiting.iter_mut().find_map(VecDeque::pop_front)
    }

    /// Takes the first job that may run between the pieces of a long one and whose deadline has not passed.
    pub fn pop_brief(&mut self, now: Instant) -> Option<Ticket<J>> {
        self.waiting.iter_mut().find_map(|line| {
            let place = line.iter().position(|ticket| ticket.brief && !ticket.deadline.passed(now))?;
            line.remove(place)
        })
    }

    /// The priority of the next job.
    #[must_use]
    pub fn next_priority(&self) -> Option<Priority> {
        self.waiting.iter().find_map(VecDeque::front).map(|ticket| ticket.priority)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    /// The nearest deadline of all that wait.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().flatten().map(|ticket| ticket.deadline.instant()).min()
    }

    /// Since when the oldest of them has waited.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.waiting.iter().flatten().map(|ticket| ticket.since).min()
    }

    /// Takes out all whose deadline has passed.
    pub fn expired(&mut self, now: Instant) -> Vec<Ticket<J>> {
        let mut out = Vec::new();
        for line in &mut self.waiting {
            if line.iter().any(|ticket| ticket.deadline.passed(now)) {
                let (late, rest) = line.drain(..).partition(|ticket| ticket.deadline.passed(now));
                *line = rest;
                out.append(&mut VecDeque::into(late));
            }
        }
        out
    }

    /// Takes out all.
    pub fn drain(&mut self) -> Vec<Ticket<J>> {
        self.waiting.iter_mut().flat_map(|line| line.drain(..)).collect()
    }

    fn line(&mut self, priority: Priority) -> &mut VecDeque<Ticket<J>> {
        let [urgent, interactive, background] = &mut self.waiting;
        match priority {
            Priority::Urgent => urgent,
            Priority::Interactive => interactive,
            Priority::Background => background,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::deadline::Deadline;
    use crate::registry::job::Repeat;

    fn ticket(priority: Priority, job: u32, now: Instant, seconds: u64) -> Ticket<u32> {
        let deadline = Deadline::after(now, Duration::from_secs(seconds));
        Ticket { priority, deadline, repeat: Repeat::Harmless, brief: false, since: now, attempts: 0, job }
    }

    #[test]
    fn only_brief_jobs_in_time_are_taken_in_between_the_urgent_ones_first() {
        let now = Instant::now();
        let mut queue = Queue::new(10);
        for (priority, job, seconds, brief) in [
            (Priority::Interactive, 1, 9, false),
            (Priority::Interactive, 2, 1, true),
            (Priority::Interactive, 3, 9, true),
            (Priority::Urgent, 4, 9, true),
        ] {
            queue.push(Ticket { brief, ..ticket(priority, job, now, seconds) }).unwrap();
        }
        let later = now + Duration::from_secs(2);
        let order: Vec<u32> =
            std::iter::from_fn(|| queue.pop_brief(later)).map(|ticket| ticket.job).collect();
        assert_eq!(order, [4, 3]);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn priority_first_then_arrival_and_what_was_put_back_before_its_equals() {
        let now = Instant::now();
        let mut queue = Queue::new(10);
        for (priority, job) in [
            (Priority::Background, 1),
            (Priority::Interactive, 2),
            (Priority::Urgent, 3),
            (Priority::Interactive, 4),
        ] {
            queue.push(ticket(priority, job, now, 9)).unwrap();
        }
        queue.push_front(ticket(Priority::Interactive, 5, now, 9));
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(|ticket| ticket.job).collect();
        assert_eq!(order, [3, 5, 2, 4, 1]);
    }

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let now = Instant::now();
        let mut queue = Queue::new(1);
        queue.push(ticket(Priority::Interactive, 1, now, 9)).unwrap();
        assert_eq!(queue.push(ticket(Priority::Interactive, 2, now, 9)).unwrap_err().job, 2);
        // A door has a place nevertheless; too many of them have not.
        for job in 10..18 {
            queue.push(ticket(Priority::Urgent, job, now, 9)).unwrap();
        }
        assert_eq!(queue.push(ticket(Priority::Urgent, 18, now, 9)).unwrap_err().job, 18);
        assert_eq!(queue.pop().map(|ticket| ticket.job), Some(10));
    }

    #[test]
    fn who_waited_too_long_is_taken_out_and_the_rest_keeps_its_order() {
        let now = Instant::now();
        let mut queue = Queue::new(10);
        for (job, seconds) in [(1, 5), (2, 1), (3, 5), (4, 2)] {
            queue.push(ticket(Priority::Interactive, job, now, seconds)).unwrap();
        }
        assert_eq!(queue.next_deadline(), Some(now + Duration::from_secs(1)));
        let late: Vec<u32> = queue.expired(now + Duration::from_secs(2)).into_iter().map(|t| t.job).collect();
        let rest: Vec<u32> = queue.drain().into_iter().map(|ticket| ticket.job).collect();
        assert_eq!((late, rest), (vec![2, 4], vec![1, 3]));
    }
}
