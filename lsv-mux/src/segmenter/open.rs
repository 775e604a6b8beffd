//! The segment that grows, apart from its CMAF tracks.

use bytes::{Bytes, BytesMut};
use lsv_core::media::{Kind, MediaFrame, Tracks};
use lsv_core::time::Timestamp;

use super::segment::{Event, Run, TsSegment};
use crate::{Error, ts};

/// The MPEG-TS multiplexer of the stream.
#[derive(Debug, Default)]
pub(super) struct Muxer {
    ts: ts::Muxer,
    /// It was said once that some frames cannot be carried.
    warned: bool,
    /// What it said of a codec that it does not carry.
    pub(super) refusal: Option<String>,
}

impl Muxer {
    fn refuse(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(%error, "HLS goes on without these frames");
        }
        if self.refusal.is_none() && matches!(error, Error::Unsupported { .. }) {
            self.refusal = Some(error.to_string());
        }
    }
}

/// The open segment.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sequence: u64,
    pub(super) discontinuity: bool,
    /// Where it begins by the decoding clock, and the [`Segment::start`](super::Segment::start) that follows.
    pub(super) from: Timestamp,
    pub(super) start: Timestamp,
    pub(super) independent: bool,
    pub(super) cmaf: bool,
    /// Transport packets so far. Copied out when the segment closes: a buffer that grows has room to spare, which
    /// every segment in the window would keep.
    ts: Option<BytesMut>,
    ts_frames: u32,
    ts_pictures: u32,
    events: Vec<Event>,
    event_bytes: usize,
}

impl Open {
    /// Segment `sequence`, opened by `first`.
    pub(super) fn new(sequence: u64, discontinuity: bool, first: &MediaFrame) -> Self {
        Self {
            sequence,
            discontinuity,
            from: first.dts,
            start: first.pts(),
            // Sound can begin anywhere, also where the hub lets no viewer start.
            independent: first.key || first.kind() == Kind::Audio,
            cmaf: false,
            ts: None,
            ts_frames: 0,
            ts_pictures: 0,
            events: Vec::new(),
            event_bytes: 0,
        }
    }

    /// The segment after this one, which begins where the decoding clock is at `from`.
    pub(super) fn advance(&mut self, from: Timestamp, run: &Run, independent: bool) {
        self.sequence += 1;
        self.discontinuity = false;
        (self.from, self.start) = (from, from + run.composition);
        self.independent = independent;
    }

    /// Turns MPEG-TS on, with tables of `tracks`, or off.
    pub(super) fn begin_ts(&mut self, on: bool, tracks: &Tracks, muxer: &mut Muxer) {
        match on {
            true => muxer
                .ts
                .start_segment(tracks, self.ts.get_or_insert_default()),
            false => self.ts = None,
        }
    }

    /// Puts `frame` of `run` into the transport stream, where there is one. The timeline of each run is its own: pictures
    /// that are repeated come earlier than others before them.
    pub(super) fn push_ts(&mut self, frame: &MediaFrame, run: &Run, muxer: &mut Muxer) {
        let Some(out) = &mut self.ts else {
            return;
        };
        let mut frame = frame.clone();
        frame.epoch = run.number as u32;
        match muxer.ts.push(&frame, out) {
            Ok(()) => {
                self.ts_frames += u32::from(frame.kind() != Kind::Data);
                self.ts_pictures += u32::from(frame.kind() == Kind::Video);
            }
            Err(error) => muxer.refuse(&error),
        }
    }

    /// Remembers the script data message `frame`. False for one too many.
    pub(super) fn push_event(&mut self, frame: &MediaFrame) -> bool {
        let bytes = self.event_bytes.saturating_add(frame.payload.len());
        if self.events.len() >= MAX_EVENTS || bytes > MAX_EVENT_BYTES {
            return false;
        }
        self.event_bytes = bytes;
        self.events.push(Event {
            at: frame.dts,
            body: frame.payload.clone(),
        });
        true
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.event_bytes = 0;
        std::mem::take(&mut self.events)
    }

    pub(super) fn take_ts(&mut self, muxer: &mut Muxer) -> Option<TsSegment> {
        let packets = self.ts.as_mut()?;
        muxer.ts.finish_segment(packets);
        let bytes = Bytes::copy_from_slice(packets);
        packets.clear();
        let pictures = std::mem::take(&mut self.ts_pictures);
        (std::mem::take(&mut self.ts_frames) > 0).then_some(TsSegment {
            bytes,
            pictures,
            independent: self.independent,
        })
    }

    /// What it holds in memory: small frames grow to many times their size on the way.
    pub(super) fn size(&self) -> usize {
        self.ts.as_ref().map_or(0, BytesMut::len) + self.event_bytes
    }
}

/// Script data messages that a segment keeps: some a second, in a segment of many.
const MAX_EVENTS: usize = 256;

/// Their bytes together. An SCTE-35 section has 4 KiB at most, and as text half as much again.
const MAX_EVENT_BYTES: usize = 64 << 10;
