//! The port through which the API sees and steers what is live.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Task;
use crate::channel::{Channel, Moment};
use crate::path::ChannelId;

/// What is live on this node. Every call answers at once from memory.
pub trait LiveSessions: fmt::Debug + Send + Sync {
    /// Every live session, by channel.
    fn list(&self) -> Vec<SessionInfo>;

    /// The live session of a channel, if there is one.
    fn find(&self, channel: &ChannelId) -> Option<SessionInfo>;

    /// Ends the live session of a channel; says whether there was one.
    fn disconnect(&self, channel: &ChannelId) -> bool;

    /// Makes the live session of a channel, if there is one, follow changed settings.
    fn apply(&self, channel: &Arc<Channel>);
}

/// A live session as an operator sees it. It holds no credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// The channel.
    #[cfg_attr(feature = "api", schema(value_type = String))]
    pub channel: ChannelId,
    /// Since when it is live.
    #[cfg_attr(feature = "api", schema(value_type = String, format = DateTime))]
    pub since: Moment,
    /// Where the publisher comes from: address and port.
    pub peer: String,
    /// The node that takes it in.
    pub node: String,
    /// The video track, once it is known.
    pub video: Option<VideoInfo>,
    /// The audio track, once it is known.
    pub audio: Option<AudioInfo>,
    /// Bits that come in per second.
    pub bitrate_in: u64,
    /// Seconds between the latest key frames, once there were two.
    pub key_frame_interval: Option<f64>,
    /// Viewers by protocol: `rtmp`, `flv`, `hls`, and `cmaf` for low-latency HLS and DASH.
    pub viewers: BTreeMap<String, u64>,
    /// Bits that go out per second, by protocol.
    pub bitrate_out: BTreeMap<String, u64>,
    /// Tasks that run for it.
    pub tasks: Vec<Task>,
    /// What its operator should know, and can mend at the encoder; empty where all is well.
    #[serde(default)]
    pub warnings: Vec<WarningInfo>,
}

/// Something about a live session that makes it worse for viewers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WarningInfo {
    /// What it is about: `keyFrames`, `audio`, `bFrames`, `frameRate`, `bitRate`, `speed` and `timestamps` are the
    /// encoder's to mend; `tracks` and `renditions` name what is left out of an output; `watermark` and `ffmpeg` are about
    /// the platform.
    pub topic: String,
    /// What is wrong, what that does, and what to do about it.
    pub text: String,
}

/// The video track of a live session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VideoInfo {
    /// The codec in the words of RFC 6381: `avc1.64001f`.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second, once measured.
    pub frame_rate: Option<f64>,
}

/// The audio track of a live session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AudioInfo {
    /// The codec in the words of RFC 6381: `mp4a.40.2`.
    pub codec: String,
    /// Samples a second.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u32,
}
