//! The argument vectors of ffmpeg, as far as all jobs have them in common.

use std::ffi::{OsStr, OsString};

use lsv_core::channel::{LogLevel, TaskSize};
use lsv_core::media::Orientation;

use super::threads;

/// An argument vector in the making.
///
/// ```
/// use lsv_core::channel::{LogLevel, TaskSize};
/// use lsv_mux::process::arguments::Arguments;
///
/// let mut line = Arguments::new(LogLevel::Warning);
/// line.feed().option("-map", "0:v").option("-c:v", "mjpeg");
/// line.threads(TaskSize::Small).images();
/// assert!(line.into_vec().contains(&"mjpeg".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments(Vec<OsString>);

impl Arguments {
    /// What each command line begins with: nothing on standard error but what `log` lets through, each line with its
    /// level in front.
    pub fn new(log: LogLevel) -> Self {
        let mut line = Self(Vec::new());
        line.flag("-hide_banner").flag("-nostats");
        line.option("-loglevel", format!("level+{}", log.as_str()));
        line
    }

    /// Appends an argument that has no value.
    pub fn flag(&mut self, flag: impl Into<OsString>) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    /// Appends an option with its value.
    pub fn option(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.0.extend([name.into(), value.as_ref().to_owned()]);
        self
    }

    /// The live feed on standard input: Matroska of [`mkv`](crate::mkv), with its times as they are. It can reach
    /// nothing but that pipe.
    pub fn feed(&mut self) -> &mut Self {
        self.flag("-copyts");
        self.option("-protocol_whitelist", "pipe");
        self.option("-thread_queue_size", "512");
        self.option("-f", "matroska").option("-i", "pipe:0")
    }

    /// A picture in a file, read once. It can reach nothing but files.
    pub fn picture(&mut self, file: impl AsRef<OsStr>) -> &mut Self {
        let mut address = OsString::from("file:");
        address.push(file);
        self.option("-protocol_whitelist", "file");
        self.option("-f", "png_pipe").option("-i", address)
    }

    /// As many threads for what follows, a decoder or an encoder, as a task of `size` has processors.
    pub fn threads(&mut self, size: TaskSize) -> &mut Self {
        self.option("-threads", threads(size).to_string())
    }

    /// What was mapped since the output before as fragmented MP4 to `address`, with the times of the feed, for
    /// [`mp4::demux`](crate::mp4::demux). A frame goes out when the next one is there.
    ///
    /// One track in each output: with several the muxer flushes fragments of one when frames of another come, guesses how
    /// long they last, and tells the guess as the next one's time. And nothing waits for anything else.
    ///
    /// The feed's timeline must leave room below its first frame: decoding times begin some frames ahead of it, and the
    /// sound of an encoder with what its decoders drop.
    pub fn fragments_to(&mut self, address: &str) -> &mut Self {
        self.option("-avoid_negative_ts", "disabled");
        // Edit lists would move what they cannot tell in a file without tables.
        self.option("-use_editlist", "0");
        self.option("-movflags", MOVFLAGS);
        self.option("-flush_packets", "1");
        self.option("-protocol_whitelist", "pipe");
        self.option("-f", "mp4").flag(address)
    }

    /// JPEG pictures on standard output, one after the other.
    pub fn images(&mut self) -> &mut Self {
        self.option("-flush_packets", "1");
        self.option("-protocol_whitelist", "pipe");
        self.option("-f", "image2pipe").flag("pipe:1")
    }

    /// The argument vector.
    pub fn into_vec(self) -> Vec<OsString> {
        self.0
    }
}

/// No index at the end, none at the start, times from the feed's zero.
const MOVFLAGS: &str = "+frag_every_frame+empty_moov+default_base_moof+frag_discont+skip_trailer";

/// The filters that turn pictures as their key frame says, each with a comma behind it. The frames must not say it any more
/// ([`without_orientation`](lsv_core::media::Codec::without_orientation)): where only some do, ffmpeg turns these by itself, and
/// begins with all filters anew each time.
pub(crate) fn turn(orientation: Orientation) -> &'static str {
    match (orientation.mirrored, orientation.quarter_turns % 4) {
        (false, 0) => "",
        (false, 1) => "transpose=cclock,",
        (false, 2) => "hflip,vflip,",
        (false, _) => "transpose=clock,",
        (true, 0) => "hflip,",
        (true, 1) => "hflip,transpose=cclock,",
        (true, 2) => "vflip,",
        (true, _) => "hflip,transpose=clock,",
    }
}
