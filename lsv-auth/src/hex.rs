//! Lower-case hexadecimal digits, the one spelling in which the platform writes keys and signatures.

/// The two digits of a byte.
pub(crate) fn digits(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + (nibble - 10)
        }
    };
    [digit(byte >> 4), digit(byte & 0x0F)]
}

/// Bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| digits(*byte))
        .map(char::from)
        .collect()
}

/// The bytes that twice as many lower-case digits write; nothing else is read.
pub(crate) fn decode<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; COUNT];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = read(pair)?;
    }
    Some(bytes)
}

/// The text that lower-case digits write.
pub(crate) fn decode_text(digits: &str) -> Option<String> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(read).collect();
    String::from_utf8(bytes?).ok()
}

fn read([high, low]: &[u8; 2]) -> Option<u8> {
    Some(nibble(*high)? << 4 | nibble(*low)?)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes: [u8; 32] = std::array::from_fn(|index| (index * 37) as u8);
        let text = encode(&bytes);
        assert!(text.starts_with("00254a6f94b9de03"));
        assert_eq!(decode(&text), Some(bytes));
    }

    #[test]
    fn one_spelling_only() {
        let text = "af".repeat(32);
        assert!(decode::<32>(&text).is_some());
        for other in [
            text.to_uppercase(),
            format!("{text}a"),
            format!("{text}af"),
            text[1..].to_owned(),
            text[2..].to_owned(),
            text.replacen('a', "g", 1),
            text.replacen("af", "é", 1),
            String::new(),
        ] {
            assert_eq!(decode::<32>(&other), None, "{other}");
        }
    }

    #[test]
    fn text_is_utf_8() {
        assert_eq!(
            decode_text(&encode("zoë".as_bytes())).as_deref(),
            Some("zoë")
        );
        assert_eq!(decode_text(""), Some(String::new()));
        for other in ["6", "6G", "7A", "ff", "c3"] {
            assert_eq!(decode_text(other), None, "{other}");
        }
    }
}
