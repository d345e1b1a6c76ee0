//! The sensor: whether it verifies people, and the enrolment of a finger.

use std::time::{Duration, Instant};

use super::{DeviceModel, Exchange};
use crate::simulator::outgoing::Outgoing;
use crate::simulator::tables::Template;
use crate::wire::command::Command;
use crate::wire::enrolment::EnrolmentRequest;
use crate::wire::event::{ENROLL_FINGER, FINGER, SCORE};
use crate::wire::record::UserId;

/// What the sensor is doing.
#[derive(Debug, Default)]
pub(super) enum Capture {
    /// It verifies whoever comes.
    #[default]
    Verifying,
    /// Nothing.
    Idle,
    /// It takes samples of a finger.
    Enrolling(Enrolling),
}

/// Whose finger, and how far it has got.
#[derive(Debug)]
pub(super) struct Enrolling {
    uid: u16,
    user_id: UserId,
    finger: u8,
    flag: u8,
    good: u8,
}

/// Good samples that make a template.
const SAMPLES: u8 = 3;
/// How long a sample is judged for.
const JUDGING: Duration = Duration::from_millis(40);
/// The score of a good sample.
const GOOD: u8 = 100;

impl Capture {
    pub(super) fn is_verifying(&self) -> bool {
        matches!(self, Self::Verifying)
    }

    /// The answer to `CMD_STATE_RRQ`.
    pub(super) fn state(&self) -> u16 {
        u16::from(matches!(self, Self::Enrolling(_)))
    }
}

impl DeviceModel {
    pub(super) fn capture(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let done = match ex.request {
            Command::STARTENROLL => self.begin_enrolment(payload),
            Command::CANCELCAPTURE => {
                self.capture = Capture::Idle;
                true
            }
            // While a finger is enrolled it goes on with that.
            _ => {
                if matches!(self.capture, Capture::Idle) {
                    self.capture = Capture::Verifying;
                }
                true
            }
        };
        ex.done(done, out);
    }

    /// Refused for strangers, and for a finger that is there already.
    fn begin_enrolment(&mut self, payload: &[u8]) -> bool {
        let Ok(request) = EnrolmentRequest::parse(payload, self.traits.users) else { return false };
        let EnrolmentRequest { user_id, finger, validity } = request;
        let known = self.users.rows().iter().find(|user| user.user_id == user_id).map(|user| user.uid);
        let Some(uid) = known.filter(|_| finger <= 9) else { return false };
        if self.templates.rows().iter().any(|template| template.uid == uid && template.finger == finger) {
            return false;
        }
        let flag = validity.to_byte();
        self.capture = Capture::Enrolling(Enrolling { uid, user_id, finger, flag, good: 0 });
        true
    }

    /// A finger is placed on the sensor; `false` when none is being enrolled.
    pub(crate) fn place_finger(&mut self, score: u8, now: Instant) -> bool {
        let Capture::Enrolling(enrolling) = &mut self.capture else { return false };
        enrolling.good += u8::from(score == GOOD);
        let whole = enrolling.good >= SAMPLES;
        if self.traits.finger_events {
            self.tell(FINGER, &[], Duration::ZERO, now);
        }
        self.tell(SCORE, &[score], JUDGING, now);
        if whole && let Capture::Enrolling(enrolling) = std::mem::take(&mut self.capture) {
            self.finish_enrolment(&enrolling, now);
        }
        true
    }

    /// The enrolment comes to nothing, for the reason of this number; `false` when there is none.
    pub(crate) fn fail_enrolment(&mut self, result: u16, now: Instant) -> bool {
        let enrolling = matches!(self.capture, Capture::Enrolling(_));
        if enrolling {
            self.capture = Capture::Verifying;
            self.tell(ENROLL_FINGER, &result.to_le_bytes(), Duration::ZERO, now);
        }
        enrolling
    }

    fn finish_enrolment(&mut self, done: &Enrolling, now: Instant) {
        let mut rng = fastrand::Rng::with_seed(u64::from(done.uid) << 8 | u64::from(done.finger));
        let mut bytes = b"\x4d\xfdSS21".to_vec();
        bytes.extend(std::iter::repeat_with(|| rng.u8(1..)).take(600));
        let size = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let template = Template { uid: done.uid, finger: done.finger, flag: done.flag, bytes };
        self.put_template(template);
        let mut payload = vec![0, 0];
        payload.extend_from_slice(&size.to_le_bytes());
        payload.extend(done.user_id.field().iter().take(9));
        payload.push(done.finger);
        self.tell(ENROLL_FINGER, &payload, JUDGING * 2, now);
    }
}
