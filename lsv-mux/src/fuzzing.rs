//! Bodies of the fuzz targets, which the replay of their seeds shares, and the stream that benchmarks use.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::codec::{FourCc, aac, avc, flac, hevc, nal_units, opus};
use lsv_core::fuzzing::vectors;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, Tracks};
use lsv_core::script::{Message, Value};
use lsv_core::time::Timestamp;
use lsv_core::wire::{Reader, Truncated};

use crate::mp4::recording::{Fragment, Fragmenter, Index, Options, Scan};
use crate::{annexb as annex_b, flv, mp4, ts};

#[cfg(feature = "live")]
mod segmenter;

#[cfg(feature = "record")]
mod recorded;
#[cfg(feature = "live")]
mod script;

#[cfg(feature = "record")]
pub use recorded::vod_playlist;
#[cfg(feature = "live")]
pub use script::script;
#[cfg(feature = "live")]
pub use segmenter::segmenter;

/// A configuration record of libx264: High profile, 640x360, 30 frames a second.
pub const AVC_RECORD: &[u8] = &[
    0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0,
    0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16,
    0x2d, 0x96, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00,
];

/// The tracks of an ordinary stream: H.264 as in [`AVC_RECORD`], and AAC LC at 44.1 kHz in stereo.
pub fn tracks() -> Tracks {
    let track = |kind, codec| Some(Arc::new(Track::new(kind, codec)));
    let video = avc::Config::parse(Bytes::from_static(AVC_RECORD)).ok();
    let audio = aac::Config::parse(Bytes::from_static(&[0x12, 0x10])).ok();
    let mut tracks = Tracks::default();
    tracks.video = video.and_then(|config| track(Kind::Video, Codec::Avc(config)));
    tracks.audio = audio.and_then(|config| track(Kind::Audio, Codec::Aac(config)));
    tracks
}

/// One track of audio for each codec that Enhanced RTMP carries, numbered from 0: AAC, Opus, FLAC, AC-3, E-AC-3, MP3.
pub fn sounds() -> Vec<Arc<Track>> {
    let aac = tracks().audio.map(|track| track.codec.clone());
    let opus = opus::Config::parse(Bytes::from_static(OPUS_RECORD)).ok();
    let flac = flac::Config::parse(Bytes::from_static(FLAC_RECORD)).ok();
    let described = [
        (FourCc::AC3, AC3_FRAME),
        (FourCc::EC3, EAC3_FRAME),
        (FourCc::MP3, MP3_FRAME),
    ];
    let described =
        described.map(|(fourcc, frame)| Codec::of_frame(fourcc, frame).and_then(Result::ok));
    [aac, opus.map(Codec::Opus), flac.map(Codec::Flac)]
        .into_iter()
        .chain(described)
        .flatten()
        .zip(0..)
        .map(|(codec, id)| Arc::new(Track::new(Kind::Audio, codec).with_id(id)))
        .collect()
}

/// The identification header of libopus: stereo, 312 samples to drop.
const OPUS_RECORD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";
/// FLAC at 48 kHz in stereo with 16 bits, in blocks of 4,608.
const FLAC_RECORD: &[u8] = b"fLaC\x80\0\0\x22\x12\0\x12\0\0\0\0\0\0\0\x0B\xB8\x02\xF0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// The beginnings of frames at 48 kHz, in stereo, 5.1 and stereo.
const AC3_FRAME: &[u8] = &[0x0B, 0x77, 0x38, 0x90, 0x0C, 0x40, 0x43, 0xE1];
const EAC3_FRAME: &[u8] = &[0x0B, 0x77, 0x01, 0x7F, 0x3F, 0x87, 0xC0];
const MP3_FRAME: &[u8] = &[0xFF, 0xFB, 0x94, 0x64];

/// FLV from a hostile writer: no panic, and the same tags however the bytes are cut.
pub fn flv_demux(data: &[u8]) {
    let Some((step, stream)) = data.split_first() else {
        return;
    };
    let whole = flv_tags(stream, usize::MAX);
    let pieces = flv_tags(stream, usize::from(*step) + 1);
    assert_eq!(whole, pieces, "tags depend on how the stream was cut");
}

/// Hostile frames into an FLV file: a demuxer reads it whole, finished and as it grew, and each place that the index
/// names has a picture.
pub fn flv_recording(data: &[u8]) {
    let mut grown = BytesMut::new();
    let tracks = tracks();
    let mut recording = flv::Recording::start(&tracks, &mut grown);
    for frame in frames(data, &tracks) {
        recording.push(&frame, &mut grown);
    }
    let flv::Finished { header, tags } = recording.finish();
    let tags = grown.get(tags.start as usize..tags.end as usize);
    let finished = [&header[..], tags.unwrap_or_default()].concat();
    assert_eq!(
        tags.map(|tags| tags.is_empty()),
        Some(finished.len() == header.len())
    );
    let (read, error) = flv_tags(&finished, usize::MAX);
    assert_eq!(error, None, "a finished file is cut");
    assert_eq!(
        flv_tags(&grown, usize::MAX).1,
        None,
        "a growing file is cut"
    );
    let metadata = read.first().and_then(|tag| Message::parse(&tag.body).ok());
    let metadata = metadata.and_then(|message| message.values.into_iter().next());
    let keys = metadata
        .as_ref()
        .and_then(|value| value.property("keyframes"));
    let places = keys.and_then(|keys| keys.property("filepositions"));
    let Some(Value::List(places)) = places else {
        assert!(metadata.is_some(), "a file without metadata");
        return;
    };
    for place in places.iter().filter_map(Value::as_number) {
        let kind = finished.get(place as usize);
        assert_eq!(kind, Some(&9), "no picture where the index has one");
    }
}

/// Hostile frames into MPEG-TS: whole packets with the sync byte in place that count on, nothing where there is an error.
pub fn ts_mux(data: &[u8]) {
    let mut tracks = tracks();
    for sound in sounds() {
        tracks.set(&sound);
    }
    let mut muxer = ts::Muxer::new();
    let mut out = BytesMut::new();
    for (index, frame) in frames(data, &tracks).into_iter().enumerate() {
        if index % 8 == 0 {
            muxer.finish_segment(&mut out);
            muxer.start_segment(&tracks, &mut out);
        }
        let before = out.len();
        if muxer.push(&frame, &mut out).is_err() {
            assert_eq!(out.len(), before, "an error left bytes behind");
        }
    }
    muxer.finish_segment(&mut out);
    assert_eq!(out.len() % 188, 0, "a packet is not 188 bytes long");
    let mut counters = [0u8; 0x2000];
    for packet in out.chunks(188) {
        let [sync, high, low, control, ..] = *packet else {
            continue;
        };
        assert_eq!(sync, 0x47, "a packet lost its sync byte");
        let pid = usize::from(u16::from_be_bytes([high & 0x1F, low]));
        if let Some(counter) = counters.get_mut(pid).filter(|_| control & 0x10 != 0) {
            assert_eq!(control & 0x0F, *counter, "PID {pid} lost count");
            *counter = (*counter + 1) & 0x0F;
        }
    }
}

/// Hostile frames into a recording: a scan of what was written finds what was remembered of it, and its tables can be
/// made. The same bytes as a file that is to be scanned: no panic, and nothing found that is not there.
pub fn mp4_recording(data: &[u8]) {
    scan_recording(data);
    let tracks: Vec<_> = tracks().iter().cloned().collect();
    let Ok(mut fragmenter) = Fragmenter::new(&tracks, Options::default()) else {
        return;
    };
    let mut index = Index::new(fragmenter.header());
    let mut file = fragmenter.header().init().to_vec();
    let mut write = |fragment: Option<Fragment>| {
        if let Some(fragment) = fragment {
            file.extend_from_slice(fragment.bytes());
            index.add(&fragment);
        }
    };
    for frame in frames(data, &self::tracks()) {
        if let Ok(fragment) = fragmenter.push(&frame) {
            write(fragment);
        }
    }
    write(fragmenter.finish(None));
    let scanned = scan_recording(&file).map(|index| index.flatten());
    assert_eq!(scanned, Some(index.flatten()), "a scan finds another file");
    // With a header that is right, whatever follows.
    let header = fragmenter.header().init();
    scan_recording(&[header, data].concat());
}

fn scan_recording(file: &[u8]) -> Option<Index> {
    let mut scan = Scan::new(file.len() as u64);
    while let Some(wanted) = scan.wants() {
        let wanted = file.get(wanted.start as usize..wanted.end as usize);
        if scan.push(wanted.unwrap_or_default()).is_err() {
            return None;
        }
    }
    let index = scan.index()?;
    assert!(
        index.length() <= file.len() as u64,
        "more was found than there is"
    );
    let flat = index.flatten();
    assert!(
        flat.media.end <= file.len() as u64,
        "media lies behind the end"
    );
    Some(index)
}

/// Hostile samples into a fragment: every payload is there, and the boxes end where the bytes end.
pub fn mp4_fragment(data: &[u8]) {
    let tracks = tracks();
    let samples: Vec<mp4::Sample> = frames(data, &tracks)
        .into_iter()
        .map(|frame| mp4::Sample {
            duration: frame.dts.as_millis() as u32,
            composition: frame.composition.as_millis() as i32,
            key: frame.key,
            payload: frame.payload,
        })
        .collect();
    let bytes = mp4::fragment(data.len() as u32, data.len() as u64, &samples);
    let payload: Vec<u8> = samples.iter().flat_map(|s| s.payload.to_vec()).collect();
    assert!(bytes.ends_with(&payload), "the samples are not at the end");
    let mut reader = Reader::new(&bytes);
    while !reader.is_empty() {
        let content = reader.u32().map(|size| (size as usize).saturating_sub(4));
        let content = content.and_then(|rest| reader.take(rest));
        assert!(content.is_ok(), "a box ends outside the fragment");
    }
}

/// MP4 from a hostile writer, with its own header and with one that is right: no panic, the same frames however the bytes
/// are cut, and no more of them than there are bytes.
pub fn mp4_demux(data: &[u8]) {
    let Some((step, stream)) = data.split_first() else {
        return;
    };
    let tracks: Vec<_> = tracks().iter().chain(&sounds()).cloned().collect();
    let fragmenter = Fragmenter::new(&tracks, Options::default());
    let header = fragmenter.map(|fragmenter| fragmenter.header().init().clone());
    for head in [Bytes::new(), header.unwrap_or_default()] {
        let stream = [&head[..], stream].concat();
        let whole = mp4_frames(&stream, usize::MAX);
        let pieces = mp4_frames(&stream, usize::from(*step) + 1);
        assert_eq!(whole, pieces, "frames depend on how the stream was cut");
        let payloads: usize = whole.0.iter().map(|(_, frame)| frame.4.len()).sum();
        assert!(payloads <= stream.len(), "more media than bytes");
    }
}

type Seen = (Timestamp, Timestamp, bool, String, Bytes);

/// All frames of `stream`, fed in pieces of `step` bytes, and the error at the end if there is one.
fn mp4_frames(stream: &[u8], step: usize) -> (Vec<(usize, Seen)>, Option<mp4::demux::DemuxError>) {
    let mut demuxer = mp4::demux::Demuxer::default();
    let mut frames = Vec::new();
    for piece in stream.chunks(step) {
        demuxer.push(Bytes::copy_from_slice(piece));
        loop {
            match demuxer.next() {
                Ok(Some(mp4::demux::Event::Frame { track, frame })) => {
                    let codec = frame.track.codec.rfc6381();
                    let seen = (
                        frame.dts,
                        frame.composition,
                        frame.key,
                        codec,
                        frame.payload,
                    );
                    frames.push((track, seen));
                }
                Ok(Some(mp4::demux::Event::Tracks(tracks))) => assert!(!tracks.is_empty()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Hostile access units of H.264 and HEVC into Annex B: all NAL units or nothing.
pub fn annexb(data: &[u8]) {
    let avc = avc::Config::parse(Bytes::from_static(AVC_RECORD));
    let hevc = hevc::Config::parse(Bytes::from_static(vectors::HEVC_RECORD));
    if let (Ok(avc), Ok(hevc)) = (avc, hevc) {
        let avc_aud = |unit: &[u8]| avc::nal::unit_type(unit) == avc::nal::AUD;
        assert_annexb((&avc).into(), data, avc_aud);
        let hevc_aud = |unit: &[u8]| hevc::nal::unit_type(unit) == hevc::nal::AUD;
        assert_annexb((&hevc).into(), data, hevc_aud);
    }
}

fn assert_annexb(config: annex_b::Config<'_>, data: &[u8], is_delimiter: impl Fn(&[u8]) -> bool) {
    for key in [false, true] {
        let mut out = BytesMut::new();
        match annex_b::write_access_unit(&mut out, config, data, key) {
            Ok(()) => {
                let units: Vec<&[u8]> = nal_units(data, 4)
                    .filter_map(Result::ok)
                    .filter(|unit| !unit.is_empty())
                    .collect();
                assert_eq!(out.is_empty(), units.is_empty(), "units came or went");
                let slices = units.iter().rfind(|unit| !is_delimiter(unit));
                assert!(slices.is_none_or(|unit| out.ends_with(unit)));
            }
            Err(_) => assert!(out.is_empty(), "an error left bytes behind"),
        }
    }
}

/// All tags of `stream`, fed in pieces of `step` bytes, and the error at the end if there is one.
pub(crate) fn flv_tags(stream: &[u8], step: usize) -> (Vec<flv::Tag>, Option<flv::DemuxError>) {
    let mut demuxer = flv::Demuxer::new(flv::Limits::default());
    let mut input = BytesMut::new();
    let mut tags = Vec::new();
    for piece in stream.chunks(step) {
        input.put_slice(piece);
        loop {
            match demuxer.next(&mut input) {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => return (tags, Some(error)),
            }
        }
    }
    (tags, None)
}

/// Frames out of noise: a byte of flags, times of any size, and a short payload.
fn frames(data: &[u8], tracks: &Tracks) -> Vec<MediaFrame> {
    let mut reader = Reader::new(data);
    std::iter::from_fn(|| frame(&mut reader, tracks).ok().flatten()).collect()
}

fn frame(reader: &mut Reader<'_>, tracks: &Tracks) -> Result<Option<MediaFrame>, Truncated> {
    let flags = reader.u8()?;
    let track = match (flags & 1, usize::from(flags >> 2 & 7)) {
        (0, 7) => Some(Arc::new(Track::new(Kind::Data, Codec::Data))),
        (0, _) => tracks.video.clone(),
        (_, n) => tracks.defaults().chain(&tracks.others).nth(1 + n).cloned(),
    };
    let dts = Timestamp::from_nanos(reader.u64()? as i64);
    let composition = Timestamp::from_nanos(reader.u64()? as i64);
    let length = usize::from(reader.u16()?).min(reader.remaining());
    let payload = Bytes::copy_from_slice(reader.take(length)?);
    Ok(track.map(|track| {
        let mut frame = MediaFrame::new(&track, dts, payload);
        (frame.composition, frame.key) = (composition, flags & 2 != 0);
        frame.epoch = u32::from(flags >> 6);
        frame
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bodies_hold_on_noise(data in prop::collection::vec(any::<u8>(), 0..600)) {
            super::flv_demux(&data);
            super::flv_demux(&[&[3][..], b"FLV\x01\x05\0\0\0\x09", &data].concat());
            super::ts_mux(&data);
            super::mp4_fragment(&data);
            super::mp4_recording(&data);
            super::mp4_demux(&data);
            super::annexb(&data);
            super::flv_recording(&data);
        }
    }

    #[cfg(feature = "record")]
    proptest! {
        #[test]
        fn playlists_hold_on_noise(data in "(#EXTM3U|#EXTINF:[0-9.]{1,4},|segment-[0-9]{1,3}.m4s|#EXT-X-[A-Z]{3,8}:[0-9]{1,20}|\\PC{0,20}|\n){0,20}") {
            super::vod_playlist(data.as_bytes());
        }
    }

    #[cfg(feature = "live")]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn segments_hold_on_noise(data in prop::collection::vec(any::<u8>(), 0..6000)) {
            super::segmenter(&data);
            super::script(&data);
        }

        /// Noise that is closer to a stream: frames in small steps, with few surprises.
        #[test]
        fn segments_hold_on_frames(frames in prop::collection::vec((0..5_u8, any::<bool>(), 0..30_u8, 1..255_u8, 0..40_u8), 0..1500)) {
            let step = |(track, key, step, length, odd): (u8, bool, u8, u8, u8)| {
                let frame = [track | u8::from(key) << 3 | 0x60, step, length];
                match odd {
                    0 => vec![7, step, frame[0], frame[1], frame[2]],
                    1 => vec![frame[0] | 0x80, step, length, key.into(), length, track, 0],
                    _ => frame.to_vec(),
                }
            };
            super::segmenter(&frames.into_iter().flat_map(step).collect::<Vec<u8>>());
        }
    }
}
