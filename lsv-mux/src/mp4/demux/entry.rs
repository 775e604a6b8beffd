//! Sample entries, read: the codec of a track and its configuration (ISO/IEC 14496-12 §8.5.2).

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::codec::{FourCc, aac, av1, avc, flac, hevc, mp3, opus, vp9};
use lsv_core::media::{Codec, Kind};
use lsv_core::wire::{Reader, Truncated};

use super::super::boxes::{child, children};
use super::super::entry::audio::{
    DECODER_CONFIG_DESCRIPTOR, DECODER_SPECIFIC_INFO, ES_DESCRIPTOR, OBJECT_TYPE_AAC,
    OBJECT_TYPE_MPEG_1_AUDIO, OBJECT_TYPE_MPEG_2_AUDIO,
};
use super::Reason;

/// The codec of the first entry in `stsd`.
pub(super) fn codec(stsd: &[u8], kind: Kind) -> Result<Codec, Reason> {
    let entries = stsd.get(8..).ok_or(Reason::Truncated(*b"stsd"))?;
    let entry = children(entries).next().ok_or(Reason::Missing(*b"stsd"))?;
    match kind {
        Kind::Audio => sound(entry),
        _ => picture(entry),
    }
}

/// A `VisualSampleEntry` (§12.1.3).
fn picture((name, content): ([u8; 4], &[u8])) -> Result<Codec, Reason> {
    let boxes = content.get(VISUAL_BYTES..).ok_or(Reason::Truncated(name))?;
    let record = |kind: &[u8; 4]| child(boxes, &[kind]).map(Bytes::copy_from_slice);
    Ok(match &name {
        b"avc1" | b"avc3" => Codec::Avc(avc::Config::parse(record(b"avcC")?)?),
        b"hvc1" | b"hev1" => Codec::Hevc(hevc::Config::parse(record(b"hvcC")?)?),
        b"av01" => Codec::Av1(av1::Config::parse(record(b"av1C")?)?),
        b"vp09" => {
            let mut config = vp9::Config::parse(record(b"vpcC")?)?;
            config.size = Some(size(content).map_err(|_| Reason::Truncated(name))?);
            Codec::Vp9(config)
        }
        _ => return Err(Reason::Unsupported(name)),
    })
}

fn size(content: &[u8]) -> Result<(u16, u16), Truncated> {
    let mut reader = Reader::new(content);
    reader.take(24)?;
    Ok((reader.u16()?, reader.u16()?))
}

/// An `AudioSampleEntry` (§12.2.3).
fn sound((name, content): ([u8; 4], &[u8])) -> Result<Codec, Reason> {
    let boxes = content.get(AUDIO_BYTES..).ok_or(Reason::Truncated(name))?;
    let record = |kind: &[u8; 4]| child(boxes, &[kind]);
    Ok(match &name {
        b"mp4a" => elementary_stream(record(b"esds")?, content)?,
        b".mp3" => Codec::Mp3(mp3_config(content, None)?),
        b"Opus" => Codec::Opus(opus::Config::parse(opus_header(record(b"dOps")?)?)?),
        b"fLaC" => Codec::Flac(flac::Config::parse(flac_header(record(b"dfLa")?)?)?),
        b"ac-3" | b"ec-3" => Codec::Other {
            fourcc: FourCc(name),
            config: Bytes::new(),
        },
        _ => return Err(Reason::Unsupported(name)),
    })
}

/// `esds`: by its object type AAC or MP3 (ISO/IEC 14496-14 §5.6).
fn elementary_stream(esds: &[u8], content: &[u8]) -> Result<Codec, Reason> {
    let (object_type, info) = decoder_config(esds).map_err(|_| Reason::Truncated(*b"esds"))?;
    match object_type {
        OBJECT_TYPE_AAC | MPEG_2_AAC_MAIN..=MPEG_2_AAC_SSR => {
            let record = Bytes::copy_from_slice(info);
            Ok(Codec::Aac(aac::Config::parse(record)?))
        }
        OBJECT_TYPE_MPEG_1_AUDIO => Ok(Codec::Mp3(mp3_config(content, Some(true))?)),
        OBJECT_TYPE_MPEG_2_AUDIO => Ok(Codec::Mp3(mp3_config(content, Some(false))?)),
        _ => Err(Reason::Field("object type of mp4a: AAC and MP3 are read")),
    }
}

/// The object type and the specific information of the decoder (ISO/IEC 14496-1 §7.2.6.5, §7.2.6.6).
fn decoder_config(esds: &[u8]) -> Result<(u8, &[u8]), Truncated> {
    let mut reader = Reader::new(esds);
    reader.u32()?;
    let mut stream = Reader::new(descriptor(&mut reader, ES_DESCRIPTOR)?);
    stream.u16()?;
    let flags = stream.u8()?;
    if flags & STREAM_DEPENDENCE != 0 {
        stream.u16()?;
    }
    if flags & URL != 0 {
        let length = stream.u8()?;
        stream.take(length.into())?;
    }
    if flags & CLOCK_REFERENCE != 0 {
        stream.u16()?;
    }
    let mut config = Reader::new(descriptor(&mut stream, DECODER_CONFIG_DESCRIPTOR)?);
    let object_type = config.u8()?;
    // Stream type, buffer size, bit rates.
    config.take(12)?;
    let info = match config.is_empty() {
        true => &[],
        false => descriptor(&mut config, DECODER_SPECIFIC_INFO)?,
    };
    Ok((object_type, info))
}

/// The content of the descriptor that comes next and must be `tag` (ISO/IEC 14496-1 §8.3.3).
fn descriptor<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<&'a [u8], Truncated> {
    if reader.u8()? != tag {
        return Err(Truncated { missing: 1 });
    }
    let mut length = 0;
    for _ in 0..4 {
        let byte = reader.u8()?;
        length = length << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    reader.take(length)
}

/// MP3 by what the entry says of its sound. MPEG-1 has the higher rates.
fn mp3_config(content: &[u8], is_mpeg1: Option<bool>) -> Result<mp3::Config, Reason> {
    let read = |mut reader: Reader<'_>| {
        reader.take(16)?;
        let channels = reader.u16()?;
        reader.take(6)?;
        Ok((channels, reader.u32()? >> 16))
    };
    let read = read(Reader::new(content));
    let (channels, sample_rate) = read.map_err(|_: Truncated| Reason::Truncated(*b"mp4a"))?;
    let is_mpeg1 = is_mpeg1.unwrap_or(sample_rate >= 32_000);
    if sample_rate == 0 {
        return Err(Reason::Field("sampling rate"));
    }
    Ok(mp3::Config {
        sample_rate,
        channels: if channels == 1 { 1 } else { 2 },
        samples_per_frame: if is_mpeg1 { 1_152 } else { 576 },
    })
}

/// `dOps` as the identification header that it was made of ("Encapsulation of Opus in ISO Base Media File Format" §4.3.2).
fn opus_header(dops: &[u8]) -> Result<Bytes, Reason> {
    let mut out = BytesMut::with_capacity(8 + dops.len());
    let mut copy = |mut dops: Reader<'_>| {
        let version = dops.u8()?;
        out.put_slice(b"OpusHead\x01");
        out.put_u8(dops.u8()?);
        out.put_u16_le(dops.u16()?);
        out.put_u32_le(dops.u32()?);
        out.put_u16_le(dops.u16()?);
        out.put_slice(dops.rest());
        Ok(version)
    };
    match copy(Reader::new(dops)).map_err(|_: Truncated| Reason::Truncated(*b"dOps"))? {
        0 => Ok(out.freeze()),
        _ => Err(Reason::Field("version of dOps")),
    }
}

/// `dfLa` as the header that it was made of ("Encapsulation of FLAC in ISO Base Media File Format" §3.3.2).
fn flac_header(dfla: &[u8]) -> Result<Bytes, Reason> {
    let blocks = dfla.get(4..).ok_or(Reason::Truncated(*b"dfLa"))?;
    Ok([b"fLaC", blocks].concat().into())
}

/// What a `VisualSampleEntry` and an `AudioSampleEntry` have before their boxes.
const VISUAL_BYTES: usize = 78;
const AUDIO_BYTES: usize = 28;

/// Audio ISO/IEC 13818-7: main, low complexity, scalable.
const MPEG_2_AAC_MAIN: u8 = 0x66;
const MPEG_2_AAC_SSR: u8 = 0x68;

const STREAM_DEPENDENCE: u8 = 0x80;
const URL: u8 = 0x40;
const CLOCK_REFERENCE: u8 = 0x20;
