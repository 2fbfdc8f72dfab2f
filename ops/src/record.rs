//! Stored values that are flat records, read without V8's deserializer.
//!
//! Most values that are listed are plain objects with a few texts and numbers, one like the
//! other. Their bytes are simple, and JavaScript makes such objects faster from their parts than
//! the deserializer does, which begins anew with each value.

/// A value in a flat record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plain<'b> {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of at most 32 bits.
    Integer(i32),
    /// Any other number.
    Number(f64),
    /// A string, in Latin-1.
    Text(&'b [u8]),
}

/// A plain object whose values are all [`Plain`].
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Record<'b> {
    /// The names of its properties in Latin-1, none of which is a number or `__proto__`.
    pub(crate) names: Vec<&'b [u8]>,
    /// Their values.
    pub(crate) values: Vec<Plain<'b>>,
}

const VERSION_MARK: u8 = 0xff;
/// The first version of V8's form whose texts are Latin-1, and the last one that is known here.
const VERSIONS: std::ops::RangeInclusive<u8> = 13..=16;
/// Properties that a record has at most.
const NAMES_MAX: usize = 32;

/// Reads the bytes of a flat record; `None` for all other values, and for bytes that are none.
pub(crate) fn read(bytes: &[u8]) -> Option<Record<'_>> {
    let mut reader = Reader(bytes);
    let mark = reader.byte()?;
    let version = reader.byte()?;
    if mark != VERSION_MARK || !VERSIONS.contains(&version) || reader.byte()? != b'o' {
        return None;
    }
    let mut record = Record::default();
    loop {
        match reader.byte()? {
            b'"' if record.names.len() < NAMES_MAX => {
                let name = reader.text()?;
                let first = name.first()?;
                if first.is_ascii_digit() || name == b"__proto__" {
                    return None;
                }
                record.names.push(name);
                record.values.push(reader.value()?);
            }
            b'{' => {
                let complete = reader.varint()? as usize == record.names.len();
                return (complete && reader.0.is_empty()).then_some(record);
            }
            _ => return None,
        }
    }
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'b [u8]> {
        let length = self.varint()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn value(&mut self) -> Option<Plain<'b>> {
        Some(match self.byte()? {
            b'_' => Plain::Undefined,
            b'0' => Plain::Null,
            b'T' => Plain::Bool(true),
            b'F' => Plain::Bool(false),
            b'I' => {
                let zigzag = self.varint()?;
                Plain::Integer((zigzag >> 1) as i32 ^ -((zigzag & 1) as i32))
            }
            b'N' => {
                let (number, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Plain::Number(f64::from_le_bytes(*number))
            }
            b'"' => Plain::Text(self.text()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: &[u8] = b"\xff\x10o\"\x01iI\x06\"\x04textS\x00{\x02";

    fn flat(text: u8) -> Vec<u8> {
        // V8 writes Latin-1 texts with a quotation mark.
        FLAT.iter()
            .map(|byte| if *byte == b'S' { text } else { *byte })
            .collect()
    }

    #[test]
    fn reads_a_record_of_an_integer_and_a_text() {
        let bytes = flat(b'"');
        let record = read(&bytes).unwrap();
        assert_eq!(record.names, [&b"i"[..], b"text"]);
        assert_eq!(record.values, [Plain::Integer(3), Plain::Text(b"")]);
    }

    #[test]
    fn leaves_all_else_to_the_deserializer() {
        assert_eq!(read(&flat(b'S')), None, "a text in UTF-8");
        assert_eq!(read(b"\xff\x10I\x06"), None, "no object");
        assert_eq!(
            read(b"\xff\x10o\"\x01io{\x00{\x01"),
            None,
            "an object in an object"
        );
        assert_eq!(read(b"\xff\x10o\"\x011I\x06{\x01"), None, "an index");
        let proto = b"\xff\x10o\"\x09__proto__I\x06{\x01";
        assert_eq!(read(proto), None);
        assert_eq!(read(b"\xff\x63o\"\x01iI\x06{\x01"), None, "a later version");
    }

    #[test]
    fn refuses_every_beginning_of_a_record() {
        let bytes = flat(b'"');
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "{length} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(read(&longer), None);
    }

    #[test]
    fn reads_integers_as_they_were_written() {
        for (zigzag, expected) in [
            (&b"\x00"[..], 0),
            (b"\x01", -1),
            (b"\xff\xff\xff\xff\x0f", i32::MIN),
        ] {
            let bytes = [b"\xff\x10o\"\x01iI", zigzag, b"{\x01"].concat();
            let record = read(&bytes).unwrap();
            assert_eq!(record.values, [Plain::Integer(expected)]);
        }
    }
}
