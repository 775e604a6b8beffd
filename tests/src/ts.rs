//! MPEG-TS segments as the crate `mpeg2ts` reads them, and the packet headers as they stand.

use std::collections::HashMap;

use mpeg2ts::pes::{PesPacketReader, ReadPesPacket as _};
use mpeg2ts::ts::{ReadTsPacket as _, TsPacketReader, TsPayload};

/// Reads the segments of one stream in their order: continuity counts over all of them.
#[derive(Debug, Default)]
pub struct Reader {
    counters: HashMap<u16, u8>,
}

/// A segment.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// Access units of video.
    pub video: Vec<Unit>,
    /// Access units of audio, of all tracks; PES packets may hold several.
    pub audio: Vec<Unit>,
    /// The types of the elementary streams (ISO/IEC 13818-1 table 2-34).
    pub stream_types: Vec<u8>,
}

/// A PES packet; times in ticks of 90 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Presentation time.
    pub pts: u64,
    /// Decoding time.
    pub dts: u64,
    /// Its first packet is a random access point.
    pub key: bool,
}

impl Reader {
    /// Reads the next segment.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn segment(&mut self, bytes: &[u8]) -> Result<Segment, String> {
        if !bytes.len().is_multiple_of(PACKET) || bytes.is_empty() {
            return Err(format!("{} bytes are not whole packets", bytes.len()));
        }
        let (video_pid, clock_pid, stream_types) = tables(bytes)?;
        let (keys, clocks) = self.packets(bytes, video_pid, clock_pid)?;
        let mut segment = Segment {
            stream_types,
            ..Segment::default()
        };
        let mut reader = PesPacketReader::new(TsPacketReader::new(bytes));
        while let Some(packet) = reader
            .read_pes_packet()
            .map_err(|error| error.to_string())?
        {
            let pts = packet
                .header
                .pts
                .ok_or("a PES packet without PTS")?
                .as_u64();
            let dts = packet.header.dts.map_or(pts, |dts| dts.as_u64());
            if since(pts, dts) > HALF {
                return Err(format!("PTS {pts} lies before DTS {dts}"));
            }
            match packet.header.stream_id.is_video() {
                true => {
                    let key = keys
                        .get(segment.video.len())
                        .copied()
                        .ok_or("a PES packet too many")?;
                    segment.video.push(Unit { pts, dts, key });
                }
                false => segment.audio.push(Unit {
                    pts,
                    dts,
                    key: true,
                }),
            }
        }
        check_clock(&segment, &clocks)?;
        Ok(segment)
    }

    /// Goes over the packet headers: which pictures are random access points, and the clock references.
    fn packets(
        &mut self,
        bytes: &[u8],
        video_pid: Option<u16>,
        clock_pid: u16,
    ) -> Result<(Vec<bool>, Vec<u64>), String> {
        let (mut keys, mut clocks) = (Vec::new(), Vec::new());
        for (index, packet) in bytes.chunks(PACKET).enumerate() {
            let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
            let (has_adaptation, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
            let counter = packet[3] & 0x0F;
            if has_payload {
                let before = self.counters.insert(pid, counter);
                if before.is_some_and(|before| (before + 1) & 0x0F != counter) {
                    return Err(format!(
                        "packet {index} of PID {pid}: continuity {before:?} then {counter}"
                    ));
                }
            }
            let flags = if has_adaptation && packet[4] > 0 {
                packet[5]
            } else {
                0
            };
            if packet[1] & 0x40 != 0 && Some(pid) == video_pid {
                keys.push(flags & 0x40 != 0);
            }
            if flags & 0x10 != 0 {
                if pid != clock_pid {
                    return Err(format!(
                        "packet {index}: a clock reference on PID {pid}, not {clock_pid}"
                    ));
                }
                let base = u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]]);
                clocks.push(u64::from(base) << 1 | u64::from(packet[10] >> 7));
            }
        }
        Ok((keys, clocks))
    }
}

/// The tables that a segment opens with: the PID of video, that of the clock, and the stream types.
fn tables(bytes: &[u8]) -> Result<(Option<u16>, u16, Vec<u8>), String> {
    let mut reader = TsPacketReader::new(bytes);
    let mut next = || {
        let packet = reader.read_ts_packet().map_err(|error| error.to_string())?;
        Ok::<_, String>(packet.and_then(|packet| packet.payload))
    };
    let Some(TsPayload::Pat(_)) = next()? else {
        return Err("a segment does not open with a PAT".to_owned());
    };
    let Some(TsPayload::Pmt(map)) = next()? else {
        return Err("no PMT behind the PAT".to_owned());
    };
    let types = map.es_info.iter().map(|stream| stream.stream_type as u8);
    let types: Vec<u8> = types.collect();
    let video = map
        .es_info
        .iter()
        .find(|stream| VIDEO_TYPES.contains(&(stream.stream_type as u8)));
    let clock = map.pcr_pid.ok_or("no clock PID")?.as_u16();
    Ok((
        video.map(|stream| stream.elementary_pid.as_u16()),
        clock,
        types,
    ))
}

/// A clock reference at least every 100 ms (ISO/IEC 13818-1 §2.7.2), in order, none behind what is decoded with it.
fn check_clock(segment: &Segment, clocks: &[u64]) -> Result<(), String> {
    let leading = if segment.video.is_empty() {
        &segment.audio
    } else {
        &segment.video
    };
    let (Some(first), Some(clock)) = (leading.first(), clocks.first()) else {
        return Err("no clock reference, or nothing to play".to_owned());
    };
    if since(first.dts, *clock) > TWO_SECONDS {
        return Err(format!(
            "the clock begins at {clock}, decoding at {}",
            first.dts
        ));
    }
    for pair in clocks.windows(2) {
        let step = since(pair[1], pair[0]);
        // A picture every second still brings the clock along with the sound; nothing else does where there is none.
        if step > CLOCK_INTERVAL && !(segment.audio.is_empty() || segment.video.is_empty()) {
            return Err(format!("the clock steps from {} by {step} ticks", pair[0]));
        }
        if step > HALF {
            return Err(format!("the clock runs backwards at {}", pair[0]));
        }
    }
    Ok(())
}

/// Ticks from `earlier` to `later` on the clock of 33 bits.
#[must_use]
pub fn since(later: u64, earlier: u64) -> u64 {
    later.wrapping_sub(earlier) & (2 * HALF - 1)
}

const PACKET: usize = 188;
const HALF: u64 = 1 << 32;
const TWO_SECONDS: u64 = 180_000;
const CLOCK_INTERVAL: u64 = 9_000;

/// H.264, HEVC.
const VIDEO_TYPES: [u8; 2] = [0x1B, 0x24];
