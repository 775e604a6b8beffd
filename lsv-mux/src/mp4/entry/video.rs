//! Sample entries of pictures.

use bytes::{BufMut, BytesMut};
use lsv_core::codec::{Colour, Picture, av1, avc, hevc, vp9};

use super::super::boxes::{full, plain};
use crate::Error;

/// ISO/IEC 14496-15 §5.4.2.1.
pub(super) fn avc1(out: &mut BytesMut, config: &avc::Config) {
    visual(out, b"avc1", &config.picture, |out| {
        plain(out, b"avcC", |out| out.put_slice(&config.record));
    });
}

/// ISO/IEC 14496-15 §8.4.1.1.
pub(super) fn hvc1(out: &mut BytesMut, config: &hevc::Config) {
    visual(out, b"hvc1", &config.picture, |out| {
        plain(out, b"hvcC", |out| out.put_slice(&config.complete_record()));
    });
}

/// AV1 in ISO BMFF §2.2, §2.3.
pub(super) fn av01(out: &mut BytesMut, config: &av1::Config) -> Result<(), Error> {
    let picture = config.picture.ok_or(Error::NoPicture)?;
    visual(out, b"av01", &picture, |out| {
        plain(out, b"av1C", |out| out.put_slice(&config.record));
    });
    Ok(())
}

/// VP codecs in ISO BMFF §2.
pub(super) fn vp09(out: &mut BytesMut, config: &vp9::Config) -> Result<(), Error> {
    let picture = config.picture().ok_or(Error::NoPicture)?;
    visual(out, b"vp09", &picture, |out| {
        full(out, b"vpcC", (1, 0), |out| out.put_slice(&config.vpcc()));
    });
    Ok(())
}

/// A `VisualSampleEntry` (ISO/IEC 14496-12 §12.1.3) with the boxes that `boxes` appends, and behind them what is known of
/// pixels and colours.
fn visual(
    out: &mut BytesMut,
    kind: &[u8; 4],
    picture: &Picture,
    boxes: impl FnOnce(&mut BytesMut),
) {
    super::put(out, kind, |out| {
        out.put_bytes(0, 16);
        out.put_u16(picture.width as u16);
        out.put_u16(picture.height as u16);
        out.put_u32(DPI_72);
        out.put_u32(DPI_72);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(24);
        out.put_u16(0xFFFF);
        boxes(out);
        if let Some((width, height)) = picture.pixel_aspect {
            plain(out, b"pasp", |out| {
                out.put_u32(u32::from(width));
                out.put_u32(u32::from(height));
            });
        }
        if let Some(colour) = &picture.colour {
            plain(out, b"colr", |out| put_colour(out, colour));
        }
    });
}

/// `colour_type` `nclx` (ISO/IEC 14496-12 §12.1.5).
fn put_colour(out: &mut BytesMut, colour: &Colour) {
    out.put_slice(b"nclx");
    out.put_u16(u16::from(colour.primaries));
    out.put_u16(u16::from(colour.transfer));
    out.put_u16(u16::from(colour.matrix));
    out.put_u8(u8::from(colour.full_range) << 7);
}

/// 72 dots an inch, 16.16: what the standard prescribes.
const DPI_72: u32 = 0x0048_0000;
