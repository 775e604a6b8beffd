//! What a stream's messages need ahead of them, for a connection that joins in the middle.

use crate::media::ON_META_DATA;
use crate::session::Media;

/// The last metadata and the last sequence headers of a stream of messages.
#[derive(Debug, Default)]
pub(super) struct Headers {
    metadata: Option<Media>,
    codecs: Vec<Media>,
    has_video: bool,
}

impl Headers {
    /// Remembers `media` where later messages need it.
    pub(super) fn note(&mut self, media: &Media) {
        self.has_video |= matches!(media, Media::Video { .. });
        match media {
            Media::Data { payload, .. } if payload.starts_with(ON_META_DATA) => {
                self.metadata = Some(media.clone());
            }
            Media::Audio { .. } | Media::Video { .. } if header_of(media).is_some() => {
                let same = |known: &Media| header_of(known) == header_of(media);
                if let Some(known) = self.codecs.iter_mut().find(|known| same(known)) {
                    *known = media.clone();
                } else if self.codecs.len() < MAX_HEADERS {
                    self.codecs.push(media.clone());
                }
            }
            _ => {}
        }
    }

    /// Whether a decoder that has the headers can start with `media`: a key frame, without video any sound.
    pub(super) fn is_start(&self, media: &Media) -> bool {
        match media {
            Media::Video { payload, .. } => {
                let first = payload.first().copied().unwrap_or_default();
                (first >> 4) & FRAME_TYPE == KEY_FRAME && header_of(media).is_none()
            }
            Media::Audio { .. } => !self.has_video && header_of(media).is_none(),
            Media::Data { .. } => false,
        }
    }

    /// What was remembered, metadata first, with the time `at`. Metadata is about the whole stream, and at time 0: FFmpeg
    /// takes a data message with another time for the start of a subtitle track.
    pub(super) fn at(&self, at: u32) -> impl Iterator<Item = Media> {
        let known = self.metadata.iter().chain(&self.codecs).cloned();
        known.map(move |media| match media {
            Media::Audio { payload, .. } => Media::Audio {
                timestamp: at,
                payload,
            },
            Media::Video { payload, .. } => Media::Video {
                timestamp: at,
                payload,
            },
            Media::Data { payload, .. } => Media::Data {
                timestamp: 0,
                payload,
            },
        })
    }
}

/// What a message configures, where it configures a decoder and holds no frame: kind, packet type and track (FLV 10.1
/// §E.4.2.1, §E.4.3.1; E-RTMP v2, "Enhanced Video", "Enhanced Audio").
fn header_of(media: &Media) -> Option<(bool, u8, u8)> {
    let byte = |at: usize| media.payload().get(at).copied().unwrap_or_default();
    let is_video = matches!(media, Media::Video { .. });
    let first = byte(0);
    let (enhanced, multitrack) = match is_video {
        true => (first & EX_VIDEO != 0, MULTITRACK),
        false => (first >> 4 == SOUND_EX, MULTITRACK_AUDIO),
    };
    if enhanced {
        // With several tracks, the type of what they hold, the codec and the number of the first follow.
        let (packet, track) = match first & 0x0F {
            packet if packet == multitrack => (byte(1) & 0x0F, byte(6)),
            packet => (packet, 0),
        };
        return matches!(packet, SEQUENCE_START | SIDE_DATA).then_some((is_video, packet, track));
    }
    let has_header = match is_video {
        true => matches!(first & 0x0F, CODEC_AVC | CODEC_HEVC),
        false => first >> 4 == SOUND_AAC,
    };
    (has_header && byte(1) == SEQUENCE_START).then_some((is_video, SEQUENCE_START, 0))
}

/// Tracks with headers that are remembered; a stream of more goes on, and lacks them where it moves.
const MAX_HEADERS: usize = 32;

const FRAME_TYPE: u8 = 7;
const KEY_FRAME: u8 = 1;
const EX_VIDEO: u8 = 0x80;
const SOUND_EX: u8 = 9;
const SOUND_AAC: u8 = 10;
const CODEC_AVC: u8 = 7;
const CODEC_HEVC: u8 = 12;
const SEQUENCE_START: u8 = 0;
/// Video metadata, or the configuration of channels.
const SIDE_DATA: u8 = 4;
const MULTITRACK: u8 = 6;
const MULTITRACK_AUDIO: u8 = 5;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn video(payload: &'static [u8]) -> Media {
        let payload = Bytes::from_static(payload);
        Media::Video {
            timestamp: 0,
            payload,
        }
    }

    fn audio(payload: &'static [u8]) -> Media {
        let payload = Bytes::from_static(payload);
        Media::Audio {
            timestamp: 0,
            payload,
        }
    }

    fn noted(all: &[Media]) -> Headers {
        let mut headers = Headers::default();
        all.iter().for_each(|media| headers.note(media));
        headers
    }

    #[test]
    fn the_newest_header_of_each_track_stays() {
        let metadata = Media::Data {
            timestamp: 0,
            payload: Bytes::from_static(b"\x02\x00\x0aonMetaData"),
        };
        let all = [
            video(b"\x17\x00\0\0\0old"),
            audio(b"\xAF\x00\x12\x10"),
            video(b"\x17\x01\0\0\0frame"),
            metadata.clone(),
            video(b"\x17\x00\0\0\0new"),
            audio(b"\xAF\x00\x11\x90"),
            audio(b"\x95\x00Opus\x01one"),
            audio(b"\x95\x00Opus\x02two"),
            audio(b"\x95\x00Opus\x02new"),
            audio(b"\x95\x01Opus\x02frame"),
            video(b"\x90hvc1hvcC"),
            video(b"\x94hvc1colour"),
        ];
        let headers = noted(&all);
        let kept: Vec<Bytes> = headers.at(0).map(|media| media.payload().clone()).collect();
        // The second video codec takes the place of the first.
        let expected = [&metadata, &all[10], &all[5], &all[6], &all[8], &all[11]];
        assert_eq!(kept, expected.map(|media| media.payload().clone()));
        let times: Vec<u32> = headers.at(7).map(|media| media.timestamp()).collect();
        assert_eq!(times, [0, 7, 7, 7, 7, 7]);
    }

    #[test]
    fn a_stream_starts_at_a_key_frame() {
        let headers = noted(&[video(b"\x17\x00\0\0\0avcC")]);
        for key in [
            video(b"\x17\x01\0\0\0x"),
            video(b"\x93hvc1x"),
            video(b"\x12x"),
        ] {
            assert!(headers.is_start(&key), "{key:?}");
        }
        for other in [
            video(b"\x17\x00\0\0\0x"),
            video(b"\x27\x01\0\0\0x"),
            video(b"\xA3hvc1x"),
            video(b"\x90hvc1x"),
            audio(b"\xAF\x01x"),
        ] {
            assert!(!headers.is_start(&other), "{other:?}");
        }
    }

    #[test]
    fn sound_alone_starts_anywhere() {
        let headers = noted(&[audio(b"\xAF\x00\x12\x10")]);
        assert!(headers.is_start(&audio(b"\xAF\x01x")));
        assert!(!headers.is_start(&audio(b"\xAF\x00\x12\x10")));
    }

    #[test]
    fn there_are_no_more_than_so_many_tracks() {
        let mut headers = Headers::default();
        for track in 0..=255 {
            let payload = Bytes::from(vec![0x95, 0x00, b'O', b'p', b'u', b's', track]);
            headers.note(&Media::Audio {
                timestamp: 0,
                payload,
            });
        }
        assert_eq!(headers.at(0).count(), MAX_HEADERS);
    }
}
