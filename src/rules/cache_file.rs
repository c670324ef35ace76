//! The format of a file of cached rules: a ruleset's text with an index of its flags and segments.
//!
//! The layout: magic, checksum, length of the `ETag`, `ETag`, indexed text. The length is 32-bit
//! little-endian, the checksum is 64-bit. Another layout needs another extension: otherwise processes
//! of two versions would replace each other's file at each poll.

use crate::hash::hash;
use crate::ruleset::IndexedText;

/// The first bytes of a file. The digit is the version of the format.
const MAGIC: &[u8; 16] = b"phaseflag rules2";

/// The seed of the checksum.
const SEED: u64 = 1;

/// The length of the checksum of all later bytes.
const CHECKSUM_LENGTH: usize = size_of::<u64>();

/// The magic and the checksum, which identify the content.
pub(super) type Header = [u8; MAGIC.len() + CHECKSUM_LENGTH];

/// Returns the header of an encoded file.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    bytes.first_chunk().copied()
}

/// A decoded file.
#[derive(Debug)]
pub(crate) struct CacheFile {
    pub(super) header: Header,
    /// The `ETag` of the response, or `None`.
    pub(super) etag: Option<String>,
    pub(super) text: IndexedText,
}

/// Encodes a ruleset's text, which has no byte-order mark; `None` if a number exceeds 32 bits.
pub(super) fn encode(text: &str, etag: Option<&str>) -> Option<Vec<u8>> {
    let etag = etag.unwrap_or_default();
    let mut bytes = Vec::new();
    bytes.extend(MAGIC);
    bytes.extend([0; CHECKSUM_LENGTH]);
    bytes.extend(u32::try_from(etag.len()).ok()?.to_le_bytes());
    bytes.extend(etag.as_bytes());
    IndexedText::encode(text, &mut bytes)?;
    let (sum, rest) = bytes.get_mut(MAGIC.len()..)?.split_first_chunk_mut()?;
    *sum = hash(SEED, rest).to_le_bytes();
    Some(bytes)
}

impl CacheFile {
    /// Decodes an encoded file, or returns what is wrong with it.
    pub(super) fn decode(bytes: Vec<u8>) -> Result<CacheFile, &'static str> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it has another format")?;
        let (sum, rest) = rest.split_first_chunk().ok_or("it is truncated")?;
        if u64::from_le_bytes(*sum) != hash(SEED, rest) {
            return Err("it is damaged");
        }
        CacheFile::from_checked(bytes).ok_or("it is damaged")
    }

    /// Decodes a file whose checksum is correct.
    fn from_checked(bytes: Vec<u8>) -> Option<CacheFile> {
        let header = header(&bytes)?;
        let (length, rest) = bytes.get(header.len()..)?.split_first_chunk()?;
        let etag = rest.get(..u32::from_le_bytes(*length) as usize)?;
        let etag = std::str::from_utf8(etag).ok()?.to_owned();
        let start = header.len() + length.len() + etag.len();
        let etag = Some(etag).filter(|etag| !etag.is_empty());
        Some(CacheFile { header, etag, text: IndexedText::decode(bytes, start)? })
    }
}
