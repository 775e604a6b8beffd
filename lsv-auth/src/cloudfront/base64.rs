//! Base64 in CloudFront's spelling: `+`, `=` and `/` mean something in a URL and are written `-`, `_` and `~`.

use base64::{Engine, engine::general_purpose::STANDARD};

pub(super) fn encode(bytes: &[u8]) -> String {
    let translate = |digit| match digit {
        '+' => '-',
        '=' => '_',
        '/' => '~',
        other => other,
    };
    STANDARD.encode(bytes).chars().map(translate).collect()
}

/// What `text` writes, if it is the one spelling of that.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let translate = |digit| match digit {
        b'-' => Some(b'+'),
        b'_' => Some(b'='),
        b'~' => Some(b'/'),
        b'+' | b'=' | b'/' => None,
        other => Some(other),
    };
    let standard: Option<Vec<u8>> = text.bytes().map(translate).collect();
    STANDARD.decode(standard?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(encode(&[0xFB, 0xFF, 0xFE, 0x3E]), "-~~-Pg__");
        for length in 0..70_usize {
            let bytes: Vec<u8> = (0..length).map(|index| (index * 89) as u8).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn one_spelling_only() {
        for text in [
            "Pg==", "Pg", "Pg_", "Ph__", "P", "Pg__Pg__", "++++", "Pg__\n", " Pg__", "é",
            "Pg%5F%5F",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
