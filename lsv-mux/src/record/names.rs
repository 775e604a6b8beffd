//! Where recordings lie in a store.

use std::time::{Duration, SystemTime};

use lsv_core::path::ChannelId;
use lsv_core::ports::{self, Error, ObjectName};
use time::OffsetDateTime;
use time::macros::format_description;

/// What is kept as one file for each moment, by day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "process")),
    expect(dead_code, reason = "what needs ffmpeg is made with it alone")
)]
pub(crate) enum Shelf {
    /// MP4 files, one after the other.
    Files,
    /// Pictures, one each so often.
    Images,
    /// MP4 files of what moves.
    MotionFiles,
    /// Pictures of its moments.
    MotionImages,
}

impl Shelf {
    /// Its folder below the channel's.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Files => "mp4",
            Self::Images => "images",
            Self::MotionFiles => "motion/mp4",
            Self::MotionImages => "motion/images",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Files | Self::MotionFiles => "mp4",
            Self::Images | Self::MotionImages => "jpg",
        }
    }
}

/// `record/<id>/<shelf>/YYYY/MM/DD/capture-<UTC time>`, with the ending of what is there.
pub(crate) fn capture(
    channel: &ChannelId,
    shelf: Shelf,
    wall: SystemTime,
) -> ports::Result<ObjectName> {
    let day = format_description!("[year]/[month]/[day]");
    let wall = OffsetDateTime::from(wall);
    let day = wall.format(day).unwrap_or_default();
    let (folder, time, extension) = (shelf.folder(), stamp(wall), shelf.extension());
    name(&format!(
        "record/{channel}/{folder}/{day}/capture-{time}.{extension}"
    ))
}

/// `record/<id>/vod/<session start>`: the folder of a session.
pub(super) fn session(channel: &ChannelId, wall: SystemTime) -> String {
    let time = stamp(OffsetDateTime::from(wall));
    format!("record/{channel}/vod/{time}")
}

/// The channel that an object is a recording of.
pub(super) fn channel_of(name: &ObjectName) -> Option<ChannelId> {
    let (channel, _) = name.as_str().strip_prefix("record/")?.split_once('/')?;
    ChannelId::parse(channel).ok()
}

/// Checks `text`, which is made of checked words.
pub(super) fn name(text: &str) -> ports::Result<ObjectName> {
    ObjectName::parse(text).map_err(|error| Error::Invalid(format!("{text}: {error}")))
}

/// UTC to the millisecond, so that no two files of a channel share a name: `20321209T101112.345Z`.
fn stamp(wall: OffsetDateTime) -> String {
    let format =
        format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
    wall.format(format).unwrap_or_default()
}

/// Moments that lie so far apart have different names.
pub(crate) const STEP: Duration = Duration::from_millis(1);
/// The playlist in the folder of a session.
pub(super) const PLAYLIST: &str = "index.m3u8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_channel_day_and_time() {
        let cam = ChannelId::parse("cam").unwrap();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_986_249_599_120);
        let day = "2032/12/09/capture-20321209T235959.120Z";
        for (shelf, expected) in [
            (Shelf::Files, format!("record/cam/mp4/{day}.mp4")),
            (Shelf::Images, format!("record/cam/images/{day}.jpg")),
            (
                Shelf::MotionFiles,
                format!("record/cam/motion/mp4/{day}.mp4"),
            ),
            (
                Shelf::MotionImages,
                format!("record/cam/motion/images/{day}.jpg"),
            ),
        ] {
            assert_eq!(capture(&cam, shelf, wall).unwrap().as_str(), expected);
        }
        let capture = capture(&cam, Shelf::Files, wall).unwrap();
        assert_eq!(channel_of(&capture), Some(cam.clone()));
        assert_eq!(session(&cam, wall), "record/cam/vod/20321209T235959.120Z");
    }
}
