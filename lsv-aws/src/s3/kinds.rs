//! What an object is, by the ending of its name: a browser or a CDN in front of the bucket needs to be told.

use lsv_core::ports::ObjectName;

/// The media type of an object.
pub(super) fn media_type(name: &ObjectName) -> &'static str {
    let (_, ending) = name.as_str().rsplit_once('.').unwrap_or_default();
    match ending {
        "mp4" => "video/mp4",
        "m4s" => "video/iso.segment",
        "ts" => "video/mp2t",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_count() {
        for (name, expected) in [
            ("record/cam/mp4/capture-1.mp4", "video/mp4"),
            ("a.m3u8", "application/vnd.apple.mpegurl"),
            ("mp4", "application/octet-stream"),
            ("a.mp4/b", "application/octet-stream"),
        ] {
            assert_eq!(media_type(&ObjectName::parse(name).unwrap()), expected);
        }
    }
}
