//! What encoders send: clips of any codec, rate, key-frame distance and order of pictures, as FLV files made by ffmpeg.

use std::path::Path;

use crate::{Process, peers};

/// A clip to be encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// The pictures, if there are any.
    pub video: Option<Pictures>,
    /// The tracks of sound, the first with track id 0.
    pub audio: &'static [Sound],
    /// How long it is.
    pub seconds: u32,
}

/// Pictures and how they are encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pictures {
    /// The codec.
    pub codec: VideoCodec,
    /// The frame rate.
    pub rate: Rate,
    /// Seconds from key frame to key frame.
    pub group: f64,
    /// The order of pictures.
    pub order: Order,
    /// Width and height as ffmpeg writes them.
    pub size: &'static str,
}

/// A codec of video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264 by x264.
    H264,
    /// HEVC by x265.
    Hevc,
    /// AV1 by SVT-AV1.
    Av1,
    /// VP9 by libvpx.
    Vp9,
}

/// A frame rate: exact, or one that varies between `30` and `10` a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As ffmpeg writes it.
    Fixed(&'static str),
    /// Pictures are left out now and then.
    Variable,
}

/// In which order pictures are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they are shown.
    Shown,
    /// Two B-frames between others.
    BFrames,
    /// B-frames that others refer to.
    Pyramid,
}

/// A track of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// AAC-LC, one channel of 44.1 kHz.
    AacMono,
    /// AAC-LC, two channels of 48 kHz.
    Aac,
    /// AAC-LC in 5.1.
    AacSurround,
    /// AAC-LC in 7.1.
    AacEight,
    /// Opus.
    Opus,
    /// MP3.
    Mp3,
    /// AC-3.
    Ac3,
    /// E-AC-3.
    Eac3,
    /// FLAC.
    Flac,
}

impl Input {
    /// How many tracks it has.
    #[must_use]
    pub fn tracks(&self) -> usize {
        usize::from(self.video.is_some()) + self.audio.len()
    }

    /// The same without the tracks that are not among `kept`, numbered with pictures first.
    #[must_use]
    pub fn with_only(&self, kept: &[usize]) -> (Option<Pictures>, Vec<Sound>) {
        let first = usize::from(self.video.is_some());
        let sounds = self.audio.iter().enumerate();
        let sounds = sounds.filter(|(track, _)| kept.contains(&(track + first)));
        let video = self.video.filter(|_| kept.contains(&0));
        (video, sounds.map(|(_, sound)| *sound).collect())
    }

    /// Encodes it into an FLV file: with the system's ffmpeg what that can, else with the newest.
    ///
    /// # Panics
    /// If ffmpeg fails.
    pub async fn encode(&self, file: &Path) {
        let mut line: Vec<String> = words("-hide_banner -nostdin -loglevel error -y");
        if let Some(pictures) = &self.video {
            let rate = pictures.rate.nominal();
            line.extend(words("-f lavfi -i"));
            line.push(format!("testsrc2=size={}:rate={rate}", pictures.size));
        }
        for (track, sound) in self.audio.iter().enumerate() {
            let frequency = 220 * (track + 1);
            let rate = sound.sample_rate();
            line.extend(words("-f lavfi -i"));
            line.push(format!(
                "sine=frequency={frequency}:beep_factor=3:sample_rate={rate}"
            ));
        }
        let inputs = usize::from(self.video.is_some()) + self.audio.len();
        line.extend((0..inputs).flat_map(|input| words(&format!("-map {input}"))));
        if let Some(pictures) = &self.video {
            line.extend(pictures.options());
        }
        for (track, sound) in self.audio.iter().enumerate() {
            line.extend(sound.options(track));
        }
        line.extend(words(&format!(
            "-flags +global_header -t {} -f flv",
            self.seconds
        )));
        line.push(file.to_str().expect("a path in UTF-8").to_owned());
        let program = match self.is_legacy() {
            true => Path::new("ffmpeg"),
            false => {
                peers::new_ffmpeg().expect("an ffmpeg that writes Enhanced FLV; see INTEROP.md")
            }
        };
        let mut encoder = Process::start(program, &line);
        let status = encoder.ended().await;
        assert!(status.success(), "{line:?}: {}", encoder.stderr());
    }

    /// FLV as it was before Enhanced RTMP.
    fn is_legacy(&self) -> bool {
        let sounds = [
            Sound::Aac,
            Sound::AacMono,
            Sound::AacSurround,
            Sound::AacEight,
            Sound::Mp3,
        ];
        self.video
            .is_none_or(|pictures| pictures.codec == VideoCodec::H264)
            && self.audio.len() <= 1
            && self.audio.iter().all(|sound| sounds.contains(sound))
    }
}

impl Pictures {
    fn options(&self) -> Vec<String> {
        let group = (self.rate.frames_a_second() * self.group).round();
        let mut line = words("-pix_fmt yuv420p");
        if self.rate == Rate::Variable {
            // Of two seconds the first has all its pictures, the second a third of them.
            let kept = "select='lt(mod(n,60),30)+not(mod(n,3))'";
            line.extend(["-vf", kept, "-vsync", "vfr"].map(str::to_owned));
        }
        // Key frames by time: a group counted in pictures would vary as the rate does.
        line.extend(words("-force_key_frames"));
        line.push(format!("expr:gte(t,n_forced*{}-0.001)", self.group));
        line.extend(words(&format!("-g {group} -c:v {}", self.codec.encoder())));
        line.extend(match (self.codec, self.order) {
            (VideoCodec::H264, order) => {
                let order = match order {
                    Order::Shown => "bframes=0",
                    Order::BFrames => "bframes=2:b-adapt=0:b-pyramid=none",
                    Order::Pyramid => "bframes=3:b-adapt=0:b-pyramid=normal",
                };
                words(&format!(
                    "-preset veryfast -sc_threshold 0 -x264-params {order}:force-cfr=0"
                ))
            }
            (VideoCodec::Hevc, order) => {
                let order = match order {
                    Order::Shown => "bframes=0",
                    Order::BFrames => "bframes=2:b-adapt=0:b-pyramid=0",
                    Order::Pyramid => "bframes=3:b-adapt=0:b-pyramid=1",
                };
                let params = "info=0:scenecut=0:open-gop=0:log-level=error:pools=1:frame-threads=1";
                words(&format!("-preset ultrafast -x265-params {order}:{params}"))
            }
            (VideoCodec::Av1, _) => words("-preset 12 -svtav1-params pred-struct=1:lp=1"),
            (VideoCodec::Vp9, _) => words("-deadline realtime -cpu-used 8"),
        });
        line
    }
}

impl VideoCodec {
    fn encoder(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::Hevc => "libx265",
            Self::Av1 => "libsvtav1",
            Self::Vp9 => "libvpx-vp9",
        }
    }

    /// Whether MPEG-TS carries it.
    #[must_use]
    pub fn has_ts(self) -> bool {
        matches!(self, Self::H264 | Self::Hevc)
    }

    /// What makes ffmpeg give the same bytes for an access unit whatever container it comes from: containers may move
    /// parameter sets and delimiters, and nothing else.
    pub(crate) fn same_everywhere(self) -> &'static str {
        match self {
            Self::H264 => "h264_mp4toannexb,filter_units=remove_types=7-9",
            Self::Hevc => "hevc_mp4toannexb,filter_units=remove_types=32-35",
            Self::Av1 => "filter_units=remove_types=2",
            Self::Vp9 => "null",
        }
    }
}

impl Rate {
    fn nominal(self) -> &'static str {
        match self {
            Self::Fixed(rate) => rate,
            Self::Variable => "30",
        }
    }

    /// Frames a second at most.
    #[must_use]
    pub fn frames_a_second(self) -> f64 {
        match self.nominal().split_once('/') {
            Some((frames, seconds)) => number(frames) / number(seconds),
            None => number(self.nominal()),
        }
    }
}

impl Sound {
    fn sample_rate(self) -> u32 {
        match self {
            Self::AacMono => 44_100,
            _ => 48_000,
        }
    }

    /// Samples of each channel in an access unit.
    #[must_use]
    pub fn samples(self) -> Option<u32> {
        match self {
            Self::AacMono | Self::Aac | Self::AacSurround | Self::AacEight => Some(1024),
            Self::Opus => Some(960),
            Self::Mp3 => Some(1152),
            Self::Ac3 | Self::Eac3 => Some(1536),
            // The encoder chooses.
            Self::Flac => None,
        }
    }

    /// Whether MPEG-TS carries it.
    #[must_use]
    pub fn has_ts(self) -> bool {
        self != Self::Flac
    }

    /// As [`VideoCodec::same_everywhere`].
    pub(crate) fn same_everywhere(self) -> &'static str {
        match self {
            Self::AacMono | Self::Aac | Self::AacSurround | Self::AacEight => "aac_adtstoasc",
            _ => "null",
        }
    }

    fn options(self, track: usize) -> Vec<String> {
        let (encoder, bit_rate, channels) = match self {
            Self::AacMono => ("aac", "32k", 1),
            Self::Aac => ("aac", "48k", 2),
            Self::AacSurround => ("aac", "192k", 6),
            Self::AacEight => ("aac", "256k", 8),
            Self::Opus => ("libopus", "48k", 2),
            Self::Mp3 => ("libmp3lame", "48k", 2),
            Self::Ac3 => ("ac3", "96k", 2),
            Self::Eac3 => ("eac3", "96k", 2),
            Self::Flac => ("flac", "0", 2),
        };
        words(&format!(
            "-c:a:{track} {encoder} -b:a:{track} {bit_rate} -ac:a:{track} {channels}"
        ))
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}
