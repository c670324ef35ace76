//! A fast hash of bytes. It is not cryptographic: with a known seed, collisions can be crafted.

/// Hashes bytes, eight at a time. The last word may overlap the one before.
#[inline]
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = seed ^ bytes.len() as u64;
    for word in bytes.as_chunks().0 {
        hash = mix(hash ^ u64::from_le_bytes(*word));
    }
    let last = match (bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(word), _, _) => u64::from_le_bytes(*word),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        // Up to three bytes.
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash ^ last)
}

/// Multiplies by the bits of the golden ratio, and XORs the halves of the product.
pub(crate) fn mix(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}
