//! Playback addresses: which stream a request path names, and what of it.

use lsv_core::path::{ChannelId, Rendition, StreamPath};

use super::pages::Page;

/// A playback address, checked: nothing behind it sees a path that is not one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub(super) stream: StreamPath,
    pub(super) target: Target<'a>,
}

/// What of a stream is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// The stream's own address without its closing slash; the word is its last segment.
    Bare(&'a str),
    /// A player page.
    Page(Page),
    /// `live.flv`.
    Flv,
    /// `time`: the server's clock, for DASH.
    Time,
    /// `poster.jpg`: the newest picture.
    Poster,
    /// What was recorded of the channel, by what follows `vod/`; nothing for the listing.
    Recorded(&'a str),
    /// A file of the live window by its name under the stream's address.
    File(&'a str),
}

impl<'a> Address<'a> {
    /// Reads the path of a request, still percent-encoded. No playback address needs percent-encoding, so that an
    /// encoded slash or dot leads nowhere.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let (channel, rest) = split(path.strip_prefix('/')?);
        let mut stream = StreamPath::source(ChannelId::parse(channel).ok()?);
        let Some(mut rest) = rest else {
            let target = Target::Bare(channel);
            return Some(Self { stream, target });
        };
        let (word, below) = split(rest);
        if let Some(rendition) = Rendition::from_segment(word) {
            stream.rendition = rendition;
            let Some(below) = below else {
                let target = Target::Bare(word);
                return Some(Self { stream, target });
            };
            rest = below;
        }
        let recorded = rest.strip_prefix("vod/");
        if let Some(rest) = recorded.filter(|_| stream.rendition == Rendition::Source) {
            let target = Target::Recorded(rest);
            return Some(Self { stream, target });
        }
        let target = match rest {
            "live.flv" => Target::Flv,
            "time" => Target::Time,
            "poster.jpg" => Target::Poster,
            name => match Page::named(name) {
                Some(page) => Target::Page(page),
                None => Target::File(file_name(name)?),
            },
        };
        Some(Self { stream, target })
    }
}

/// The first segment of a path, and what follows its slash.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((word, rest)) => (word, Some(rest)),
        None => (path, None),
    }
}

/// The name of a live file: at most one folder deep, of characters that mean nothing to anybody.
fn file_name(name: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let segment =
        |word: &str| !word.is_empty() && !word.starts_with('.') && word.bytes().all(plain);
    let (folder, file) = match name.split_once('/') {
        Some((folder, file)) => (Some(folder), file),
        None => (None, name),
    };
    let good = name.len() <= MAX_NAME_BYTES && segment(file) && folder.is_none_or(segment);
    good.then_some(name)
}

/// The longest file name; the ones that a packager makes are half as long.
const MAX_NAME_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<(String, Target<'_>)> {
        Address::parse(path).map(|address| (address.stream.to_string(), address.target))
    }

    #[test]
    fn every_address_of_a_stream() {
        let cam = |target| Some(("cam".to_owned(), target));
        assert_eq!(parse("/cam"), cam(Target::Bare("cam")));
        assert_eq!(parse("/cam/"), cam(Target::Page(Page::Auto)));
        assert_eq!(parse("/cam/flv.html"), cam(Target::Page(Page::Flv)));
        assert_eq!(parse("/cam/live.flv"), cam(Target::Flv));
        assert_eq!(parse("/cam/time"), cam(Target::Time));
        assert_eq!(parse("/cam/poster.jpg"), cam(Target::Poster));
        assert_eq!(parse("/cam/live.m3u8"), cam(Target::File("live.m3u8")));
        assert_eq!(parse("/cam/index.m3u8"), cam(Target::File("index.m3u8")));
        let part = "cmaf/video-1700000000.3.m4s";
        assert_eq!(parse(&format!("/cam/{part}")), cam(Target::File(part)));
        let low = |target| Some(("cam/360p".to_owned(), target));
        assert_eq!(parse("/cam/360p"), low(Target::Bare("360p")));
        assert_eq!(parse("/cam/360p/live.flv"), low(Target::Flv));
        assert_eq!(parse("/cam/360p/ts/1.ts"), low(Target::File("ts/1.ts")));
    }

    #[test]
    fn tricks_lead_nowhere() {
        let long = format!("/cam/{}", "a".repeat(MAX_NAME_BYTES + 1));
        for path in [
            "",
            "/",
            "//",
            "/videostream/x",
            "/players/x",
            "/cam//live.flv",
            "/cam/../x",
            "/cam/..",
            "/cam/.env",
            "/cam/cmaf/..",
            "/cam/cmaf/../live.flv",
            "/cam/%2e%2e/x",
            "/cam%2flive.flv",
            "/cam/live.flv%00",
            "/cam/a/b/c.ts",
            "/cam/ts/",
            "/ä/live.flv",
            &long,
        ] {
            assert_eq!(parse(path), None, "{path:?}");
        }
    }
}
