//! The encodings of names: a device stores bytes in whatever code page its language has, and does not say which.

use std::fmt;

use encoding_rs::{EncoderResult, Encoding};

/// The encoding of a device's names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameEncoding(&'static Encoding);

/// A name as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedName {
    /// The name for people; what does not decode is a replacement character.
    pub text: String,
    /// Whether the text says exactly what the bytes say.
    pub exact: bool,
}

/// A name of an encoding that is none, or none for names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no encoding of names; utf-8, gbk, big5, windows-1252, windows-1256 are some")]
pub struct UnknownEncoding {
    /// What was asked for, at most 40 characters of it.
    pub name: String,
}

/// A name with a character that the encoding does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{encoding} has no {character:?}")]
pub struct NotEncodable {
    /// The first such character.
    pub character: char,
    /// The encoding.
    pub encoding: NameEncoding,
}

impl NameEncoding {
    /// What most firmware uses.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);

    /// Finds an encoding by its name, e.g. `gbk` or `windows-1256`; also `cp1256`.
    ///
    /// # Errors
    /// [`UnknownEncoding`]; also for encodings that do not fit fields which end at a zero byte.
    pub fn parse(name: &str) -> Result<Self, UnknownEncoding> {
        let unknown = || UnknownEncoding { name: name.chars().take(40).collect() };
        let encoding = Encoding::for_label(name.trim().as_bytes()).ok_or_else(unknown)?;
        let fits = encoding.is_ascii_compatible()
            && encoding.output_encoding() == encoding
            && encoding != encoding_rs::X_USER_DEFINED;
        if fits { Ok(Self(encoding)) } else { Err(unknown()) }
    }

    /// Its name, as [`NameEncoding::parse`] takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Reads a name. Bytes that this encoding does not have may still be UTF-8, as one device knows names from
    /// several programs.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> DecodedName {
        let strictly = |encoding: &'static Encoding| {
            let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
            // Some code pages read several forms of a character; only one comes back when it is written.
            let (again, _, _) = encoding.encode(&text);
            Some(DecodedName { exact: *again == *bytes, text: text.into_owned() })
        };
        strictly(self.0).or_else(|| strictly(encoding_rs::UTF_8)).unwrap_or_else(|| {
            let (text, _) = self.0.decode_without_bom_handling(bytes);
            DecodedName { text: text.into_owned(), exact: false }
        })
    }

    /// The bytes of a name.
    ///
    /// # Errors
    /// [`NotEncodable`] for the first character that the encoding does not have, or that has no place in a name.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, NotEncodable> {
        let refused = |character| NotEncodable { character, encoding: self };
        if let Some(control) = text.chars().find(|character| character.is_control()) {
            return Err(refused(control));
        }
        let mut encoder = self.0.new_encoder();
        let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len());
        let mut bytes = vec![0; room.unwrap_or_default()];
        match encoder.encode_from_utf8_without_replacement(text, &mut bytes, true) {
            (EncoderResult::InputEmpty, _, written) => {
                bytes.truncate(written);
                // Some characters are written as the byte of another one.
                match text.chars().find(|character| !self.keeps(*character)) {
                    Some(character) => Err(refused(character)),
                    None => Ok(bytes),
                }
            }
            (EncoderResult::Unmappable(character), ..) => Err(refused(character)),
            (EncoderResult::OutputFull, ..) => Err(refused(text.chars().next().unwrap_or_default())),
        }
    }

    fn keeps(self, character: char) -> bool {
        let mut buffer = [0; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        let (bytes, _, _) = self.0.encode(text);
        self.0.decode_without_bom_handling_and_without_replacement(&bytes).is_some_and(|read| read == text)
    }
}

impl Default for NameEncoding {
    fn default() -> Self {
        Self::UTF_8
    }
}

impl fmt::Display for NameEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for NameEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoding(name: &str) -> NameEncoding {
        NameEncoding::parse(name).unwrap()
    }

    #[test]
    fn names_are_read_and_written_in_the_code_page_of_the_device() {
        for (name, text, bytes) in [
            ("utf-8", "José", &b"Jos\xc3\xa9"[..]),
            ("gbk", "张伟", &[0xd5, 0xc5, 0xce, 0xb0]),
            ("windows-1252", "José", b"Jos\xe9"),
            ("cp1256", "علي", &[0xda, 0xe1, 0xed]),
            ("windows-1251", "Оля", &[0xce, 0xeb, 0xff]),
            ("big5", "陳", &[0xb3, 0xaf]),
            ("shift_jis", "ｱ", &[0xb1]),
        ] {
            assert_eq!(encoding(name).encode(text).as_deref(), Ok(bytes), "{name}");
            let read = encoding(name).decode(bytes);
            assert_eq!(read, DecodedName { text: text.to_owned(), exact: true }, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_named_and_never_replaced() {
        for (name, text, character) in [
            ("windows-1252", "Jos 陈", '陈'),
            ("gbk", "a😀", '😀'),
            ("utf-8", "a\nb", '\n'),
            ("utf-8", "\0", '\0'),
        ] {
            let refused = NotEncodable { character, encoding: encoding(name) };
            assert_eq!(encoding(name).encode(text), Err(refused), "{name}");
        }
    }

    #[test]
    fn bytes_that_do_not_decode_are_shown_and_said() {
        let gbk = [0xd5, 0xc5, 0xce, 0xb0];
        let read = NameEncoding::UTF_8.decode(&gbk);
        assert!(!read.exact && read.text.contains('\u{fffd}'), "{read:?}");
        let read = encoding("gbk").decode("Zoë ✓".as_bytes());
        assert_eq!(read, DecodedName { text: "Zoë ✓".to_owned(), exact: true }, "UTF-8 all the same");
    }

    #[test]
    fn encodings_with_zero_bytes_or_states_are_none_for_names() {
        for name in ["utf-16", "utf-16be", "iso-2022-jp", "x-user-defined", "replacement", "", "klingon"] {
            assert!(NameEncoding::parse(name).is_err(), "{name}");
        }
        assert_eq!(encoding(" GB2312 ").name(), "GBK");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_text_and_exact_ones_come_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..30),
            name in prop_oneof![Just("utf-8"), Just("gbk"), Just("big5"), Just("windows-1256"), Just("euc-kr")],
        ) {
            let read = encoding(name).decode(&bytes);
            if read.exact && !read.text.chars().any(char::is_control) {
                let own = encoding(name).encode(&read.text);
                prop_assert!(own.as_deref() == Ok(&bytes[..]) || read.text.as_bytes() == bytes);
            }
        }

        #[test]
        fn what_is_written_is_read_back(text in "\\PC{0,12}") {
            for name in ["utf-8", "gbk", "windows-1256", "big5", "shift_jis"] {
                if let Ok(bytes) = encoding(name).encode(&text) {
                    prop_assert!(!bytes.contains(&0));
                    prop_assert_eq!(&encoding(name).decode(&bytes).text, &text);
                }
            }
        }
    }
}
