//! MPEG-2 transport streams of one program (ISO/IEC 13818-1), cut into segments where the caller says.
//!
//! | codec | stream type | |
//! | --- | --- | --- |
//! | H.264, HEVC | 0x1B, 0x24 | an access unit in a PES packet, with its delimiter in front |
//! | AAC | 0x0F | ADTS; a program configuration where the segment's sound begins |
//! | MP3 | 0x03, 0x04 | |
//! | AC-3, E-AC-3 | 0x81, 0x87 | registrations as ATSC and HLS have them, descriptors as DVB has them |
//! | Opus | 0x06 | registration `Opus`, DVB extension descriptor 0x80, control headers |
//! | script data for viewers | 0x15 | ID3, see [`id3`]; announced with the first message |
//!
//! Every audio track has a PID of its own. Sound is timed by its samples rather than by RTMP's milliseconds, and shares
//! PES packets: up to 90 ms in one, none over the border of a segment. The program clock comes with every video
//! frame, or with every PES packet of sound where there is no video, and between them, so that it comes at least every
//! 100 ms (§2.7.2). Timestamps are moved up by a constant, which keeps the clock ahead of the first frame positive.

use std::sync::Arc;

use bytes::BytesMut;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, Tracks};

mod clock;
mod form;
mod multiplex;
mod packet;
mod pes;
mod program;
mod sound;

#[cfg(test)]
mod tests;

use multiplex::Multiplex;
use pes::Order;
#[cfg(feature = "live")]
pub(crate) use program::crc32;
use sound::Sound;

use crate::{Error, annexb, id3};

/// Turns the frames of one stream into transport packets.
///
/// Continuity counters, the version of the program map and the clock go on over all segments.
#[derive(Debug, Default)]
pub struct Muxer {
    /// Of the open segment.
    tracks: Tracks,
    multiplex: Multiplex,
    order: Order,
    sounds: Vec<Sound>,
    /// The access unit at hand, and the PES packet that is written because of it.
    unit: BytesMut,
    filled: BytesMut,
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
        let same = |(one, other): (&Arc<Track>, &Arc<Track>)| one.decodes_like(other);
        let count = self.tracks.iter().count() == tracks.iter().count();
        if !(count && self.tracks.iter().zip(tracks.iter()).all(same)) {
            // Other tracks are another run: what comes is timed anew.
            self.sounds.clear();
            self.tracks = tracks.clone();
        }
        self.sounds.iter_mut().for_each(Sound::open);
        self.multiplex.program.set(tracks);
        self.multiplex.program.write(out);
    }

    /// Appends `frame` as whole transport packets; sound may wait for more of its kind, until
    /// [`Muxer::finish_segment`]. Script data that is not for viewers appends nothing.
    ///
    /// A track that the tables do not name yet is announced in new ones first.
    ///
    /// # Errors
    /// [`Error`] for a frame that cannot be carried; `out` is then as before and the stream goes on without it.
    pub fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) -> Result<(), Error> {
        match frame.kind() {
            Kind::Data => self.push_message(frame, out),
            _ if frame.payload.is_empty() => Ok(()),
            // There is one picture.
            Kind::Video if !frame.is_default => Ok(()),
            Kind::Video => self.push_picture(frame, out),
            Kind::Audio => self.push_sound(frame, out),
        }
    }

    /// Whether a transport stream has a place for what `track` carries.
    pub fn carries(track: &Track) -> bool {
        form::Form::of(track).is_some()
    }

    /// Appends the sound that waits for more. Call it before what comes next goes to another segment.
    pub fn finish_segment(&mut self, out: &mut BytesMut) {
        for sound in &mut self.sounds {
            if let Some(filled) = sound.drain(&mut self.filled) {
                self.multiplex.write_sound(&filled, out);
            }
        }
    }

    fn push_picture(&mut self, frame: &MediaFrame, out: &mut BytesMut) -> Result<(), Error> {
        self.unit.clear();
        pes::write_header(&mut self.unit, form::VIDEO, 0, self.order.stamps(frame));
        let header = self.unit.len();
        match &frame.track.codec {
            Codec::Avc(config) => {
                annexb::write_access_unit(&mut self.unit, config, &frame.payload, frame.key)?;
            }
            Codec::Hevc(config) => {
                annexb::write_access_unit(&mut self.unit, config, &frame.payload, frame.key)?;
            }
            other => return Err(Error::unsupported("MPEG-TS", other)),
        }
        if self.unit.len() > header {
            let changed = self.multiplex.announce(&frame.track)?;
            self.multiplex.write_tables(changed, out);
            self.multiplex.write_picture(frame, &self.unit, out);
        }
        Ok(())
    }

    fn push_sound(&mut self, frame: &MediaFrame, out: &mut BytesMut) -> Result<(), Error> {
        let name = frame.track.name();
        let known = self.sounds.iter().find(|sound| sound.name() == name);
        let is_known = known.is_some();
        let introduced = known.is_some_and(|sound| sound.is_introduced(frame));
        self.unit.clear();
        let (codec, payload) = (&frame.track.codec, &frame.payload);
        sound::put_unit(&mut self.unit, codec, payload, !introduced)?;
        let changed = self.multiplex.announce(&frame.track)?;
        if !is_known {
            self.sounds.push(Sound::new(frame));
        }
        let Some(sound) = self.sounds.iter_mut().find(|sound| sound.name() == name) else {
            return Ok(());
        };
        if !sound.continues(frame) {
            if let Some(rest) = sound.drain(&mut self.filled) {
                self.multiplex.write_sound(&rest, out);
            }
            *sound = Sound::new(frame);
        }
        self.multiplex.write_tables(changed, out);
        self.multiplex.keep_time(frame, out);
        if let Some(filled) = sound.take(frame, &self.unit, &mut self.filled) {
            self.multiplex.write_sound(&filled, out);
        }
        if sound.is_full()
            && let Some(filled) = sound.drain(&mut self.filled)
        {
            self.multiplex.write_sound(&filled, out);
        }
        Ok(())
    }

    fn push_message(&mut self, frame: &MediaFrame, out: &mut BytesMut) -> Result<(), Error> {
        let Some(tag) = id3::tag(&frame.payload)? else {
            return Ok(());
        };
        let changed = self.multiplex.program.announce_metadata();
        self.multiplex.write_tables(changed, out);
        self.multiplex.write_metadata(frame, &tag, out);
        Ok(())
    }
}
