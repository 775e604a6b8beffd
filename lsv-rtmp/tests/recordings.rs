//! What real clients sent to a server of this library, byte for byte.
//!
//! `ffmpeg-*.bin`: FFmpeg 5.1.9, `-f flv rtmp://127.0.0.1:19350/stream/cam?sign=123-abc` and
//! `-i .../stream/cam?token=t`. `librtmp-*.bin`: librtmp 2.4 by way of curl, with the same file and
//! addresses. 64x36 H.264 and AAC made by FFmpeg from its test sources, 0.2 s long.

use std::time::Instant;

use bytes::BytesMut;
use lsv_rtmp::{
    Error,
    session::{Event, Media, Server, ServerConfig},
};

const FFMPEG_PUBLISH: &[u8] = include_bytes!("vectors/ffmpeg-publish.bin");
const FFMPEG_PLAY: &[u8] = include_bytes!("vectors/ffmpeg-play.bin");
const LIBRTMP_PUBLISH: &[u8] = include_bytes!("vectors/librtmp-publish.bin");
const LIBRTMP_PLAY: &[u8] = include_bytes!("vectors/librtmp-play.bin");

/// Everything that a server learns from a recording that comes in pieces of `piece` bytes.
fn replay(recording: &[u8], piece: usize) -> Result<Vec<Event>, Error> {
    let now = Instant::now();
    let mut server = Server::new(ServerConfig::new([5; 32]), now);
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in recording.chunks(piece) {
        input.extend_from_slice(piece);
        while let Some(event) = server.next(&mut input, now)? {
            match &event {
                Event::Publish(_) => server.accept_publish(now)?,
                Event::Play(_) => server.accept_play()?,
                _ => {}
            }
            events.push(event);
        }
        drop(server.take_output());
    }
    assert!(input.is_empty());
    Ok(events)
}

#[test]
fn publishers() {
    for (recording, flash_ver) in [
        (FFMPEG_PUBLISH, Some("FMLE/3.0 (compatible; Lavf59.27.100)")),
        (LIBRTMP_PUBLISH, None),
    ] {
        let events = replay(recording, usize::MAX).unwrap();
        let [Event::Publish(request), media @ .., Event::Unpublished] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(format!("{:?}", request.target), "stream/cam?..");
        assert_eq!(request.target.query.as_deref(), Some("sign=123-abc"));
        assert_eq!(request.kind, "live");
        assert_eq!(request.connect.flash_ver.as_deref(), flash_ver);
        assert_eq!(
            request.connect.tc_url.as_deref(),
            Some("rtmp://127.0.0.1:19350/stream")
        );

        let mut counts = [0; 3];
        let mut newest = 0;
        for event in media {
            let (kind, at, payload) = match event {
                Event::Media(Media::Data { timestamp, payload }) => (0, *timestamp, payload),
                Event::Media(Media::Audio { timestamp, payload }) => (1, *timestamp, payload),
                Event::Media(Media::Video { timestamp, payload }) => (2, *timestamp, payload),
                other => panic!("{other:?}"),
            };
            match kind {
                0 => assert!(payload.starts_with(b"\x02\0\x0aonMetaData")),
                // AAC, and H.264 as a key or an inter frame.
                1 => assert_eq!(payload[0] >> 4, 10),
                _ => assert!([0x17, 0x27].contains(&payload[0])),
            }
            counts[kind] += 1;
            newest = newest.max(at);
        }
        assert_eq!((counts, newest), ([1, 11, 7], 209));
        for piece in [1, 7, 128, 1537, 4096] {
            assert_eq!(
                replay(recording, piece).unwrap(),
                events,
                "in pieces of {piece} bytes"
            );
        }
    }
}

#[test]
fn both_publishers_sent_the_same_media() {
    let media = |recording| -> Vec<Event> {
        let events = replay(recording, usize::MAX).unwrap().into_iter();
        events
            .filter(|event| {
                matches!(
                    event,
                    Event::Media(Media::Audio { .. } | Media::Video { .. })
                )
            })
            .collect()
    };
    assert_eq!(media(FFMPEG_PUBLISH), media(LIBRTMP_PUBLISH));
}

#[test]
fn players() {
    for recording in [FFMPEG_PLAY, LIBRTMP_PLAY] {
        let events = replay(recording, usize::MAX).unwrap();
        let Some(Event::Play(request)) = events.first() else {
            panic!("{events:?}")
        };
        assert_eq!(
            (request.target.app.as_str(), request.target.name.as_str()),
            ("stream", "cam")
        );
        assert_eq!(request.target.query.as_deref(), Some("token=t"));
        assert_eq!(request.stream_id, 1);
        for piece in [1, 7, 128, 1537, 4096] {
            assert_eq!(
                replay(recording, piece).unwrap(),
                events,
                "in pieces of {piece} bytes"
            );
        }
    }
}
