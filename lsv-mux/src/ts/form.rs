//! How each codec looks in a transport stream: the type of its stream and what the program map says beside it.

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::codec::opus;
use lsv_core::media::{Codec, Track};

/// What the program map says of a stream, and the `stream_id` of its PES packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// ISO/IEC 13818-1 table 2-34.
    pub(super) stream_type: u8,
    /// ISO/IEC 13818-1 table 2-22.
    pub(super) stream_id: u8,
    pub(super) descriptors: Bytes,
}

impl Form {
    /// The form of `track`, `None` where the transport stream does not carry its codec: FLAC has no place in it, nor
    /// has AAC that ADTS cannot express, nor Opus in channels that are not those of Vorbis.
    pub(super) fn of(track: &Track) -> Option<Self> {
        Some(match &track.codec {
            Codec::Avc(_) => Self::plain(0x1B, VIDEO),
            Codec::Hevc(_) => Self::plain(0x24, VIDEO),
            Codec::Aac(config) => {
                config.adts_header(0)?;
                Self::plain(0x0F, AUDIO)
            }
            // Half the rates of MPEG-1 are MPEG-2's; quarters are nobody's, and taken as such everywhere.
            Codec::Mp3(config) if config.sample_rate < 32_000 => Self::plain(0x04, AUDIO),
            Codec::Mp3(_) => Self::plain(0x03, AUDIO),
            Codec::Ac3(_) => Self {
                stream_type: 0x81,
                stream_id: PRIVATE_1,
                descriptors: Bytes::from_static(AC3_DESCRIPTORS),
            },
            Codec::Eac3(_) => Self {
                stream_type: 0x87,
                stream_id: PRIVATE_1,
                descriptors: Bytes::from_static(EAC3_DESCRIPTORS),
            },
            Codec::Opus(config) => Self {
                stream_type: 0x06,
                stream_id: PRIVATE_1,
                descriptors: opus_descriptors(config)?,
            },
            _ => return None,
        })
    }

    /// Timed metadata in ID3 ("Timed Metadata for HTTP Live Streaming" §2.2).
    pub(super) fn metadata() -> Self {
        Self {
            stream_type: 0x15,
            stream_id: PRIVATE_1,
            descriptors: Bytes::from_static(METADATA_DESCRIPTOR),
        }
    }

    fn plain(stream_type: u8, stream_id: u8) -> Self {
        Self {
            stream_type,
            stream_id,
            descriptors: Bytes::new(),
        }
    }
}

/// "Opus in MPEG-TS" (ETSI TS 101 154 annex): a registration, and the channels in an extension of DVB's.
fn opus_descriptors(config: &opus::Config) -> Option<Bytes> {
    let channels = config.channels;
    let code = match &config.mapping {
        None => channels,
        Some(mapping) if config.mapping_family == 1 && channels >= 2 => {
            let index = usize::from(channels) - 1;
            let coupled = *VORBIS_COUPLED.get(index)?;
            let single = (0..channels).collect::<Vec<_>>();
            let is = |streams, coupled, table: &[u8]| {
                (mapping.streams, mapping.coupled, &mapping.table[..]) == (streams, coupled, table)
            };
            if is(channels - coupled, coupled, VORBIS_ORDER.get(index)?) {
                channels
            } else if is(channels, 0, &single) {
                0x80 | channels
            } else {
                return None;
            }
        }
        Some(_) => return None,
    };
    let mut out = BytesMut::with_capacity(10);
    out.put_slice(b"\x05\x04Opus\x7F\x02\x80");
    out.put_u8(code);
    Some(out.freeze())
}

/// The first video stream.
pub(super) const VIDEO: u8 = 0xE0;
/// The first audio stream; each PID has its own numbering.
const AUDIO: u8 = 0xC0;
/// `private_stream_1`.
const PRIVATE_1: u8 = 0xBD;

/// A registration as ATSC and HLS want it, and the AC-3 descriptor of DVB with nothing optional (ETSI EN 300 468 §D.3).
const AC3_DESCRIPTORS: &[u8] = b"\x05\x04AC-3\x6A\x01\x00";
/// Likewise (§D.5).
const EAC3_DESCRIPTORS: &[u8] = b"\x05\x04EAC3\x7A\x01\x00";
/// `metadata_descriptor` (ISO/IEC 13818-1 §2.6.60).
const METADATA_DESCRIPTOR: &[u8] = b"\x26\x0D\xFF\xFFID3 \xFFID3 \x00\x0F";
/// `metadata_pointer_descriptor` to the one program (§2.6.58), beside the program itself.
pub(super) const METADATA_POINTER: &[u8] = b"\x25\x0F\xFF\xFFID3 \xFFID3 \x00\x1F\x00\x01";

/// Coupled streams by channels less one, as the order of Vorbis has them (RFC 7845 §5.1.1.2).
const VORBIS_COUPLED: [u8; 8] = [0, 1, 1, 2, 2, 2, 2, 3];
/// The channels in the order of Vorbis, by channels less one.
const VORBIS_ORDER: [&[u8]; 8] = [
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 4, 1, 2, 3],
    &[0, 4, 1, 2, 3, 5],
    &[0, 4, 1, 2, 3, 5, 6],
    &[0, 6, 1, 2, 3, 4, 5, 7],
];
