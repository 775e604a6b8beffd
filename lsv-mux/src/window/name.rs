//! The names of live files, made and read in one place.

use lsv_core::media::{Kind, TrackName};

/// A live file by its name under the stream's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// `index.m3u8`: a master over what HLS there is, `master.m3u8` where CMAF is on.
    Index,
    /// `live.m3u8`: HLS with MPEG-TS.
    Hls,
    /// `master.m3u8`: the CMAF renditions as HLS.
    Master,
    /// `manifest.mpd`: the CMAF renditions as DASH.
    Mpd,
    /// `cmaf/video.m3u8`, `cmaf/audio.m3u8`, `cmaf/audio2.m3u8`.
    Media(TrackName),
    /// `cmaf/video-init-7.mp4`.
    Init(TrackName, u64),
    /// `cmaf/video-7.m4s`.
    Segment(TrackName, u64),
    /// `cmaf/video-7-180000.m4s`: a segment by the number of its init and the time at which it begins, as DASH has it.
    At(TrackName, u64, u64),
    /// `cmaf/video-7.3.m4s`.
    Part(TrackName, u64, u32),
    /// `ts/7.ts`.
    Ts(u64),
    /// `key/7`: a content key.
    Key(u64),
}

impl Name {
    /// Reads a name; only the one spelling that playlists use is known.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "index.m3u8" => return Some(Self::Index),
            "live.m3u8" => return Some(Self::Hls),
            "master.m3u8" => return Some(Self::Master),
            "manifest.mpd" => return Some(Self::Mpd),
            _ => {}
        }
        if let Some(number) = name.strip_prefix("ts/") {
            return Some(Self::Ts(decimal(number.strip_suffix(".ts")?)?));
        }
        if let Some(number) = name.strip_prefix("key/") {
            return Some(Self::Key(decimal(number)?));
        }
        let file = name.strip_prefix("cmaf/")?;
        let (track, file) = track(file)?;
        if file == ".m3u8" {
            return Some(Self::Media(track));
        }
        let file = file.strip_prefix('-')?;
        if let Some(number) = file.strip_prefix("init-") {
            return Some(Self::Init(track, decimal(number.strip_suffix(".mp4")?)?));
        }
        let numbers = file.strip_suffix(".m4s")?;
        if let Some((init, start)) = numbers.split_once('-') {
            return Some(Self::At(track, decimal(init)?, decimal(start)?));
        }
        Some(match numbers.split_once('.') {
            None => Self::Segment(track, decimal(numbers)?),
            Some((sequence, part)) => Self::Part(
                track,
                decimal(sequence)?,
                u32::try_from(decimal(part)?).ok()?,
            ),
        })
    }

    /// It belongs to HLS with MPEG-TS.
    pub(crate) fn is_ts(self) -> bool {
        matches!(self, Self::Index | Self::Hls | Self::Ts(_) | Self::Key(_))
    }

    /// It belongs to CMAF.
    pub(crate) fn is_cmaf(self) -> bool {
        !matches!(self, Self::Index | Self::Hls | Self::Ts(_))
    }

    /// It lists segments, or what lists them.
    pub(crate) fn is_list(self) -> bool {
        !matches!(
            self,
            Self::Init(..)
                | Self::Segment(..)
                | Self::At(..)
                | Self::Part(..)
                | Self::Ts(_)
                | Self::Key(_)
        )
    }

    /// Only DASH uses it.
    pub(crate) fn is_dash(self) -> bool {
        matches!(self, Self::Mpd | Self::At(..))
    }
}

/// The track that a name begins with, and the rest of the name.
fn track(file: &str) -> Option<(TrackName, &str)> {
    let (kind, rest) = match file.strip_prefix("video") {
        Some(rest) => (Kind::Video, rest),
        None => (Kind::Audio, file.strip_prefix("audio")?),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(digits);
    let id = match number {
        "" => 0,
        "0" => return None,
        number => u8::try_from(decimal(number)?).ok()?,
    };
    Some((TrackName { kind, id }, rest))
}

/// Plain decimal digits without leading zeros, so that each file has one name in every cache.
fn decimal(text: &str) -> Option<u64> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{AUDIO, VIDEO};

    #[test]
    fn names() {
        let other = TrackName { id: 12, ..AUDIO };
        assert_eq!(Name::parse("cmaf/audio12.m3u8"), Some(Name::Media(other)));
        assert_eq!(
            Name::parse("cmaf/audio12-7.3.m4s"),
            Some(Name::Part(other, 7, 3))
        );
        assert_eq!(Name::parse("live.m3u8"), Some(Name::Hls));
        assert_eq!(Name::parse("index.m3u8"), Some(Name::Index));
        assert_eq!(Name::parse("cmaf/audio.m3u8"), Some(Name::Media(AUDIO)));
        assert_eq!(
            Name::parse("cmaf/video-init-7.mp4"),
            Some(Name::Init(VIDEO, 7))
        );
        assert_eq!(
            Name::parse("cmaf/audio-7.m4s"),
            Some(Name::Segment(AUDIO, 7))
        );
        assert_eq!(
            Name::parse("cmaf/audio-7-96016.m4s"),
            Some(Name::At(AUDIO, 7, 96_016))
        );
        assert_eq!(
            Name::parse("cmaf/video-7.0.m4s"),
            Some(Name::Part(VIDEO, 7, 0))
        );
        assert_eq!(
            Name::parse("ts/1700000000.ts"),
            Some(Name::Ts(1_700_000_000))
        );
        assert_eq!(
            Name::parse("key/1700000000"),
            Some(Name::Key(1_700_000_000))
        );
        for unknown in [
            "",
            "ts/",
            "ts/.ts",
            "ts/07.ts",
            "ts/+7.ts",
            "key/",
            "key/07",
            "key/7.bin",
            "key/18446744073709551616",
            "cmaf/video",
            "cmaf/video-.m4s",
            "cmaf/video-7.m4s/",
            "cmaf/video-7.1.2.m4s",
            "cmaf/video-7-8-9.m4s",
            "cmaf/video-7--9.m4s",
            "cmaf/data-7.m4s",
            "cmaf/audio0.m3u8",
            "cmaf/audio01.m3u8",
            "cmaf/audio256.m3u8",
            "../ts/7.ts",
            "cmaf/video-99999999999999999999.m4s",
        ] {
            assert_eq!(Name::parse(unknown), None, "{unknown}");
        }
    }
}
