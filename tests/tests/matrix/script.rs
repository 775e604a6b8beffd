//! What a publisher sends: a clip, or two, on a clock that jumps.

use std::path::Path;

use lsv_tests::flv::{self, Tag};
use lsv_tests::input::Input;
use lsv_tests::{Sent, Trace};

/// What happens to the publisher's clock, or to the publisher, half way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jump {
    /// Nothing.
    None,
    /// Its clock jumps an hour ahead.
    Forward,
    /// Its clock jumps an hour back.
    Backward,
    /// Its clock passes 2^32 ms, which is no jump.
    Wrap,
    /// It is lost, and comes back with a clock that begins anew.
    Reconnect,
    /// It goes on with pictures of another size.
    Resolution,
}

/// A stretch of a clip that is sent without a break.
#[derive(Debug, Clone)]
pub(crate) struct Take {
    /// It comes from a new publisher.
    pub(crate) new_publisher: bool,
    /// What is sent, with the publisher's times.
    pub(crate) tags: Vec<Tag>,
    /// What ffmpeg finds in it, on the clip's own clock.
    pub(crate) sent: Trace,
    /// The clip's times of its key frames.
    keys: Vec<i32>,
    /// By how much the publisher's times are later than the clip's.
    later: i32,
}

impl Take {
    /// The packets of stream `index` that a player can decode: from the first key frame on.
    pub(crate) fn playable(&self, index: usize, has_video: bool) -> Vec<Sent> {
        let packets = &self.sent.streams[index];
        if !has_video {
            return packets.clone();
        }
        let Some(video) = self.sent.streams.first() else {
            return Vec::new();
        };
        let is_key = |packet: &&Sent| self.keys.contains(&(packet.dts.round() as i32));
        let Some(key) = video.iter().find(is_key) else {
            return Vec::new();
        };
        let from = packets.iter().filter(|packet| packet.dts >= key.dts - 0.1);
        from.cloned().collect()
    }
}

impl Take {
    /// Sound ahead of the first picture of `next` is still of this take, as no clock jumps between them: ahead of when
    /// that is decoded, or is shown.
    pub(crate) fn adopt_sound(&mut self, next: &mut Self, at: fn(&Sent) -> f64) {
        let video = next.sent.streams.first();
        let Some(border) = video.and_then(|video| video.first()).map(at) else {
            return;
        };
        let later = f64::from(next.later - self.later);
        let sounds = self
            .sent
            .streams
            .iter_mut()
            .zip(&mut next.sent.streams)
            .skip(1);
        for (mine, theirs) in sounds {
            let early = theirs
                .iter()
                .take_while(|packet| packet.dts < border - 0.1)
                .count();
            for packet in theirs.drain(..early) {
                // Who counts samples has no gap between clips that is shorter than a frame.
                let goes_on = match &mine[..] {
                    [.., before, last] => 2.0 * last.dts - before.dts,
                    _ => packet.dts + later,
                };
                let gap = packet.dts + later - goes_on;
                let moved = if gap.abs() < FRAME {
                    later - gap
                } else {
                    later
                };
                mine.push(Sent {
                    dts: packet.dts + moved,
                    pts: packet.pts + moved,
                    ..packet
                });
            }
        }
    }
}

impl Jump {
    /// Encodes what is needed into `folder` and cuts it into takes.
    pub(crate) async fn script(self, input: &Input, folder: &Path) -> Vec<Take> {
        let clip = Clip::encode(input, &folder.join("clip.flv")).await;
        let half = (input.seconds * 500).cast_signed();
        match self {
            Self::None => vec![clip.take(.., 0)],
            Self::Wrap => vec![clip.take(.., -half)],
            Self::Forward => vec![clip.take(..half, 0), clip.take(half.., HOUR)],
            Self::Backward => vec![clip.take(..half, HOUR), clip.take(half.., 0)],
            Self::Reconnect => {
                let mut again = clip.take(.., 0);
                again.new_publisher = true;
                vec![clip.take(..half, 7_000), again]
            }
            Self::Resolution => {
                let mut other = *input;
                if let Some(pictures) = &mut other.video {
                    pictures.size = "128x128";
                }
                let other = Clip::encode(&other, &folder.join("other.flv")).await;
                let later = clip.end();
                let (mut first, mut second) = (clip.take(.., 0), other.take(.., later));
                first.adopt_sound(&mut second, |key| key.dts);
                vec![first, second]
            }
        }
    }

    /// How many runs the outputs show.
    pub(crate) fn runs(self) -> usize {
        match self {
            Self::None | Self::Wrap => 1,
            _ => 2,
        }
    }
}

/// What ffmpeg makes of an input.
pub(crate) struct Clip {
    tags: Vec<Tag>,
    trace: Trace,
}

impl Clip {
    pub(crate) async fn encode(input: &Input, file: &Path) -> Self {
        input.encode(file).await;
        let bytes = std::fs::read(file).expect("the clip");
        let trace = Trace::of(file, input).await.expect("a clip without faults");
        let tags = flv::tags(&bytes);
        Self { tags, trace }
    }

    /// Where the last stream would go on: sound ends after the pictures, and is to have no gap.
    pub(crate) fn end(&self) -> i32 {
        let last = self.trace.streams.last().map_or(&[][..], Vec::as_slice);
        match last {
            [.., before, last] => (2.0 * last.dts - before.dts).ceil() as i32,
            _ => 0,
        }
    }

    /// What lies in `range` of the clip's milliseconds, sent `later` than that.
    pub(crate) fn take(&self, range: impl std::ops::RangeBounds<i32>, later: i32) -> Take {
        let tags = self.tags.iter().filter(|tag| range.contains(&time(tag)));
        let keys = tags.clone().filter(|tag| is_key_frame(tag));
        let keys = keys.map(time).collect();
        let tags = tags.map(|tag| Tag {
            timestamp: tag.timestamp.wrapping_add_signed(later),
            ..tag.clone()
        });
        let within = |packet: &&Sent| range.contains(&(packet.dts.round() as i32));
        let streams = self.trace.streams.iter();
        let streams = streams.map(|packets| packets.iter().filter(within).cloned().collect());
        Take {
            new_publisher: false,
            tags: tags.collect(),
            sent: Trace {
                streams: streams.collect(),
            },
            keys,
            later,
        }
    }
}

/// A tag's time in milliseconds; sound that opens before its first sample is to be heard begins below zero.
pub(crate) fn time(tag: &Tag) -> i32 {
    tag.timestamp.cast_signed()
}

/// Whether a video tag holds a key frame, legacy or Enhanced (FLV 10.1 §E.4.3, E-RTMP v2 "Enhanced Video").
fn is_key_frame(tag: &Tag) -> bool {
    let &[first, second, ..] = tag.body.as_slice() else {
        return false;
    };
    let enhanced = first & 0x80 != 0;
    let frame = match enhanced {
        true => [1, 3].contains(&(first & 0x0F)),
        false => second == 1,
    };
    tag.kind == 9 && first >> 4 & 7 == 1 && frame
}

const HOUR: i32 = 3_600_000;

/// A frame of AAC at 48 kHz, in milliseconds.
const FRAME: f64 = 21.3;
