//! H.264 access units as a byte stream with start codes (ISO/IEC 14496-10 annex B), as MPEG-TS carries them.

use bytes::{BufMut, BytesMut};
use lsv_core::codec::avc::{self, nal, nal_units};

use crate::Error;

/// Appends the access unit `payload`, length-prefixed as `config` says, to `out` as a byte stream.
///
/// It opens with an access unit delimiter, and the parameter sets of `config` come next where a reader may start
/// (`key`, or an IDR picture) and the access unit does not bring its own. All other NAL units keep their bytes and
/// their order. An access unit without NAL units appends nothing.
///
/// # Errors
/// [`Error::InvalidAccessUnit`] when a length points past the end; `out` is then as before.
pub fn write_access_unit(
    out: &mut BytesMut,
    config: &avc::Config,
    payload: &[u8],
    key: bool,
) -> Result<(), Error> {
    let contents = Contents::of(payload, config.length_size)?;
    if contents.units == 0 {
        return Ok(());
    }
    out.reserve(payload.len() + PREAMBLE_ROOM);
    write_unit(out, contents.delimiter.unwrap_or(&ANY_SLICES));
    if (key || contents.idr) && !(contents.sps && contents.pps) {
        for unit in config.sps.iter().chain(&config.pps) {
            write_unit(out, unit);
        }
    }
    for unit in nal_units(payload, config.length_size).map_while(Result::ok) {
        if nal::unit_type(unit) != nal::AUD {
            write_unit(out, unit);
        }
    }
    Ok(())
}

/// What an access unit has in it.
#[derive(Default)]
struct Contents<'a> {
    units: usize,
    /// The publisher's own delimiter; more than one would tear the access unit apart.
    delimiter: Option<&'a [u8]>,
    idr: bool,
    sps: bool,
    pps: bool,
}

impl<'a> Contents<'a> {
    fn of(payload: &'a [u8], length_size: u8) -> Result<Self, Error> {
        let mut contents = Self::default();
        for unit in nal_units(payload, length_size) {
            let unit = unit?;
            match nal::unit_type(unit) {
                nal::AUD => contents.delimiter = contents.delimiter.or(Some(unit)),
                nal::IDR => contents.idr = true,
                nal::SPS => contents.sps = true,
                nal::PPS => contents.pps = true,
                _ => {}
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

/// An access unit delimiter with `primary_pic_type` 7, any slice type.
const ANY_SLICES: [u8; 2] = [nal::AUD, 0xF0];

/// Delimiter and parameter sets of an ordinary stream, with their start codes.
const PREAMBLE_ROOM: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use lsv_core::media::Codec;
    use proptest::prelude::*;

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
