//! AES-128 encryption of HLS media (RFC 8216bis §4.4.4.4 and §6.2.3): every segment whole, in CBC mode with PKCS #7
//! padding.
//!
//! The initialization vector is the media sequence number, which is what a player takes where EXT-X-KEY has no `IV`,
//! and no two segment numbers under one key share it. All that has one number shares key and vector: the MPEG-TS
//! segment, the CMAF renditions, and their parts, each encrypted on its own, so that a player that fetches parts
//! decrypts each as it comes. In CBC mode that tells no more than which of them begin with the same blocks of 16 bytes.
//! CMAF headers stay in the clear.

use aes::Aes128;
use aes::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use bytes::Bytes;
pub use lsv_auth::content::{ContentKey, ContentKeys};

/// `plain`, a segment with media sequence number `sequence` or one of its parts, under `key`.
///
/// What comes out is longer by 1 to 16 bytes.
pub fn encrypt(key: &ContentKey, sequence: u64, plain: &[u8]) -> Bytes {
    let vector = initialization_vector(sequence);
    let cipher = cbc::Encryptor::<Aes128>::new(key.expose().into(), (&vector).into());
    Bytes::from(cipher.encrypt_padded_vec::<Pkcs7>(plain))
}

/// The media sequence number as a big-endian number of 128 bits (RFC 8216bis §5.2).
fn initialization_vector(sequence: u64) -> [u8; 16] {
    u128::from(sequence).to_be_bytes()
}

/// What a player makes of `sealed`; `None` where key or number is another one, unless by chance.
#[cfg(test)]
pub(crate) fn decrypt(key: &ContentKey, sequence: u64, sealed: &[u8]) -> Option<Bytes> {
    use aes::cipher::BlockModeDecrypt;

    let vector = initialization_vector(sequence);
    let cipher = cbc::Decryptor::<Aes128>::new(key.expose().into(), (&vector).into());
    cipher
        .decrypt_padded_vec::<Pkcs7>(sealed)
        .ok()
        .map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// NIST SP 800-38A F.2.1.
    #[test]
    fn cbc_is_that_of_the_standard() {
        let key = ContentKey::new(hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap());
        let vector: [u8; 16] = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let plain = hex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        let expected = hex(
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
             73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        );
        // No media sequence number makes that vector, so the difference goes into the first block, where CBC adds it.
        let sequence = 7;
        let mut moved = plain.clone();
        let ours = initialization_vector(sequence);
        for (byte, (theirs, ours)) in moved.iter_mut().zip(vector.iter().zip(ours)) {
            *byte ^= theirs ^ ours;
        }
        let sealed = encrypt(&key, sequence, &moved);
        assert_eq!(sealed[..64], expected);
        assert_eq!(sealed.len(), 80);
    }

    #[test]
    fn the_vector_is_the_media_sequence_number() {
        let key = ContentKey::new([7; 16]);
        assert_eq!(
            initialization_vector(0x0102_0304_0506_0708),
            [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
        );
        assert_ne!(encrypt(&key, 1, b"segment"), encrypt(&key, 2, b"segment"));
    }

    proptest! {
        #[test]
        fn what_was_encrypted_decrypts(
            key: [u8; 16],
            sequence: u64,
            plain in prop::collection::vec(any::<u8>(), 0..4096),
        ) {
            let key = ContentKey::new(key);
            let sealed = encrypt(&key, sequence, &plain);
            prop_assert_eq!(sealed.len(), plain.len() / 16 * 16 + 16);
            let decrypted = decrypt(&key, sequence, &sealed);
            prop_assert_eq!(decrypted.as_deref(), Some(&plain[..]));
            let mistaken = decrypt(&key, sequence ^ 1, &sealed);
            prop_assert_ne!(mistaken.as_deref(), Some(&plain[..]));
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .map(|digit| digit as u8)
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }
}
