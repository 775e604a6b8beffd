//! Publishers of a file.

use std::path::Path;

use tokio::task::JoinHandle;

use super::{installed, new_ffmpeg, rml, there};
use crate::{Process, Signal};

/// A client that publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// The system's ffmpeg.
    Ffmpeg,
    /// An ffmpeg that speaks Enhanced RTMP.
    NewFfmpeg,
    /// GStreamer's own client.
    Rtmp2Sink,
    /// librtmp by way of GStreamer.
    Librtmp,
    /// The crate rml_rtmp.
    Rml,
}

/// A publisher at work; ends when dropped.
#[derive(Debug)]
pub enum Publishing {
    /// As a child process.
    Process(Box<Process>),
    /// Within the test.
    Task(JoinHandle<()>),
}

impl Publisher {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ffmpeg,
        Self::NewFfmpeg,
        Self::Rtmp2Sink,
        Self::Librtmp,
        Self::Rml,
    ];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::NewFfmpeg => "new ffmpeg",
            Self::Rtmp2Sink => "GStreamer rtmp2sink",
            Self::Librtmp => "librtmp (GStreamer rtmpsink)",
            Self::Rml => "rml_rtmp",
        }
    }

    /// Whether it is installed; see [`there`].
    #[must_use]
    pub fn there(self) -> bool {
        let found = match self {
            Self::Ffmpeg => installed("ffmpeg"),
            Self::NewFfmpeg => new_ffmpeg().is_some(),
            Self::Rtmp2Sink | Self::Librtmp => installed("gst-launch-1.0"),
            Self::Rml => true,
        };
        there(self.name(), found)
    }

    /// Publishes an FLV file in real time to an address; GStreamer knows H.264 and AAC only.
    ///
    /// A client that muxes anew, and may write other times or codec configurations, leaves what it sent in `sent`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn publish(self, file: &Path, sent: &Path, url: &str) -> Publishing {
        let name = file.to_str().expect("a path in UTF-8");
        let process = match self {
            Self::Ffmpeg => Process::start("ffmpeg", ffmpeg(name, sent, url)),
            Self::NewFfmpeg => {
                let program = new_ffmpeg().expect("an ffmpeg that speaks Enhanced RTMP");
                Process::start(program, ffmpeg(name, sent, url))
            }
            Self::Rtmp2Sink => gstreamer(name, sent, "rtmp2sink", url),
            // librtmp takes options behind the address.
            Self::Librtmp => gstreamer(name, sent, "rtmpsink", &format!("{url} live=1")),
            Self::Rml => return Publishing::Task(rml::publish(file, url)),
        };
        Publishing::Process(Box::new(process))
    }
}

impl Publishing {
    /// Asserts that it still publishes.
    ///
    /// # Panics
    /// If it does not, with what it said.
    pub fn assert_runs(&mut self) {
        match self {
            Self::Process(process) => assert!(process.runs(), "{}", process.stderr()),
            Self::Task(task) => assert!(!task.is_finished(), "the publisher has ended"),
        }
    }

    /// Ends it as its user would.
    pub async fn end(mut self) {
        if let Self::Process(process) = &mut self {
            process.signal(Signal::INT);
            process.ended().await;
        }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

fn ffmpeg(file: &str, sent: &Path, url: &str) -> Vec<String> {
    let line = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "warning",
        "-re",
        "-i",
        file,
    ];
    let mut line: Vec<String> = line.map(str::to_owned).to_vec();
    line.extend(["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-f", "tee"].map(str::to_owned));
    line.push(format!("[f=flv]{url}|[f=flv]{}", sent.display()));
    line
}

/// The copy is written before the same bytes go to the sink, which has a queue in front.
fn gstreamer(file: &str, sent: &Path, sink: &str, url: &str) -> Process {
    let pipeline = format!(
        "filesrc location={file} ! flvdemux name=demux \
         flvmux name=mux streamable=true ! tee name=tee \
         demux.video ! queue ! identity sync=true ! mux.video \
         demux.audio ! queue ! identity sync=true ! mux.audio \
         tee. ! filesink async=false buffer-mode=unbuffered location={} \
         tee. ! queue ! {sink}",
        sent.display()
    );
    let location = format!("location={url}");
    let words = pipeline.split_whitespace().chain([location.as_str()]);
    Process::start(
        "gst-launch-1.0",
        ["--quiet", "--no-fault"].into_iter().chain(words),
    )
}
