//! Names files by a digest of service address and API key that reveals neither.

/// The number of bytes of the digest in a name, enough to rule out collisions.
const LENGTH: usize = 16;

/// Returns the name for a service address and key, in hexadecimal digits.
///
/// The digest is SHA-256, because a fast hash can be inverted.
pub(crate) fn identity(base_url: &str, api_key: &str) -> String {
    let base_url = base_url.trim_end_matches('/');
    // Addresses contain no line break, so no other pair gives the same message.
    let digest = sha256(format!("{base_url}\n{api_key}").as_bytes());
    digest.iter().take(LENGTH).map(|byte| format!("{byte:02x}")).collect()
}

/// The fractional parts of the cube roots of the first 64 primes.
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The fractional parts of the square roots of the first 8 primes.
const START: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// SHA-256, as in FIPS 180-4.
fn sha256(message: &[u8]) -> [u8; 32] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((message.len() + 9).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut state = START;
    for block in padded.as_chunks::<64>().0 {
        compress(&mut state, block);
    }
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    // The current sixteen words of the message schedule, the next one first.
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for round in ROUNDS {
        let [word, second, .., late, _] = words;
        let choice = (e & f) ^ (!e & g);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let first = h
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
            .wrapping_add(choice)
            .wrapping_add(round)
            .wrapping_add(word);
        let other =
            (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(other));
        let [_, _, _, _, _, _, _, _, _, middle, ..] = words;
        words.rotate_left(1);
        if let Some(next) = words.last_mut() {
            *next = word
                .wrapping_add(second.rotate_right(7) ^ second.rotate_right(18) ^ second >> 3)
                .wrapping_add(middle)
                .wrapping_add(late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10);
        }
    }
    for (word, change) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_test_vectors_of_the_standard() {
        let (digits, long) = ("0123456789".repeat(7), "a".repeat(1_000_000));
        for (message, digest) in [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (&digits[..55], "f34d5a0f80c0cbf84c8c0b90218c22637abd199965249da736a20143c8c9c9d9"),
            (&digits[..56], "83aa034bda83e458a0dc9cbce0d4e354716aa0ff770ed37ac0ed2b292052e4af"),
            (&digits[..64], "9674d9e078535b7cec43284387a6ee39956188e735a85452b0050b55341cda56"),
            (&long, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ] {
            let found: String =
                sha256(message.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, digest, "{} bytes", message.len());
        }
    }

    #[test]
    fn a_trailing_slash_does_not_change_the_name() {
        let name = identity("https://api.example.com/api/v1", "sdk-dev-1");
        assert_eq!(identity("https://api.example.com/api/v1/", "sdk-dev-1"), name);
        assert_eq!(name.len(), 2 * LENGTH);
        assert_ne!(identity("https://api.example.com/api/v1", "sdk-dev-2"), name);
        assert_ne!(identity("https://api.example.com/api/v2", "sdk-dev-1"), name);
    }
}
