//! Transport packets: 188 bytes, each with its place in a counted sequence (ISO/IEC 13818-1 §2.4.3.2).

use bytes::{BufMut, BytesMut};

/// The PID of the program map.
pub(super) const PROGRAM_MAP_PID: u16 = 0x1000;
/// The PID of the video stream; those of other streams follow.
pub(super) const FIRST_PID: u16 = 0x0100;

/// The continuity counter of one PID: the value of its next packet with payload.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter(u8);

impl Counter {
    fn next(&mut self) -> u8 {
        let value = self.0;
        self.0 = (value + 1) & 0x0F;
        value
    }

    fn last(self) -> u8 {
        self.0.wrapping_sub(1) & 0x0F
    }
}

/// What the adaptation field of the first packet of an access unit says (§2.4.3.4).
#[derive(Debug, Default)]
pub(super) struct Adaptation {
    /// The clock, in a new time base from here on.
    pub(super) discontinuity: bool,
    /// Decoding may start here.
    pub(super) random_access: bool,
    /// `program_clock_reference_base`, in 33 bits at 90 kHz.
    pub(super) clock: Option<u64>,
}

impl Adaptation {
    fn flags(&self) -> u8 {
        u8::from(self.discontinuity) << 7
            | u8::from(self.random_access) << 6
            | u8::from(self.clock.is_some()) << 4
    }

    /// The bytes of the field with its length, 0 when it has nothing to say.
    fn size(&self) -> usize {
        match (self.flags(), self.clock) {
            (0, _) => 0,
            (_, None) => 2,
            (_, Some(_)) => 8,
        }
    }

    /// Appends the field, stuffed to `size` bytes; `size` is at least `self.size()`.
    fn write(&self, out: &mut BytesMut, size: usize) {
        let Some(length) = size.checked_sub(1) else {
            return;
        };
        out.put_u8(length as u8);
        if length == 0 {
            return;
        }
        out.put_u8(self.flags());
        let mut written = 2;
        if let Some(base) = self.clock {
            // 33 bits of base, 6 reserved bits set, 9 bits of extension.
            let field = base << 15 | 0x7E00;
            out.put_uint(field, 6);
            written += 6;
        }
        out.put_bytes(0xFF, size.saturating_sub(written));
    }
}

/// Appends `unit` as packets of `pid`, the last one stuffed in its adaptation field.
pub(super) fn write_unit(
    out: &mut BytesMut,
    pid: u16,
    counter: &mut Counter,
    first: &Adaptation,
    unit: &[u8],
) {
    out.reserve((unit.len() / PAYLOAD_SIZE + 2) * PACKET_SIZE);
    let none = Adaptation::default();
    let (mut adaptation, mut rest, mut start) = (first, unit, true);
    while !rest.is_empty() {
        let (payload, tail) = rest.split_at(rest.len().min(PAYLOAD_SIZE - adaptation.size()));
        let field_size = PAYLOAD_SIZE - payload.len();
        let control = if field_size == 0 { 0x10 } else { 0x30 };
        write_header(out, pid, start, control | counter.next());
        adaptation.write(out, field_size);
        out.put_slice(payload);
        (adaptation, rest, start) = (&none, tail, false);
    }
}

/// Appends a packet of `pid` that has no payload, for its clock alone; such packets do not count (§2.4.3.3).
pub(super) fn write_clock(
    out: &mut BytesMut,
    pid: u16,
    counter: &Counter,
    adaptation: &Adaptation,
) {
    write_header(out, pid, false, 0x20 | counter.last());
    adaptation.write(out, PAYLOAD_SIZE);
}

/// Appends a program table as packets of `pid`, the last one filled up (§2.4.4).
pub(super) fn write_section(out: &mut BytesMut, pid: u16, counter: &mut Counter, section: &[u8]) {
    let (mut rest, mut start) = (section, true);
    while start || !rest.is_empty() {
        write_header(out, pid, start, 0x10 | counter.next());
        let mut room = PAYLOAD_SIZE;
        if start {
            // The section starts right behind this.
            out.put_u8(0);
            room -= 1;
        }
        let (content, tail) = rest.split_at(rest.len().min(room));
        out.put_slice(content);
        out.put_bytes(0xFF, room - content.len());
        (rest, start) = (tail, false);
    }
}

fn write_header(out: &mut BytesMut, pid: u16, start: bool, control: u8) {
    out.put_u8(SYNC_BYTE);
    out.put_u16(u16::from(start) << 14 | pid);
    out.put_u8(control);
}

const SYNC_BYTE: u8 = 0x47;
const PACKET_SIZE: usize = 188;
/// What follows the four bytes of header: adaptation field and payload.
const PAYLOAD_SIZE: usize = 184;
