//! What is sealed in a backup: the people's records as the device keeps them, byte for byte, and their fingerprints.

use crate::base::secret::Secret;

/// The content of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes of one person's record.
    pub stride: u16,
    /// The records, one after the other. There are passwords in them.
    pub records: Secret<Vec<u8>>,
    /// Fingerprint templates.
    pub prints: Vec<Print>,
    /// What the device was set to: a number for the kind of each, and its bytes.
    pub settings: Vec<(u8, Vec<u8>)>,
}

/// One finger of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    /// The index that the person has in the records.
    pub uid: u16,
    /// Which finger, 0 to 9.
    pub finger: u8,
    /// The byte that says what it is good for.
    pub validity: u8,
    /// The template.
    pub bytes: Secret<Vec<u8>>,
}

/// Something that is no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content of the backup breaks off or makes no sense")]
pub struct ContentError;

impl Content {
    /// The content as bytes: stride, number of records, records, number of templates; and of each template its index,
    /// finger, validity, length and bytes; then the number of settings, and of each its kind, length and bytes. Numbers
    /// are little-endian.
    #[must_use]
    pub fn emit(&self) -> Secret<Vec<u8>> {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let mut out = self.stride.to_le_bytes().to_vec();
        out.extend(count(self.records.expose().len()));
        out.extend_from_slice(self.records.expose());
        out.extend(count(self.prints.len()));
        for Print { uid, finger, validity, bytes } in &self.prints {
            out.extend(uid.to_le_bytes());
            out.extend([*finger, *validity]);
            out.extend(count(bytes.expose().len()));
            out.extend_from_slice(bytes.expose());
        }
        out.extend(count(self.settings.len()));
        for (kind, bytes) in &self.settings {
            out.push(*kind);
            out.extend(count(bytes.len()));
            out.extend_from_slice(bytes);
        }
        Secret::new(out)
    }

    /// Reads what [`Content::emit`] wrote.
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentError> {
        let (stride, rest) = number::<2>(bytes)?;
        let stride = u16::try_from(stride).map_err(|_| ContentError)?;
        let (records, mut rest) = piece(rest)?;
        if stride == 0 || records.len() % usize::from(stride) != 0 {
            return Err(ContentError);
        }
        let (count, after) = number::<4>(rest)?;
        rest = after;
        let mut prints = Vec::new();
        for _ in 0..count {
            let (uid, after) = number::<2>(rest)?;
            let ([finger, validity], after) = after.split_first_chunk::<2>().ok_or(ContentError)?;
            let (bytes, after) = piece(after)?;
            let uid = u16::try_from(uid).map_err(|_| ContentError)?;
            let bytes = Secret::new(bytes.to_vec());
            prints.push(Print { uid, finger: *finger, validity: *validity, bytes });
            rest = after;
        }
        let (count, after) = number::<4>(rest)?;
        rest = after;
        let mut settings = Vec::new();
        for _ in 0..count {
            let (kind, after) = rest.split_first().ok_or(ContentError)?;
            let (bytes, after) = piece(after)?;
            settings.push((*kind, bytes.to_vec()));
            rest = after;
        }
        let records = Secret::new(records.to_vec());
        rest.is_empty().then_some(Self { stride, records, prints, settings }).ok_or(ContentError)
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Result<(u32, &[u8]), ContentError> {
    let (digits, rest) = bytes.split_first_chunk::<N>().ok_or(ContentError)?;
    Ok((digits.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte)), rest))
}

/// Bytes with their number before them.
fn piece(bytes: &[u8]) -> Result<(&[u8], &[u8]), ContentError> {
    let (length, rest) = number::<4>(bytes)?;
    rest.split_at_checked(usize::try_from(length).map_err(|_| ContentError)?).ok_or(ContentError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = Content> {
        let print =
            (any::<u16>(), 0u8..10, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..200)).prop_map(
                |(uid, finger, validity, bytes)| Print { uid, finger, validity, bytes: Secret::new(bytes) },
            );
        let records = (1u16..90, 0usize..20).prop_flat_map(|(stride, count)| {
            let length = usize::from(stride) * count;
            (Just(stride), proptest::collection::vec(any::<u8>(), length))
        });
        let setting = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..30));
        let parts = (proptest::collection::vec(print, 0..8), proptest::collection::vec(setting, 0..5));
        (records, parts).prop_map(|((stride, records), (prints, settings))| Content {
            stride,
            records: Secret::new(records),
            prints,
            settings,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_no_part_of_it_is(content in content(), cut in 1usize..50) {
            let bytes = content.emit();
            prop_assert_eq!(&Content::parse(bytes.expose()).unwrap(), &content);
            let end = bytes.expose().len().saturating_sub(cut);
            prop_assert!(Content::parse(&bytes.expose()[..end]).is_err());
        }

        #[test]
        fn any_bytes_are_content_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(content) = Content::parse(&bytes) {
                let again = content.emit();
                prop_assert_eq!(again.expose(), &bytes);
            }
        }
    }
}
