//! H.265: the `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1) and of the sequence parameter set what
//! playlists and sample entries need (ISO/IEC 23008-2 §7.3.2.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::nal::{in_front, numbered, put_units, read_units, replaced};
use super::{InvalidConfig, MAX_RECORD_BYTES, Picture};
use crate::wire::{Reader, Truncated};

mod sps;

use sps::Sps;

/// A parsed `HEVCDecoderConfigurationRecord`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came.
    pub record: Bytes,
    /// `general_profile_space`, `general_tier_flag` and `general_profile_idc`, in one byte as coded.
    pub profile: u8,
    /// `general_profile_compatibility_flag`, the first in the top bit.
    pub compatibility: u32,
    /// The 48 bits of `general_constraint_indicator_flags`.
    pub constraints: [u8; 6],
    /// `general_level_idc`, thirty times the level.
    pub level: u8,
    /// Bytes of the length in front of each NAL unit: 1, 2 or 4.
    pub length_size: u8,
    /// Video parameter sets, each a NAL unit without length or start code.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets, likewise.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, likewise.
    pub pps: Vec<Bytes>,
    /// Supplemental enhancement information about the whole stream, likewise: HDR metadata among it.
    pub sei: Vec<Bytes>,
    /// What the first sequence parameter set says of the pictures.
    pub picture: Picture,
}

impl Config {
    /// Parses `record`; parameter sets share its memory.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let mut reader = Reader::new(&record);
        if reader.u8()? != 1 {
            return Err(InvalidConfig::Field("version"));
        }
        let profile = reader.u8()?;
        let compatibility = reader.u32()?;
        let mut constraints = [0; 6];
        constraints.copy_from_slice(reader.take(6)?);
        let level = reader.u8()?;
        // Segmentation, parallelism, chroma format and bit depths, average frame rate: the parameter sets say it better.
        reader.take(8)?;
        let length_size = (reader.u8()? & 3) + 1;
        if length_size == 3 {
            return Err(InvalidConfig::Field("NAL unit length size"));
        }
        let mut sets = Sets::default();
        for _ in 0..reader.u8()? {
            let unit_type = reader.u8()? & 0x3F;
            let count = reader.u16()?;
            if count > MAX_UNITS {
                return Err(InvalidConfig::Field("number of parameter sets"));
            }
            sets.add(unit_type, read_units(&record, &mut reader, count)?)?;
        }
        let first = sets.sps.first();
        let picture = Sps::parse(first.ok_or(InvalidConfig::Field("number of SPS"))?)?.picture;
        Ok(Self {
            profile,
            compatibility,
            constraints,
            level,
            length_size,
            picture,
            vps: sets.vps,
            sps: sets.sps,
            pps: sets.pps,
            sei: sets.sei,
            record,
        })
    }

    /// The codec string (ISO/IEC 14496-15 §E.3), such as `hvc1.1.6.L93.B0`.
    pub fn rfc6381(&self) -> String {
        let space = match self.profile >> 6 {
            1 => "A",
            2 => "B",
            3 => "C",
            _ => "",
        };
        let tier = if self.profile & 0x20 == 0 { 'L' } else { 'H' };
        let mut string = format!(
            "hvc1.{space}{}.{:X}.{tier}{}",
            self.profile & 0x1F,
            self.compatibility.reverse_bits(),
            self.level
        );
        let told = self.constraints.iter().rposition(|byte| *byte != 0);
        for byte in self
            .constraints
            .iter()
            .take(told.map_or(0, |last| last + 1))
        {
            string.push_str(&format!(".{byte:X}"));
        }
        string
    }

    /// The parameter sets and what else a decoder gets before the first picture, in their order.
    pub fn parameter_sets(&self) -> impl Iterator<Item = &Bytes> {
        let sets = [&self.vps, &self.sps, &self.pps, &self.sei];
        sets.into_iter().flatten()
    }

    /// The record with what `hvc1` demands of it (ISO/IEC 14496-15 §8.4.1.1): arrays of parameter sets that say of
    /// themselves that they are complete, which encoders leave open.
    pub fn complete_record(&self) -> Bytes {
        let mut record = BytesMut::from(&self.record[..]);
        for at in arrays(&self.record) {
            if let Some(head) = record.get_mut(at) {
                let is_parameter_set = (nal::VPS..=nal::PPS).contains(&(*head & 0x3F));
                *head = (*head & !ARRAY_COMPLETE) | (u8::from(is_parameter_set) * ARRAY_COMPLETE);
            }
        }
        record.freeze()
    }

    /// The supplemental enhancement information in front of the picture of an access unit, without the headers of its NAL
    /// units.
    pub(crate) fn messages<'a>(
        &self,
        access_unit: &'a [u8],
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        in_front(access_unit, self.length_size, |_| false)
            .filter(|unit| nal::unit_type(unit) == nal::PREFIX_SEI)
            .filter_map(|unit| unit.get(2..))
    }

    /// The configuration that the access unit `key_frame` brings with it, where its parameter sets are others.
    ///
    /// Under `hvc1` a decoder looks for none in the access units. A video or picture parameter set takes the place of the
    /// one with its number; those that the access unit leaves out stay.
    pub(crate) fn brought_by(&self, key_frame: &[u8]) -> Option<Self> {
        let mut brought = Sets::default();
        let is_slice = |unit: &[u8]| nal::unit_type(unit) < nal::VPS;
        for unit in in_front(key_frame, self.length_size, is_slice) {
            let unit_type = nal::unit_type(unit);
            let is_parameter_set = match unit_type {
                nal::VPS => vps_id(unit).is_some(),
                nal::SPS => true,
                nal::PPS => pps_id(unit).is_some(),
                _ => false,
            };
            if is_parameter_set {
                let unit = vec![Bytes::copy_from_slice(unit)];
                brought.add(unit_type, unit).ok()?;
            }
        }
        let same_sps = brought.sps.iter().all(|unit| self.sps.contains(unit));
        // What went with other sequence parameter sets goes with them.
        let keeps = |brought: &[Bytes]| same_sps || brought.is_empty();
        let known_vps = if keeps(&brought.vps) {
            &self.vps[..]
        } else {
            &[]
        };
        let known_pps = if keeps(&brought.pps) {
            &self.pps[..]
        } else {
            &[]
        };
        let mut sets = Sets {
            vps: replaced(known_vps, brought.vps, vps_id),
            sps: brought.sps,
            pps: replaced(known_pps, brought.pps, pps_id),
            sei: Vec::new(),
        };
        if same_sps {
            if sets.vps == self.vps && sets.pps == self.pps {
                return None;
            }
            sets.sps.clone_from(&self.sps);
            sets.sei.clone_from(&self.sei);
        }
        let record = sets.record(self.length_size).ok()?;
        Self::parse(record).ok()
    }
}

/// Where the arrays of `record`, which was parsed, have their first byte.
fn arrays(record: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut reader = Reader::new(record);
    let mut walk = || -> Result<(), Truncated> {
        reader.take(ARRAYS_AT)?;
        for _ in 0..reader.u8()? {
            found.push(record.len() - reader.rest().len());
            reader.u8()?;
            for _ in 0..reader.u16()? {
                let length = reader.u16()?;
                reader.take(usize::from(length))?;
            }
        }
        Ok(())
    };
    // A record that was parsed has them all.
    let _complete = walk();
    found
}

/// `vps_video_parameter_set_id`, in four bits behind the header.
fn vps_id(unit: &[u8]) -> Option<u32> {
    unit.get(2).map(|byte| u32::from(byte >> 4))
}

/// `pps_pic_parameter_set_id`, of which there are 64.
fn pps_id(unit: &[u8]) -> Option<u32> {
    numbered(unit.get(2..)?, 64)
}

/// NAL unit types that outputs look at (ISO/IEC 23008-2 table 7-1).
pub mod nal {
    /// The first of the pictures where decoding may start, `BLA_W_LP`.
    pub const FIRST_RANDOM_ACCESS: u8 = 16;
    /// The last of them, of those that are defined: `CRA_NUT`.
    pub const LAST_RANDOM_ACCESS: u8 = 21;
    /// Video parameter set; all below are slices.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// Supplemental enhancement information in front of the picture.
    pub const PREFIX_SEI: u8 = 39;

    /// The type in the first byte of a NAL unit.
    pub fn unit_type(nal: &[u8]) -> u8 {
        nal.first().map_or(0, |byte| (byte >> 1) & 0x3F)
    }
}

/// NAL units by their type.
#[derive(Default)]
struct Sets {
    vps: Vec<Bytes>,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
    sei: Vec<Bytes>,
}

impl Sets {
    fn add(&mut self, unit_type: u8, units: Vec<Bytes>) -> Result<(), InvalidConfig> {
        let set = match unit_type {
            nal::VPS => &mut self.vps,
            nal::SPS => &mut self.sps,
            nal::PPS => &mut self.pps,
            nal::PREFIX_SEI => &mut self.sei,
            _ => return Ok(()),
        };
        set.extend(units);
        match set.len() > usize::from(MAX_UNITS) {
            true => Err(InvalidConfig::Field("number of parameter sets")),
            false => Ok(()),
        }
    }

    /// The record that says these parameter sets.
    fn record(&self, length_size: u8) -> Result<Bytes, InvalidConfig> {
        let first = self.sps.first();
        let said = Sps::parse(first.ok_or(InvalidConfig::Field("number of SPS"))?)?;
        let mut out = BytesMut::with_capacity(256);
        out.put_u8(1);
        out.put_slice(&said.profile_tier_level);
        // No segmentation, parallelism of no kind in particular.
        out.put_slice(&[0xF0, 0, 0xFC, 0xFC | said.chroma_format]);
        out.put_slice(&[
            0xF8 | said.luma_depth_minus8,
            0xF8 | said.chroma_depth_minus8,
        ]);
        // No average frame rate.
        out.put_u16(0);
        out.put_u8(said.layers << 3 | u8::from(said.nested) << 2 | (length_size - 1));
        let sets = [
            (nal::VPS, &self.vps),
            (nal::SPS, &self.sps),
            (nal::PPS, &self.pps),
            (nal::PREFIX_SEI, &self.sei),
        ];
        out.put_u8(sets.iter().filter(|(_, set)| !set.is_empty()).count() as u8);
        for (unit_type, set) in sets.into_iter().filter(|(_, set)| !set.is_empty()) {
            // Messages come in the access units as well.
            let complete = match unit_type {
                nal::PREFIX_SEI => 0,
                _ => ARRAY_COMPLETE,
            };
            out.put_u8(complete | unit_type);
            out.put_u16(set.len() as u16);
            put_units(&mut out, set)?;
        }
        Ok(out.freeze())
    }
}

/// The number of arrays stands behind so many bytes.
const ARRAYS_AT: usize = 22;

/// There are 16 VPS, 16 SPS and 64 PPS at most; messages are as many as encoders like.
const MAX_UNITS: u16 = 64;

/// All units of this type are in the record.
const ARRAY_COMPLETE: u8 = 0x80;

#[cfg(test)]
mod tests;
