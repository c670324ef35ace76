//! Reads the certificates of a PEM file.

/// Returns each certificate in DER, with the number of the line where its block begins. With the
/// label `TRUSTED CERTIFICATE`, the trust settings of OpenSSL follow the certificate.
///
/// # Errors
///
/// If a block of the file is malformed.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<(usize, Vec<u8>)>, String> {
    let text = String::from_utf8_lossy(pem);
    let mut lines = (1..).zip(text.lines());
    let mut certificates = Vec::new();
    while let Some((number, line)) = lines.next() {
        // Each of several files in one may begin with a byte-order mark.
        let line = line.trim_start_matches('\u{feff}').trim_ascii_end();
        let Some(label) = line.strip_prefix("-----BEGIN ") else {
            continue;
        };
        let end = format!("-----END {label}");
        let mut base64 = String::new();
        loop {
            let Some((_, line)) = lines.next() else {
                return Err(malformed(number, "has no end"));
            };
            let line = line.trim_ascii_end();
            if line == end {
                break;
            }
            base64.push_str(line);
        }
        if matches!(
            label,
            "CERTIFICATE-----" | "TRUSTED CERTIFICATE-----" | "X509 CERTIFICATE-----"
        ) {
            let der = decode(&base64).ok_or_else(|| malformed(number, "is not Base64"))?;
            certificates.push((number, der));
        }
    }
    Ok(certificates)
}

/// Returns the reason why a block is refused.
pub(super) fn malformed(line: usize, what: &str) -> String {
    format!("is malformed: the PEM block in line {line} {what}")
}

/// Decodes Base64. Bits that do not fill a byte are ignored.
fn decode(base64: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in base64.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}
