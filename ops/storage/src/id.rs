//! Object ids: 32 bytes, of which the second half proves that the first half
//! was made for this namespace.
//!
//! The algorithm is the platform's local one, so ids (and the file names made
//! of them) are those of workerd and wrangler:
//! <https://developers.cloudflare.com/durable-objects/api/id/>.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::{Result, StorageError};

/// Bytes of an id's first half, from a name or from randomness.
const BASE_BYTES: usize = 16;

/// The identity of an object, or of one of its facets, which has a database of its
/// own beside the object's. Displays as 64 lower-case hexadecimal digits, followed
/// by a dot and the facet's number: what the database file is named after.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    bytes: [u8; 32],
    /// 0 for the object itself.
    facet: u16,
}

impl ObjectId {
    /// The id's bytes, which are the same for an object and its facets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The number of the facet; 0 for the object itself.
    pub fn facet(&self) -> u16 {
        self.facet
    }

    /// The object itself.
    pub fn root(&self) -> ObjectId {
        self.with_facet(0)
    }

    /// A facet of the object, by its number.
    pub fn with_facet(&self, facet: u16) -> ObjectId {
        ObjectId {
            bytes: self.bytes,
            facet,
        }
    }

    /// An object's id from its bytes, as they were stored.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> ObjectId {
        ObjectId { bytes, facet: 0 }
    }

    /// What a catalog keeps: the bytes, and those of the facet's number if it is one.
    pub(crate) fn to_key(self) -> Vec<u8> {
        let mut key = self.bytes.to_vec();
        if self.facet != 0 {
            key.extend_from_slice(&self.facet.to_be_bytes());
        }
        key
    }

    /// The id with such a key.
    pub(crate) fn from_key(key: &[u8]) -> Option<ObjectId> {
        let (bytes, facet) = key.split_first_chunk::<32>()?;
        let facet = match facet {
            [] => 0,
            facet => u16::from_be_bytes(facet.try_into().ok()?),
        };
        Some(ObjectId {
            bytes: *bytes,
            facet,
        })
    }

    /// An object's id from its digits, without asking which namespace made it. For
    /// names of files in a namespace's own directory; what a user supplies
    /// goes through [`IdKey::parse`].
    pub fn from_hex(digits: &str) -> Option<ObjectId> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(ObjectId::from_bytes(bytes))
    }

    /// The id of which a database file, named without its ending, is that of an object
    /// or of a facet.
    pub fn from_file_name(name: &str) -> Option<ObjectId> {
        let Some((digits, facet)) = name.split_once('.') else {
            return ObjectId::from_hex(name);
        };
        let number = facet.parse().ok().filter(|number| *number != 0)?;
        let id = ObjectId::from_hex(digits)?.with_facet(number);
        (id.to_string().len() == name.len()).then_some(id)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.bytes, &mut digits).expect("64 digits hold 32 bytes");
        f.write_str(std::str::from_utf8(&digits).expect("hexadecimal digits are ASCII"))?;
        match self.facet {
            0 => Ok(()),
            facet => write!(f, ".{facet}"),
        }
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// The jurisdictions that the platform knows. On one machine they are partitions of a
/// namespace's ids: an id says to which it belongs, if to any.
/// <https://developers.cloudflare.com/durable-objects/reference/data-location/>
pub const JURISDICTIONS: [&str; 4] = ["eu", "fedramp", "fedramp-high", "us"];

/// What a namespace makes and checks its ids with. Kept per namespace, since
/// it holds the hash of the namespace's unique key.
#[derive(Clone)]
pub struct IdKey {
    /// HMAC-SHA256 keyed with SHA256(unique key).
    mac: Hmac<Sha256>,
    /// The same for each of [`JURISDICTIONS`], keyed with the unique key and its name.
    jurisdictions: [Hmac<Sha256>; JURISDICTIONS.len()],
}

fn keyed(text: &str) -> Hmac<Sha256> {
    let key = Sha256::digest(text.as_bytes());
    Hmac::new_from_slice(&key).expect("HMAC takes a key of any length")
}

impl IdKey {
    /// The key of the namespace called `unique_key`.
    pub fn new(unique_key: &str) -> IdKey {
        IdKey {
            mac: keyed(unique_key),
            // No unique key has a line break in it.
            jurisdictions: JURISDICTIONS.map(|name| keyed(&format!("{unique_key}\n{name}"))),
        }
    }

    /// The id that `name` always has.
    pub fn from_name(&self, name: &str) -> ObjectId {
        complete(&self.mac, half(&self.mac, name.as_bytes()))
    }

    /// The id that `name` always has in a jurisdiction.
    ///
    /// # Errors
    /// A `TypeError` when there is no such jurisdiction.
    pub fn from_name_in(&self, jurisdiction: &str, name: &str) -> Result<ObjectId> {
        let mac = self.partition(jurisdiction)?;
        Ok(complete(mac, half(mac, name.as_bytes())))
    }

    /// A new id from 16 random bytes.
    pub fn unique(&self, random: [u8; 16]) -> ObjectId {
        complete(&self.mac, random)
    }

    /// A new id in a jurisdiction.
    ///
    /// # Errors
    /// A `TypeError` when there is no such jurisdiction.
    pub fn unique_in(&self, jurisdiction: &str, random: [u8; 16]) -> Result<ObjectId> {
        Ok(complete(self.partition(jurisdiction)?, random))
    }

    /// The id with these digits, in either case.
    ///
    /// # Errors
    /// A `TypeError` when the text is not 64 hexadecimal digits, or when
    /// another namespace made the id.
    pub fn parse(&self, digits: &str) -> Result<ObjectId> {
        let id = ObjectId::from_hex(digits).ok_or_else(|| {
            StorageError::Type("Invalid Durable Object ID: must be 64 hex digits".to_owned())
        })?;
        if !is_made_by(&self.mac, &id) && self.jurisdiction(&id).is_none() {
            return Err(StorageError::Type(
                "Durable Object ID is not valid for this namespace.".to_owned(),
            ));
        }
        Ok(id)
    }

    /// The jurisdiction to which an id of this namespace belongs, if to any.
    pub fn jurisdiction(&self, id: &ObjectId) -> Option<&'static str> {
        if is_made_by(&self.mac, id) {
            return None;
        }
        let mut all = JURISDICTIONS.iter().zip(&self.jurisdictions);
        all.find(|(_, mac)| is_made_by(mac, id))
            .map(|(name, _)| *name)
    }

    /// # Errors
    /// A `TypeError` when there is no such jurisdiction.
    fn partition(&self, jurisdiction: &str) -> Result<&Hmac<Sha256>> {
        let mut all = JURISDICTIONS.iter().zip(&self.jurisdictions);
        let found = all.find(|(name, _)| **name == jurisdiction);
        found.map(|(_, mac)| mac).ok_or_else(|| {
            StorageError::Type(format!(
                "unknown jurisdiction `{jurisdiction}`: there are {}",
                JURISDICTIONS.join(", ")
            ))
        })
    }
}

/// The first half of `data`'s keyed hash.
fn half(mac: &Hmac<Sha256>, data: &[u8]) -> [u8; BASE_BYTES] {
    let mut mac = mac.clone();
    mac.update(data);
    mac.finalize().into_bytes()[..BASE_BYTES]
        .try_into()
        .expect("half of 32 bytes")
}

/// `base` followed by its proof.
fn complete(mac: &Hmac<Sha256>, base: [u8; BASE_BYTES]) -> ObjectId {
    let mut bytes = [0; 32];
    bytes[..BASE_BYTES].copy_from_slice(&base);
    bytes[BASE_BYTES..].copy_from_slice(&half(mac, &base));
    ObjectId::from_bytes(bytes)
}

fn is_made_by(mac: &Hmac<Sha256>, id: &ObjectId) -> bool {
    let base = id.bytes[..BASE_BYTES].try_into().expect("half of 32 bytes");
    complete(mac, base) == *id
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(name: &str, digits: &str) {
        assert_eq!(IdKey::new("mykey").from_name(name).to_string(), digits);
    }

    #[test]
    fn names_have_the_ids_of_workerd() {
        check_name(
            "http://foo/",
            "59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af234",
        );
        check_name(
            "http://foo/bar",
            "02b496f65dd35cbac90e3e72dc5a398ee93926ea4a3821e26677082d2e6f9b79",
        );
    }

    #[test]
    fn an_id_survives_its_digits_in_either_case() {
        let key = IdKey::new("ns");
        let id = key.unique([7; 16]);
        assert_eq!(key.parse(&id.to_string()).unwrap(), id);
        assert_eq!(key.parse(&id.to_string().to_uppercase()).unwrap(), id);
    }

    #[track_caller]
    fn check_refused(digits: &str, text: &str) {
        let error = IdKey::new("ns").parse(digits).unwrap_err();
        assert_eq!(
            (error.js_class(), error.to_string().as_str()),
            ("TypeError", text)
        );
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for digits in [
            "",
            "ab",
            &"g".repeat(64),
            &"0".repeat(63),
            &"0".repeat(66),
            &"é".repeat(32),
        ] {
            check_refused(digits, "Invalid Durable Object ID: must be 64 hex digits");
        }
    }

    #[test]
    fn a_jurisdiction_is_a_partition_of_ids() {
        let key = IdKey::new("ns");
        let eu = key.from_name_in("eu", "a").unwrap();
        let us = key.unique_in("us", [7; 16]).unwrap();
        assert_ne!(eu, key.from_name("a"));
        for (id, jurisdiction) in [
            (eu, Some("eu")),
            (us, Some("us")),
            (key.from_name("a"), None),
        ] {
            assert_eq!(key.parse(&id.to_string()).unwrap(), id);
            assert_eq!(key.jurisdiction(&id), jurisdiction);
        }
        assert!(key.from_name_in("moon", "a").is_err());
        assert!(IdKey::new("other").parse(&eu.to_string()).is_err());
    }

    #[track_caller]
    fn check_file_name(name: &str, facet: Option<u16>) {
        let id = ObjectId::from_file_name(name);
        assert_eq!(id.map(|id| id.facet()), facet, "{name}");
        if let Some(id) = id {
            assert_eq!(id.to_string(), name);
            assert_eq!(ObjectId::from_key(&id.to_key()), Some(id));
        }
    }

    #[test]
    fn a_facet_is_named_after_its_object() {
        let id = IdKey::new("ns").from_name("a").to_string();
        check_file_name(&id, Some(0));
        check_file_name(&format!("{id}.1"), Some(1));
        check_file_name(&format!("{id}.300"), Some(300));
        for ending in [".0", ".01", ".", ".x", ".70000", ".1.2"] {
            check_file_name(&format!("{id}{ending}"), None);
        }
        check_file_name("metadata", None);
    }

    #[test]
    fn an_id_of_another_namespace_is_refused() {
        let id = IdKey::new("other").from_name("a").to_string();
        check_refused(&id, "Durable Object ID is not valid for this namespace.");
    }
}
