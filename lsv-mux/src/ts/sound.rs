//! Sound on its way into PES packets: access units framed, timed by their samples, several in one packet.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use lsv_core::media::{Codec, MediaFrame, Track, TrackName};
use lsv_core::time::Timestamp;

use super::form::Form;
use crate::Error;
use crate::segmenter::clock::Clock;

/// One track of sound, with the access units that wait to fill a PES packet.
#[derive(Debug)]
pub(super) struct Sound {
    track: Arc<Track>,
    stream_id: u8,
    epoch: u32,
    clock: Clock,
    /// Framed access units, when the first is to be heard and where the last ends, in samples.
    unit: BytesMut,
    start: i64,
    end: i64,
    units: u32,
    /// Nothing of the segment has been written yet.
    opens: bool,
}

/// A full PES packet's worth.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    pub(super) name: TrackName,
    pub(super) stream_id: u8,
    pub(super) at: Timestamp,
    pub(super) epoch: u32,
    /// The first of its track in the segment.
    pub(super) opens: bool,
    pub(super) bytes: &'a [u8],
}

impl Sound {
    /// The track of `frame`, of which nothing has come yet.
    pub(super) fn new(frame: &MediaFrame) -> Self {
        Self {
            track: Arc::clone(&frame.track),
            stream_id: Form::of(&frame.track).map_or(0, |form| form.stream_id),
            epoch: frame.epoch,
            clock: Clock::new(&frame.track),
            unit: BytesMut::new(),
            start: 0,
            end: 0,
            units: 0,
            opens: true,
        }
    }

    pub(super) fn name(&self) -> TrackName {
        self.track.name()
    }

    /// A segment starts here.
    pub(super) fn open(&mut self) {
        self.opens = true;
    }

    /// Whether `frame` is of the same timeline and configuration.
    pub(super) fn continues(&self, frame: &MediaFrame) -> bool {
        self.epoch == frame.epoch
            && (Arc::ptr_eq(&self.track, &frame.track) || self.track.decodes_like(&frame.track))
    }

    /// Whether decoders know the configuration of `frame` from the open segment.
    pub(super) fn is_introduced(&self, frame: &MediaFrame) -> bool {
        self.continues(frame) && !self.opens
    }

    /// Takes `frame`, framed as `framed`; gives what is to be written before it, put into `before`. Ask
    /// [`Sound::is_full`] afterwards.
    pub(super) fn take<'a>(
        &mut self,
        frame: &MediaFrame,
        framed: &[u8],
        before: &'a mut BytesMut,
    ) -> Option<Filled<'a>> {
        let timed = self.clock.push(frame)?;
        let fits = timed.ticks == self.end && self.unit.len() + framed.len() <= MAX_PES_PAYLOAD;
        let filled = if fits { None } else { self.drain(before) };
        if self.unit.is_empty() {
            self.start = timed.ticks;
        }
        self.unit.put_slice(framed);
        self.end = timed.ticks.saturating_add(i64::from(timed.sample.duration));
        self.units += 1;
        filled
    }

    /// Another frame like the last one would make the packet too long. The first of a segment has one frame: FFmpeg gives
    /// the second one of the first packet that it sees the time of the first.
    pub(super) fn is_full(&self) -> bool {
        let length = self.end.saturating_sub(self.start);
        let another = length.saturating_add(length / i64::from(self.units.max(1)));
        let longest = i64::from(self.timescale()) * MAX_MILLIS / 1000;
        self.opens || self.unit.len() > MAX_PES_PAYLOAD / 2 || another > longest
    }

    /// What there is, to be written at once.
    pub(super) fn drain<'a>(&mut self, into: &'a mut BytesMut) -> Option<Filled<'a>> {
        into.clear();
        std::mem::swap(into, &mut self.unit);
        self.units = 0;
        (!into.is_empty()).then(|| Filled {
            name: self.name(),
            stream_id: self.stream_id,
            at: self.time(self.start),
            epoch: self.epoch,
            opens: std::mem::take(&mut self.opens),
            bytes: into,
        })
    }

    fn timescale(&self) -> u32 {
        crate::mp4::timescale(&self.track).max(1)
    }

    fn time(&self, ticks: i64) -> Timestamp {
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(self.timescale());
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// Appends the access unit `payload` as a PES packet has it. `introduce`: decoders know nothing of the track yet.
pub(super) fn put_unit(
    out: &mut BytesMut,
    codec: &Codec,
    payload: &[u8],
    introduce: bool,
) -> Result<(), Error> {
    match codec {
        Codec::Aac(config) => {
            let program = config.program.as_deref().filter(|_| introduce);
            let program = program.unwrap_or_default();
            let length = program.len() + payload.len();
            let header = config
                .adts_header(length)
                .ok_or_else(|| too_large(length, MAX_ADTS_PAYLOAD))?;
            out.put_slice(&header);
            out.put_slice(program);
        }
        Codec::Opus(_) => put_opus_header(out, payload.len()),
        Codec::Mp3(_) | Codec::Ac3(_) | Codec::Eac3(_) => {}
        other => return Err(Error::unsupported("MPEG-TS", other)),
    }
    if payload.len() > MAX_PES_PAYLOAD / 2 {
        return Err(too_large(payload.len(), MAX_PES_PAYLOAD / 2));
    }
    out.put_slice(payload);
    Ok(())
}

/// `opus_control_header`: a prefix of eleven bits, no trims, and the size in bytes of up to 255 that are added up.
fn put_opus_header(out: &mut BytesMut, length: usize) {
    out.put_slice(&[0x7F, 0xE0]);
    out.put_bytes(0xFF, length / 255);
    out.put_u8((length % 255) as u8);
}

fn too_large(length: usize, limit: usize) -> Error {
    Error::TooLarge {
        format: "MPEG-TS",
        length,
        limit,
    }
}

/// What a PES packet of known length holds behind a header with one timestamp.
pub(super) const MAX_PES_PAYLOAD: usize = 0xFFFF - 3 - 5;

/// The 13 bits of `aac_frame_length` less the header.
const MAX_ADTS_PAYLOAD: usize = (1 << 13) - 1 - 7;

/// Sound in one PES packet; where it carries the clock, that comes as often.
const MAX_MILLIS: i64 = 90;
