//! The template table: fingerprints, each entry as long as it says.
//!
//! A table is proved whole before the first entry is handed out: entry after entry must end exactly where the
//! table ends. Templates are biometric and opaque: their bytes are never printed, never changed, never looked into.
//! Source: one captured entry head and public protocol descriptions; face and palm data are not reachable.

use std::ops::Range;
use std::sync::Arc;

use super::table::TableError;
use crate::base::secret::Secret;
use crate::wire::bytes::{EndOfBytes, Reader};

/// A complete template table.
#[derive(Clone, Debug, Default)]
pub struct TemplateTable {
    /// What the transfer delivered.
    data: Secret<Arc<Vec<u8>>>,
    /// Where in it the entries are, which are known to follow each other without a gap.
    body: Range<usize>,
    entries: usize,
}

/// One finger of one person, its template still where it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    /// Whose, by the device's own index.
    pub uid: u16,
    /// Which finger, 0 to 9.
    pub finger: u8,
    /// What the finger is good for.
    pub validity: Validity,
    /// At most [`Template::CEILING`] bytes.
    bytes: Secret<&'a [u8]>,
}

/// What stands before each template: six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateHead {
    /// Bytes of the whole entry, this head included: at least 6 in an entry that makes sense.
    pub size: u16,
    /// Whose, by the device's own index.
    pub uid: u16,
    /// Which finger, 0 to 9.
    pub finger: u8,
    /// What the finger is good for.
    pub validity: Validity,
}

/// What a finger is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Not to be used.
    Invalid,
    /// Opens the door, makes a punch.
    Valid,
    /// The same, and raises a silent alarm.
    Duress,
    /// A number that no source explains.
    Other(u8),
}

/// A template table that is not whole, or not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The announced size, the bytes and the count do not support each other.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An entry that cannot be as long as it says.
    #[error("the template entry at byte {offset} claims {declared} bytes where {available} are left")]
    Entry {
        /// Where it begins, behind the size word.
        offset: usize,
        /// How long it says it is, its head included; 0 where not even the head is there.
        declared: u16,
        /// Bytes from its beginning to the end of the table.
        available: usize,
    },
}

/// A template longer than an entry can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a template of {length} bytes does not fit an entry, which holds {}", Template::CEILING)]
pub struct TemplateTooLong {
    /// Bytes in the template.
    pub length: usize,
}

impl TemplateTable {
    /// Reads what a transfer delivered: the size word and the entries behind it.
    ///
    /// `count` is the device's own number of templates. It is not needed where size word and bytes agree; where
    /// they differ it must confirm one of them.
    ///
    /// # Errors
    /// [`TemplateError`] when the table is not proved complete, or an entry makes no sense.
    pub fn parse(data: Vec<u8>, count: Option<u32>) -> Result<Self, TemplateError> {
        let (body, entries) = settle(&data, count)?;
        Ok(Self { data: Secret::new(Arc::new(data)), body, entries })
    }

    /// The templates in the device's order.
    pub fn iter(&self) -> impl Iterator<Item = Template<'_>> + '_ {
        let mut rest = self.data.expose().get(self.body.clone()).unwrap_or_default();
        std::iter::from_fn(move || {
            let (template, after) = Template::parse(rest).ok()?;
            rest = after;
            Some(template)
        })
    }

    /// How many templates there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

impl<'a> Template<'a> {
    /// The longest template that an entry can hold, in bytes.
    pub const CEILING: usize = u16::MAX as usize - TemplateHead::SIZE;

    /// Takes a template that fits an entry.
    ///
    /// # Errors
    /// [`TemplateTooLong`] beyond [`Template::CEILING`].
    pub const fn new(
        uid: u16,
        finger: u8,
        validity: Validity,
        bytes: &'a [u8],
    ) -> Result<Self, TemplateTooLong> {
        if bytes.len() > Self::CEILING {
            return Err(TemplateTooLong { length: bytes.len() });
        }
        Ok(Self { uid, finger, validity, bytes: Secret::new(bytes) })
    }

    /// Reads the entry at the start of `bytes` and gives back what follows it.
    ///
    /// # Errors
    /// [`TemplateError::Entry`], counted from the start of `bytes`, when it is shorter than its head or longer
    /// than what is there.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), TemplateError> {
        let wrong = |declared| TemplateError::Entry { offset: 0, declared, available: bytes.len() };
        let head = TemplateHead::parse(bytes).map_err(|_| wrong(0))?;
        let (entry, rest) = bytes.split_at_checked(usize::from(head.size)).ok_or(wrong(head.size))?;
        let template = entry.get(TemplateHead::SIZE..).ok_or(wrong(head.size))?;
        let TemplateHead { uid, finger, validity, .. } = head;
        Ok((Self { uid, finger, validity, bytes: Secret::new(template) }, rest))
    }

    /// Appends the entry as a device sends it.
    pub fn emit(&self, out: &mut Vec<u8>) {
        // `CEILING` leaves room for the head, so the sum fits.
        let size =
            self.bytes.expose().len().saturating_add(TemplateHead::SIZE).min(usize::from(u16::MAX)) as u16;
        let Self { uid, finger, validity, .. } = *self;
        out.extend_from_slice(&TemplateHead { size, uid, finger, validity }.emit());
        out.extend_from_slice(self.bytes.expose());
    }

    /// The template itself, opaque, for devices with the same fingerprint algorithm.
    #[must_use]
    pub const fn bytes(&self) -> &Secret<&'a [u8]> {
        &self.bytes
    }
}

impl TemplateHead {
    /// Bytes of a head.
    pub const SIZE: usize = 6;

    /// Reads the head at the start of `bytes`; whether its size makes sense is [`Template::parse`]'s to say.
    ///
    /// # Errors
    /// [`EndOfBytes`] when fewer than [`TemplateHead::SIZE`] bytes are there.
    pub fn parse(bytes: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(bytes);
        let (size, uid, finger) = (reader.u16()?, reader.u16()?, reader.u8()?);
        Ok(Self { size, uid, finger, validity: Validity::from_byte(reader.u8()?) })
    }

    /// The head as it is sent.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::SIZE] {
        let ([s0, s1], [u0, u1]) = (self.size.to_le_bytes(), self.uid.to_le_bytes());
        [s0, s1, u0, u1, self.finger, self.validity.to_byte()]
    }
}

impl Validity {
    /// Reads the flag of an entry.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Invalid,
            1 => Self::Valid,
            3 => Self::Duress,
            other => Self::Other(other),
        }
    }

    /// The flag of an entry.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Invalid => 0,
            Self::Valid => 1,
            Self::Duress => 3,
            Self::Other(other) => other,
        }
    }
}

/// Where the entries of a table are that is proved complete, and how many.
fn settle(data: &[u8], count: Option<u32>) -> Result<(Range<usize>, usize), TemplateError> {
    let counted = count.filter(|count| *count > 0);
    let (word, body) = match data.split_first_chunk::<4>() {
        Some((word, body)) => (u32::from_le_bytes(*word), body),
        None if data.is_empty() => (0, data),
        None => return Err(TableError::Incomplete { announced: 0, received: data.len(), count }.into()),
    };
    // Behind the size word, where there is one.
    let start = data.len() - body.len();
    let at = |bytes: &[u8], entries| (start..start + bytes.len(), entries);
    let promised = usize::try_from(word).unwrap_or(usize::MAX);
    if promised == body.len() {
        let entries = walk(body)?;
        return match counted {
            Some(count) if entries == 0 => Err(TableError::Missing { count }.into()),
            _ => Ok(at(body, entries)),
        };
    }
    let confirmed = |bytes: &[u8]| {
        let entries = walk(bytes).ok()?;
        (u32::try_from(entries).ok() == counted).then_some(entries)
    };
    for bytes in [Some(body), body.get(..promised)].into_iter().flatten() {
        if let Some(entries) = confirmed(bytes) {
            return Ok(at(bytes, entries));
        }
    }
    Err(TableError::Incomplete { announced: word, received: body.len(), count }.into())
}

/// How many entries there are, if they follow each other to the very end.
fn walk(body: &[u8]) -> Result<usize, TemplateError> {
    let (mut rest, mut entries) = (body, 0);
    while !rest.is_empty() {
        (_, rest) = Template::parse(rest).map_err(|error| match error {
            TemplateError::Entry { declared, available, .. } => {
                TemplateError::Entry { offset: body.len() - available, declared, available }
            }
            other => other,
        })?;
        entries += 1;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two entries: a made-up template of ten bytes, and one of none.
    const TABLE: [u8; 26] =
        [22, 0, 0, 0, 16, 0, 3, 0, 6, 1, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 6, 0, 14, 0, 4, 3];
    const TEMPLATE: [u8; 10] = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25];

    fn parts(table: &TemplateTable) -> Vec<(u16, u8, Validity, Vec<u8>)> {
        table.iter().map(|t| (t.uid, t.finger, t.validity, t.bytes().expose().to_vec())).collect()
    }

    fn with_word(word: u32, body: &[u8]) -> Vec<u8> {
        [&word.to_le_bytes(), body].concat()
    }

    #[test]
    fn a_table_is_taken_apart_entry_by_entry() {
        let table = TemplateTable::parse(TABLE.to_vec(), None).unwrap();
        assert_eq!((table.len(), table.is_empty()), (2, false));
        let expected =
            vec![(3, 6, Validity::Valid, TEMPLATE.to_vec()), (14, 4, Validity::Duress, Vec::new())];
        assert_eq!(parts(&table), expected);
    }

    #[test]
    fn its_templates_are_built_into_the_same_bytes() {
        let mut out = Vec::new();
        for (uid, finger, validity, bytes) in
            [(3, 6, Validity::Valid, &TEMPLATE[..]), (14, 4, Validity::Duress, &[])]
        {
            Template::new(uid, finger, validity, bytes).unwrap().emit(&mut out);
        }
        assert_eq!(out, TABLE[4..]);
    }

    #[test]
    fn an_entry_that_cannot_be_as_long_as_it_says_is_named_by_its_place() {
        let entry = |offset, declared, available| TemplateError::Entry { offset, declared, available };
        for (name, body, expected) in [
            ("size 0", &[0, 0, 1, 0, 0, 1][..], entry(0, 0, 6)),
            ("size 5", &[5, 0, 1, 0, 0, 1], entry(0, 5, 6)),
            ("half a head", &[6, 0, 1], entry(0, 0, 3)),
            ("cut by one byte", &TABLE[4..19], entry(0, 16, 15)),
            ("rubbish behind", &[6, 0, 1, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0], entry(6, 0xffff, 7)),
        ] {
            let data = with_word(body.len() as u32, body);
            assert_eq!(TemplateTable::parse(data, None).unwrap_err(), expected, "{name}");
        }
    }

    #[test]
    fn where_size_word_and_bytes_differ_the_count_decides() {
        let body = &TABLE[4..];
        for (name, word, body, count, expected) in [
            ("they agree, the count lies", 22, body, Some(7), Some(2)),
            ("a large word, the count with the bytes", 4000, body, Some(2), Some(2)),
            ("a large word, no count", 4000, body, None, None),
            ("a large word, nobody with it", 4000, body, Some(3), None),
            ("a small word, the count with it", 16, body, Some(1), Some(1)),
            ("a small word, the count with the bytes", 16, body, Some(2), Some(2)),
            ("a small word, no count", 16, body, None, None),
            ("cut between entries", 22, &body[..16], Some(2), None),
            ("empty", 0, &[], Some(0), Some(0)),
            ("empty in spite of a count", 0, &[], Some(2), None),
        ] {
            let table = TemplateTable::parse(with_word(word, body), count);
            assert_eq!(table.ok().map(|table| table.len()), expected, "{name}");
        }
        assert_eq!(TemplateTable::parse(Vec::new(), None).map(|table| table.is_empty()), Ok(true));
        assert!(TemplateTable::parse(vec![1, 0], None).is_err(), "half a size word");
    }

    #[test]
    fn a_template_is_never_printed_and_never_cut() {
        let table = TemplateTable::parse(TABLE.to_vec(), None).unwrap();
        let shown = format!("{table:?} {:?}", table.iter().collect::<Vec<_>>());
        assert!(!shown.contains("16, 17") && shown.contains("***"), "{shown}");
        let long = vec![0; Template::CEILING + 1];
        let refused = Template::new(1, 0, Validity::Valid, &long);
        assert_eq!(refused, Err(TemplateTooLong { length: 65_530 }));
        let mut out = Vec::new();
        Template::new(1, 0, Validity::Valid, &long[1..]).unwrap().emit(&mut out);
        assert_eq!((out.len(), &out[..2]), (65_535, &[0xff, 0xff][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_an_error(
            data in proptest::collection::vec(any::<u8>(), 0..200), count in proptest::option::of(0u32..10),
        ) {
            if let Ok(table) = TemplateTable::parse(data, count) {
                prop_assert_eq!(table.iter().count(), table.len());
            }
        }

        #[test]
        fn what_is_emitted_is_read_back_and_a_cut_is_seen(
            templates in proptest::collection::vec(
                (any::<u16>(), any::<u8>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300)), 1..8,
            ),
            cut in 1usize..2000,
        ) {
            let mut body = Vec::new();
            for (uid, finger, flag, bytes) in &templates {
                let validity = Validity::from_byte(*flag);
                prop_assert_eq!(validity.to_byte(), *flag);
                Template::new(*uid, *finger, validity, bytes).unwrap().emit(&mut body);
            }
            let word = body.len() as u32;
            let table = TemplateTable::parse(with_word(word, &body), None).unwrap();
            let expected: Vec<_> = templates
                .iter()
                .map(|(uid, finger, flag, bytes)| (*uid, *finger, Validity::from_byte(*flag), bytes.clone()))
                .collect();
            prop_assert_eq!(parts(&table), expected);
            let rest = &body[..body.len().saturating_sub(cut)];
            let count = u32::try_from(templates.len()).ok();
            prop_assert!(TemplateTable::parse(with_word(word, rest), count).is_err());
            prop_assert!(TemplateTable::parse(with_word(word, rest), None).is_err());
        }
    }
}
