//! Where recordings lie in a store.

use std::time::{Duration, SystemTime};

use lsv_core::path::ChannelId;
use lsv_core::ports::{self, Error, ObjectName};
use time::OffsetDateTime;
use time::macros::format_description;

/// `record/<id>/mp4/YYYY/MM/DD/capture-<UTC time>.mp4`.
pub(super) fn capture(channel: &ChannelId, wall: SystemTime) -> ports::Result<ObjectName> {
    let day = format_description!("[year]/[month]/[day]");
    let wall = OffsetDateTime::from(wall);
    let day = wall.format(day).unwrap_or_default();
    let time = stamp(wall);
    name(&format!("record/{channel}/mp4/{day}/capture-{time}.mp4"))
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
pub(super) const STEP: Duration = Duration::from_millis(1);
/// The playlist in the folder of a session.
pub(super) const PLAYLIST: &str = "index.m3u8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_channel_day_and_time() {
        let cam = ChannelId::parse("cam").unwrap();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_986_249_599_120);
        let capture = capture(&cam, wall).unwrap();
        assert_eq!(
            capture.as_str(),
            "record/cam/mp4/2032/12/09/capture-20321209T235959.120Z.mp4"
        );
        assert_eq!(channel_of(&capture), Some(cam.clone()));
        assert_eq!(session(&cam, wall), "record/cam/vod/20321209T235959.120Z");
    }
}
