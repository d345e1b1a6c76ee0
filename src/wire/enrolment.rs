//! The request that starts the enrolment of a finger, in the form of each family.

use super::bytes::{EndOfBytes, Reader};
use super::record::UserId;
use super::record::template::Validity;
use super::record::user::UserLayout;

/// Whose finger is to be enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnrolmentRequest {
    /// Whose.
    pub user_id: UserId,
    /// Which, 0 to 9.
    pub finger: u8,
    /// What it will be good for; old firmware knows valid ones only.
    pub validity: Validity,
}

impl EnrolmentRequest {
    /// The payload of `CMD_STARTENROLL` for a device with this layout; `None` for a user id that it does not
    /// have.
    #[must_use]
    pub fn emit(&self, layout: UserLayout) -> Option<Vec<u8>> {
        Some(match layout {
            UserLayout::Compact => [&self.user_id.to_number()?.to_le_bytes()[..], &[self.finger]].concat(),
            UserLayout::Full { .. } => {
                [&self.user_id.field()[..], &[self.finger, self.validity.to_byte()]].concat()
            }
        })
    }

    /// Reads the payload, as a device does.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse(payload: &[u8], layout: UserLayout) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        match layout {
            UserLayout::Compact => {
                let user_id = UserId::from_number(reader.u32()?);
                Ok(Self { user_id, finger: reader.u8()?, validity: Validity::Valid })
            }
            UserLayout::Full { .. } => {
                let user_id = UserId::from_field(&reader.array()?);
                Ok(Self { user_id, finger: reader.u8()?, validity: Validity::from_byte(reader.u8()?) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_family_has_its_form() {
        let request =
            EnrolmentRequest { user_id: UserId::from_number(1003), finger: 6, validity: Validity::Duress };
        assert_eq!(request.emit(UserLayout::Compact).unwrap(), [0xeb, 3, 0, 0, 6]);
        let full = request.emit(UserLayout::FULL).unwrap();
        assert_eq!((full.len(), &full[..5], &full[24..]), (26, &b"1003\0"[..], &[6, 3][..]));
        let named = EnrolmentRequest { user_id: UserId::new(b"A7").unwrap(), ..request };
        assert_eq!(named.emit(UserLayout::Compact), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_a_request_or_too_short(payload in proptest::collection::vec(any::<u8>(), 0..40)) {
            for (layout, length) in [(UserLayout::Compact, 5), (UserLayout::FULL, 26)] {
                let read = EnrolmentRequest::parse(&payload, layout);
                prop_assert_eq!(read.is_ok(), payload.len() >= length);
                if let Ok(request) = read {
                    let again = request.emit(layout).unwrap();
                    prop_assert_eq!(EnrolmentRequest::parse(&again, layout), Ok(request));
                }
            }
        }
    }
}
