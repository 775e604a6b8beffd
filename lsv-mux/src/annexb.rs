//! H.264 and HEVC access units as a byte stream with start codes (annex B of ISO/IEC 14496-10 and of ISO/IEC 23008-2),
//! as MPEG-TS carries them.

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::codec::{avc, hevc, nal_units};

use crate::Error;

/// The configuration of a codec whose access units are NAL units.
#[derive(Debug, Clone, Copy)]
pub enum Config<'a> {
    /// H.264.
    Avc(&'a avc::Config),
    /// H.265.
    Hevc(&'a hevc::Config),
}

impl<'a> From<&'a avc::Config> for Config<'a> {
    fn from(config: &'a avc::Config) -> Self {
        Self::Avc(config)
    }
}

impl<'a> From<&'a hevc::Config> for Config<'a> {
    fn from(config: &'a hevc::Config) -> Self {
        Self::Hevc(config)
    }
}

/// Appends the access unit `payload`, length-prefixed as `config` says, to `out` as a byte stream.
///
/// It opens with an access unit delimiter, and the parameter sets of `config` come next where a reader may start
/// (`key`, or a picture that says so itself) and the access unit does not bring its own. All other NAL units keep their
/// bytes and their order. An access unit without NAL units appends nothing.
///
/// # Errors
/// [`Error::InvalidAccessUnit`] when a length points past the end; `out` is then as before.
pub fn write_access_unit<'a>(
    out: &mut BytesMut,
    config: impl Into<Config<'a>>,
    payload: &[u8],
    key: bool,
) -> Result<(), Error> {
    let config = config.into();
    let contents = Contents::of(payload, config)?;
    if contents.units == 0 {
        return Ok(());
    }
    out.reserve(payload.len() + PREAMBLE_ROOM);
    write_unit(
        out,
        contents.delimiter.unwrap_or_else(|| config.any_slices()),
    );
    if (key || contents.random_access) && contents.sets != config.all_sets() {
        config.each_set(|unit| write_unit(out, unit));
    }
    for unit in nal_units(payload, config.length_size()).map_while(Result::ok) {
        if config.role(unit) != Role::Delimiter {
            write_unit(out, unit);
        }
    }
    Ok(())
}

/// What a NAL unit is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Delimiter,
    /// A slice of a picture where decoding may start.
    RandomAccess,
    /// A parameter set, with the bit that stands for its kind.
    Set(u8),
    Other,
}

impl<'a> Config<'a> {
    fn length_size(self) -> u8 {
        match self {
            Self::Avc(config) => config.length_size,
            Self::Hevc(config) => config.length_size,
        }
    }

    fn role(self, unit: &[u8]) -> Role {
        match self {
            Self::Avc(_) => match avc::nal::unit_type(unit) {
                avc::nal::AUD => Role::Delimiter,
                avc::nal::IDR => Role::RandomAccess,
                avc::nal::SPS => Role::Set(1),
                avc::nal::PPS => Role::Set(2),
                _ => Role::Other,
            },
            Self::Hevc(_) => match hevc::nal::unit_type(unit) {
                hevc::nal::AUD => Role::Delimiter,
                hevc::nal::FIRST_RANDOM_ACCESS..=hevc::nal::LAST_RANDOM_ACCESS => {
                    Role::RandomAccess
                }
                hevc::nal::SPS => Role::Set(1),
                hevc::nal::PPS => Role::Set(2),
                hevc::nal::VPS => Role::Set(4),
                _ => Role::Other,
            },
        }
    }

    /// The bits of the parameter sets without which no picture can be decoded.
    fn all_sets(self) -> u8 {
        match self {
            Self::Avc(_) => 1 | 2,
            Self::Hevc(_) => 1 | 2 | 4,
        }
    }

    fn each_set(self, mut write: impl FnMut(&'a Bytes)) {
        match self {
            Self::Avc(config) => config.sps.iter().chain(&config.pps).for_each(write),
            Self::Hevc(config) => config.parameter_sets().for_each(&mut write),
        }
    }

    /// An access unit delimiter that allows slices of any type.
    fn any_slices(self) -> &'static [u8] {
        match self {
            Self::Avc(_) => &[avc::nal::AUD, 0xF0],
            Self::Hevc(_) => &[hevc::nal::AUD << 1, 1, 0x50],
        }
    }
}

/// What an access unit has in it.
#[derive(Default)]
struct Contents<'a> {
    units: usize,
    /// The publisher's own delimiter; more than one would tear the access unit apart.
    delimiter: Option<&'a [u8]>,
    random_access: bool,
    sets: u8,
}

impl<'a> Contents<'a> {
    fn of(payload: &'a [u8], config: Config<'_>) -> Result<Self, Error> {
        let mut contents = Self::default();
        for unit in nal_units(payload, config.length_size()) {
            let unit = unit?;
            match config.role(unit) {
                Role::Delimiter => contents.delimiter = contents.delimiter.or(Some(unit)),
                Role::RandomAccess => contents.random_access = true,
                Role::Set(bit) => contents.sets |= bit,
                Role::Other => {}
            }
            contents.units += usize::from(!unit.is_empty());
        }
        Ok(contents)
    }
}

fn write_unit(out: &mut BytesMut, unit: &[u8]) {
    if !unit.is_empty() {
        out.put_slice(&START_CODE);
        out.put_slice(unit);
    }
}

/// With the leading zero byte that §B.1.2 asks for at the start of an access unit and of parameter sets, and allows
/// everywhere.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Delimiter and parameter sets of an ordinary stream, with their start codes.
const PREAMBLE_ROOM: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use lsv_core::fuzzing::vectors;
    use lsv_core::media::Codec;
    use proptest::prelude::*;

    /// A delimiter of H.264 for any slices.
    const ANY_SLICES: [u8; 2] = [avc::nal::AUD, 0xF0];

    fn config() -> avc::Config {
        match &testing::video().codec {
            Codec::Avc(config) => config.clone(),
            _ => unreachable!(),
        }
    }

    fn written(units: &[&[u8]], key: bool) -> Vec<Vec<u8>> {
        let mut out = BytesMut::new();
        write_access_unit(&mut out, &config(), &testing::access_unit(units), key).unwrap();
        split(&out)
    }

    /// NAL units between four-byte start codes; the tests use none with a start code inside.
    fn split(mut stream: &[u8]) -> Vec<Vec<u8>> {
        let mut units = Vec::new();
        while let Some(rest) = stream.strip_prefix(&START_CODE) {
            let next = rest.windows(4).position(|window| window == START_CODE);
            let (unit, tail) = rest.split_at(next.unwrap_or(rest.len()));
            units.push(unit.to_vec());
            stream = tail;
        }
        assert!(stream.is_empty());
        units
    }

    #[test]
    fn parameter_sets_come_before_key_frames() {
        let config = config();
        let (sps, pps) = (&config.sps[0][..], &config.pps[0][..]);
        let (sei, idr, slice) = (&[6, 1][..], &[0x65, 1][..], &[0x41, 1][..]);
        assert_eq!(
            written(&[sei, idr], true),
            [&ANY_SLICES, sps, pps, sei, idr]
        );
        assert_eq!(written(&[idr], false), [&ANY_SLICES, sps, pps, idr]);
        assert_eq!(written(&[slice], false), [&ANY_SLICES[..], slice]);
        assert_eq!(written(&[slice], true), [&ANY_SLICES, sps, pps, slice]);
    }

    #[test]
    fn what_the_encoder_brings_is_not_doubled() {
        let (aud, sps, pps) = (&[9, 0x10][..], &[0x67, 1][..], &[0x68, 1][..]);
        let idr = &[0x65, 1][..];
        assert_eq!(written(&[aud, sps, pps, idr], true), [aud, sps, pps, idr]);
        assert_eq!(written(&[sps, pps, aud, idr], true), [aud, sps, pps, idr]);
        assert_eq!(written(&[aud, &[], aud, idr, &[]], false).len(), 4);
        assert!(written(&[&[], &[]], true).is_empty());
    }

    #[test]
    fn short_lengths_are_read_as_configured() {
        let mut config = config();
        for (size, payload) in [(1, &[1, 0x41][..]), (2, &[0, 1, 0x41])] {
            config.length_size = size;
            let mut out = BytesMut::new();
            write_access_unit(&mut out, &config, payload, false).unwrap();
            assert_eq!(split(&out)[1], [0x41]);
        }
    }

    #[test]
    fn hevc_gets_its_own_delimiter_and_sets() {
        let record = Bytes::from_static(vectors::HEVC_RECORD);
        let mut config = hevc::Config::parse(record).unwrap();
        config.sei.push(Bytes::from_static(&[0x4E, 1, 0x89]));
        let written = |units: &[&[u8]], key| {
            let mut out = BytesMut::new();
            write_access_unit(&mut out, &config, &testing::access_unit(units), key).unwrap();
            split(&out)
        };
        let any_slices = &[0x46, 1, 0x50][..];
        let sets: Vec<&[u8]> = config.parameter_sets().map(|unit| &unit[..]).collect();
        assert_eq!(sets.len(), 4);
        let (slice, aud) = (&[0x02, 1, 0xD0][..], &[0x46, 1, 0x10][..]);
        assert_eq!(written(&[slice], false), [any_slices, slice]);
        // Every picture where decoding may start, and what the publisher says is one.
        for unit_type in 16..=21 {
            let unit = &[unit_type << 1, 1, 0xAF][..];
            let expected = [&[any_slices][..], &sets, &[unit]].concat();
            assert_eq!(written(&[unit], false), expected);
        }
        let expected = [&[aud][..], &sets, &[slice]].concat();
        assert_eq!(written(&[aud, slice, aud], true), expected);
        // What the encoder brings whole is not doubled.
        let brought = [sets[0], sets[1], sets[2], slice];
        let expected = [&[any_slices][..], &brought].concat();
        assert_eq!(written(&brought, true), expected);
        let without_vps = [sets[1], sets[2], slice];
        assert_eq!(written(&without_vps, true).len(), 1 + 4 + 3);
    }

    #[test]
    fn a_million_tiny_units_are_no_more_than_bytes() {
        let tiny = [0, 0, 0, 1, 0x41].repeat(1_000_000);
        let empty = vec![0; 4_000_000];
        let mut out = BytesMut::new();
        write_access_unit(&mut out, &config(), &tiny, true).unwrap();
        assert!(out.len() < tiny.len() + 200);
        out.clear();
        write_access_unit(&mut out, &config(), &empty, true).unwrap();
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn a_cut_access_unit_leaves_no_trace(cut in 1usize..17) {
            let whole = testing::access_unit(&[&[0x65, 1, 2], &[0x41, 1, 2, 3, 4, 5]]);
            let mut out = BytesMut::from(&b"before"[..]);
            let result = write_access_unit(&mut out, &config(), &whole[..whole.len() - cut], true);
            prop_assert_eq!(result.is_ok(), cut == 10);
            prop_assert_eq!(result.is_err(), &out[..] == b"before");
        }
    }
}
