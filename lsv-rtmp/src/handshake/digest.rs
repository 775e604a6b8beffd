//! The digests of the Flash handshake, as FFmpeg (`libavformat/rtmpproto.c`) and librtmp (`handshake.h`) write them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Packet;

/// An HMAC-SHA256.
pub(super) type Digest = [u8; DIGEST];

/// A well-known key: a readable text, and bytes that follow it in the second packet's digest.
pub(super) struct Key {
    text: &'static [u8],
}

/// Which of the two layouts a packet has: the digest block in its second or its first half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// The block begins at byte 772.
    SecondHalf,
    /// The block begins at byte 8.
    FirstHalf,
}

/// A digest that fits its packet.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scheme: Scheme,
    pub(super) digest: Digest,
}

/// Finds the digest in a first packet that a peer with `key` sent; `None` for the simple form.
pub(super) fn find(packet: &Packet, key: &Key) -> Option<Found> {
    // Bytes 4 to 7 are zero in the simple form (RTMP 1.0 §5.2.3), and a version in the other.
    if packet.get(4..8) == Some(&[0; 4]) {
        return None;
    }
    [Scheme::SecondHalf, Scheme::FirstHalf]
        .into_iter()
        .find_map(|scheme| {
            let (before, digest, after) = split(packet, scheme)?;
            let expected = hmac(key.text, &[before, after]);
            (expected == *digest).then_some(Found {
                scheme,
                digest: expected,
            })
        })
}

/// Writes the digest into a first packet.
pub(super) fn imprint(packet: &mut Packet, scheme: Scheme, key: &Key) {
    let at = position(packet, scheme);
    if let Some((before, _, after)) = split(packet, scheme) {
        let digest = hmac(key.text, &[before, after]);
        if let Some(place) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = digest;
        }
    }
}

/// Ends a second packet with the digest that answers `peer`, the digest of the other side's first packet.
pub(super) fn sign(packet: &mut Packet, peer: &Digest, key: &Key) {
    if let Some((body, place)) = packet.split_last_chunk_mut::<DIGEST>() {
        *place = signature(body, peer, key);
    }
}

/// HMAC-SHA256 over `parts` end to end.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Digest {
    // HMAC takes keys of any length, so the error arm is never reached.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; DIGEST];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn signature(body: &[u8], peer: &Digest, key: &Key) -> Digest {
    let long_key = [key.text, KEY_TAIL].concat();
    hmac(&hmac(&long_key, &[peer]), &[body])
}

/// What comes before the digest, the digest, and what comes after it.
fn split(packet: &Packet, scheme: Scheme) -> Option<(&[u8], &Digest, &[u8])> {
    let (before, rest) = packet.split_at_checked(position(packet, scheme))?;
    let (digest, after) = rest.split_first_chunk()?;
    Some((before, digest, after))
}

/// Four bytes at the start of the block, added up, say where in it the digest is.
fn position(packet: &Packet, scheme: Scheme) -> usize {
    let block = match scheme {
        Scheme::SecondHalf => 772,
        Scheme::FirstHalf => 8,
    };
    let offset: usize = packet
        .iter()
        .skip(block)
        .take(4)
        .map(|byte| usize::from(*byte))
        .sum();
    block + 4 + offset % 728
}

const DIGEST: usize = 32;

/// Key of whoever connects.
pub(super) const CLIENT_KEY: Key = Key {
    text: b"Genuine Adobe Flash Player 001",
};

/// Key of whoever listens.
pub(super) const SERVER_KEY: Key = Key {
    text: b"Genuine Adobe Flash Media Server 001",
};

/// The part that both long keys end with.
const KEY_TAIL: &[u8] = &[
    0xF0, 0xEE, 0xC2, 0x4A, 0x80, 0x68, 0xBE, 0xE8, 0x2E, 0x00, 0xD0, 0xD1, 0x02, 0x9E, 0x7E, 0x57,
    0x6E, 0xEC, 0x5D, 0x2D, 0x29, 0x80, 0x6F, 0xAB, 0x93, 0xB8, 0xE6, 0x36, 0xCF, 0xEB, 0x31, 0xAE,
];
