//! MPEG-2 transport streams of one program (ISO/IEC 13818-1), cut into segments where the caller says.
//!
//! Each access unit is one PES packet. The program clock is written with every video frame, or with every audio
//! frame where there is no video, and between them when pictures are rare, so that it comes at least every 100 ms
//! (§2.7.2). Timestamps are moved up by a constant, which keeps the clock ahead of the first frame positive.

use bytes::{BufMut, BytesMut};
use lsv_core::media::{Codec, Kind, MediaFrame, Tracks};
use lsv_core::time::Timestamp;

mod packet;
mod pes;
mod program;

#[cfg(test)]
mod tests;

use packet::{Adaptation, Counter};
use program::Program;
#[cfg(feature = "live")]
pub(crate) use program::crc32;

use crate::{Error, annexb};

/// Turns the frames of one stream into transport packets.
///
/// Continuity counters, the version of the program map and the clock go on over all segments.
#[derive(Debug, Default)]
pub struct Muxer {
    program: Program,
    video: Counter,
    audio: Counter,
    clock: Clock,
    unit: BytesMut,
}

impl Muxer {
    /// A muxer that has written nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the program tables for `tracks`, without which no segment can be decoded on its own.
    ///
    /// Tracks whose codec the transport stream does not carry are left out.
    pub fn start_segment(&mut self, tracks: &Tracks, out: &mut BytesMut) {
        let stream_type = |track: &Option<_>| track.as_ref().and_then(program::stream_type);
        let (video, audio) = (stream_type(&tracks.video), stream_type(&tracks.audio));
        self.program.announce(Kind::Video, video);
        self.program.announce(Kind::Audio, audio);
        self.program.write(out);
    }

    /// Appends `frame` as whole transport packets; script data appends nothing.
    ///
    /// A track that the tables do not name yet is announced in new ones first.
    ///
    /// # Errors
    /// [`Error`] for a frame that cannot be carried; `out` is then as before and the stream goes on without it.
    pub fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) -> Result<(), Error> {
        if frame.kind() == Kind::Data || frame.payload.is_empty() {
            return Ok(());
        }
        let stream_type = program::stream_type(&frame.track)
            .ok_or_else(|| Error::unsupported("MPEG-TS", &frame.track.codec))?;
        if !self.write_unit(frame)? {
            return Ok(());
        }
        if self.program.announce(frame.kind(), Some(stream_type)) {
            self.program.write(out);
        }
        let carries_clock = self.program.clock_kind() == frame.kind();
        let mut adaptation = Adaptation {
            random_access: frame.key,
            ..Adaptation::default()
        };
        if carries_clock {
            self.clock.tick(frame, &mut adaptation);
        } else if self.clock.is_due(frame) {
            let mut alone = Adaptation::default();
            self.clock.tick(frame, &mut alone);
            packet::write_clock(out, packet::VIDEO_PID, &self.video, &alone);
        }
        let (pid, counter) = match frame.kind() {
            Kind::Video => (packet::VIDEO_PID, &mut self.video),
            _ => (packet::AUDIO_PID, &mut self.audio),
        };
        packet::write_unit(out, pid, counter, &adaptation, &self.unit);
        Ok(())
    }

    fn write_picture(
        &mut self,
        config: annexb::Config<'_>,
        frame: &MediaFrame,
    ) -> Result<bool, Error> {
        pes::write_header(&mut self.unit, pes::VIDEO, 0, frame);
        let header = self.unit.len();
        annexb::write_access_unit(&mut self.unit, config, &frame.payload, frame.key)?;
        Ok(self.unit.len() > header)
    }

    /// Makes the PES packet of `frame` in `self.unit`; false when the access unit holds nothing.
    fn write_unit(&mut self, frame: &MediaFrame) -> Result<bool, Error> {
        self.unit.clear();
        let payload = &frame.payload;
        match &frame.track.codec {
            Codec::Avc(config) => self.write_picture(config.into(), frame),
            Codec::Hevc(config) => self.write_picture(config.into(), frame),
            Codec::Aac(config) => {
                let adts = config.adts_header(payload.len()).ok_or(Error::TooLarge {
                    format: "MPEG-TS",
                    length: payload.len(),
                    limit: MAX_ADTS_PAYLOAD,
                })?;
                pes::write_header(
                    &mut self.unit,
                    pes::AUDIO,
                    adts.len() + payload.len(),
                    frame,
                );
                self.unit.put_slice(&adts);
                self.unit.put_slice(payload);
                Ok(true)
            }
            other => Err(Error::unsupported("MPEG-TS", other)),
        }
    }
}

/// When the program clock was last written, and on which timeline.
#[derive(Debug, Default)]
struct Clock {
    last: Option<(u32, Timestamp)>,
}

impl Clock {
    /// Puts the clock at `frame` into `adaptation`. It never runs backwards; a new epoch is a discontinuity.
    fn tick(&mut self, frame: &MediaFrame, adaptation: &mut Adaptation) {
        let at = match self.last {
            Some((epoch, last)) if epoch == frame.epoch => frame.dts.max(last),
            Some(_) => {
                adaptation.discontinuity = true;
                frame.dts
            }
            None => frame.dts,
        };
        self.last = Some((frame.epoch, at));
        adaptation.clock = Some(pes::clock(at));
    }

    /// True when waiting for another frame of the track that carries the clock could be too long.
    fn is_due(&self, frame: &MediaFrame) -> bool {
        self.last
            .is_some_and(|(epoch, last)| epoch == frame.epoch && frame.dts - last > MAX_CLOCK_AGE)
    }
}

/// Half the 100 ms of §2.7.2, which leaves time for the next audio frame to come.
const MAX_CLOCK_AGE: Timestamp = Timestamp::from_millis(50);

/// The 13 bits of `aac_frame_length` less the header.
const MAX_ADTS_PAYLOAD: usize = (1 << 13) - 1 - 7;
