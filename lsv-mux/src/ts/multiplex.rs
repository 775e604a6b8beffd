//! The streams of the program put together: each packet on its PID, the clock among them.

use bytes::{BufMut, BytesMut};
use lsv_core::media::{MediaFrame, Track};

use super::clock::ProgramClock;
use super::packet::{self, Adaptation};
use super::pes::{self, Stamps};
use super::program::Program;
use super::sound::Filled;
use crate::Error;

/// The program, its clock, and where the next packet of each PID stands.
#[derive(Debug, Default)]
pub(super) struct Multiplex {
    pub(super) program: Program,
    clock: ProgramClock,
    unit: BytesMut,
}

impl Multiplex {
    /// Makes `track` part of the program; true where the tables have to say so first.
    pub(super) fn announce(&mut self, track: &Track) -> Result<bool, Error> {
        let announced = self.program.announce(track);
        announced.ok_or_else(|| Error::unsupported("MPEG-TS", &track.codec))
    }

    /// Appends the tables where they `changed`.
    pub(super) fn write_tables(&mut self, changed: bool, out: &mut BytesMut) {
        if changed {
            self.program.write(out);
        }
    }

    /// Appends the clock as often as it takes until `frame`.
    pub(super) fn keep_time(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        let (epoch, carrier) = (frame.epoch, self.program.clock_track());
        let carries = carrier == Some(frame.track.name());
        while let Some(at) = self.clock.due(epoch, frame.dts, carries) {
            let mut alone = Adaptation::default();
            self.clock.tick(epoch, at, &mut alone);
            if let Some(lane) = carrier.and_then(|carrier| self.program.lane(carrier)) {
                packet::write_clock(out, lane.pid, lane.counter, &alone);
            }
        }
    }

    /// Appends the PES packet `unit` of the video frame `frame`.
    pub(super) fn write_picture(&mut self, frame: &MediaFrame, unit: &[u8], out: &mut BytesMut) {
        self.keep_time(frame, out);
        let name = frame.track.name();
        let mut adaptation = Adaptation {
            random_access: frame.key,
            ..Adaptation::default()
        };
        if self.program.clock_track() == Some(name) {
            self.clock.tick(frame.epoch, frame.dts, &mut adaptation);
        }
        if let Some(lane) = self.program.lane(name) {
            packet::write_unit(out, lane.pid, lane.counter, &adaptation, unit);
        }
    }

    /// Appends access units of sound as a PES packet.
    pub(super) fn write_sound(&mut self, filled: &Filled<'_>, out: &mut BytesMut) {
        let mut adaptation = Adaptation {
            random_access: filled.opens,
            ..Adaptation::default()
        };
        if self.program.clock_track() == Some(filled.name) {
            self.clock.tick(filled.epoch, filled.at, &mut adaptation);
        }
        let Some(lane) = self.program.lane(filled.name) else {
            return;
        };
        let (unit, stamps) = (&mut self.unit, Stamps::at(filled.at));
        unit.clear();
        pes::write_header(unit, filled.stream_id, filled.bytes.len(), stamps);
        unit.put_slice(filled.bytes);
        packet::write_unit(out, lane.pid, lane.counter, &adaptation, unit);
    }

    /// Appends the ID3 tag `tag` as a PES packet, to be seen when `frame` says.
    pub(super) fn write_metadata(&mut self, frame: &MediaFrame, tag: &[u8], out: &mut BytesMut) {
        let Some(lane) = self.program.metadata_lane() else {
            return;
        };
        let (unit, stamps) = (&mut self.unit, Stamps::at(frame.pts()));
        unit.clear();
        pes::write_header(unit, lane.stream_id, tag.len(), stamps);
        unit.put_slice(tag);
        let adaptation = Adaptation {
            random_access: true,
            ..Adaptation::default()
        };
        packet::write_unit(out, lane.pid, lane.counter, &adaptation, unit);
    }
}
