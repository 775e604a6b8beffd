//! The table of settings: every field of the channel record, declared once.

use std::time::Duration;

use super::{
    Codec, Color, EmptyReferer, Field, Invalid, Kind, LogLevel, Moment, PlayCloudFront, PlayHosts,
    PlayNetworks, PlayToken, Targets, TaskSize,
};

/// Makes [`Settings`], its defaults and [`FIELDS`] from one declaration per field:
/// `name: type = default, "name in JSON", what it accepts;`.
macro_rules! settings {
    ($now:ident: $($(#[doc = $about:literal])+ $name:ident: $type:ty = $default:expr, $json:literal, $kind:expr;)+) => {
        /// What an operator can set for a channel.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Settings {
            $($(#[doc = $about])+ pub $name: $type,)+
        }

        impl Settings {
            /// The defaults of a channel that is made at `now`.
            pub fn new($now: Moment) -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// Every field that an operator can set, in the order in which answers carry them.
        pub static FIELDS: &[Field] = &[
            $(Field {
                name: $json,
                kind: $kind,
                about: concat!($($about),+),
                read: |settings| serde_json::json!(settings.$name),
                write: |settings, value| {
                    settings.$name = serde_json::from_value(value)?;
                    Ok(())
                },
            },)+
        ];
    };
}

settings! { now:
    /// Name of the channel, for people.
    videoname: String = String::new(), "videoname", Kind::Text { max_chars: 256 };
    /// Description of the channel, for people.
    description: String = String::new(), "description", Kind::Text { max_chars: 2_048 };
    /// The last second at which anyone may start to publish.
    outdate: Moment = now.whole_seconds().plus(ONE_YEAR), "outdate", Kind::Time;

    /// Live output as HTTP-FLV.
    is_flv: bool = true, "isFlv", Kind::Flag;
    /// Live output as HLS with MPEG-TS segments.
    is_hls: bool = true, "isHls", Kind::Flag;
    /// Live output as CMAF: low-latency HLS and DASH.
    is_cmaf: bool = false, "isCMAF", Kind::Flag;
    /// Length of a live segment, in seconds.
    hls_time: u32 = 2, "hls_time", Kind::Whole { min: 1, max: 60 };
    /// Length of a live playlist, in segments.
    hls_list_size: u32 = 6, "hls_list_size", Kind::Whole { min: 3, max: 100 };
    /// How far back viewers of HLS and DASH can go, in seconds; 0 as far as a live playlist goes. What is older than that
    /// playlist is kept in the object store, and deleted when its time is over.
    dvr_window: u32 = 0, "dvr_window", Kind::Whole { min: 0, max: ONE_DAY };
    /// Encryption of live HLS with AES-128, keys only for those who may watch; there is no DASH then.
    is_encrypted: bool = false, "isEncrypted", Kind::Flag;
    /// Segments after which an encrypted channel changes its key.
    key_rotation: u32 = 30, "key_rotation", Kind::Whole { min: 1, max: 3_600 };

    /// Playback tokens: viewers need one (on), or one that is good for their address alone (ip).
    play_token: PlayToken = PlayToken::Platform, "playToken", Kind::Word(PlayToken::WORDS);
    /// Signed URLs and cookies of CloudFront: they let viewers in, and nothing does but they and tokens, if those are on.
    play_cloud_front: PlayCloudFront = PlayCloudFront::Platform, "playCloudFront", Kind::Word(PlayCloudFront::WORDS);
    /// Hosts whose pages may embed the channel, instead of those that the platform names; * for any.
    play_hosts: PlayHosts = PlayHosts::Platform, "playHosts", Kind::Hosts;
    /// Viewers who do not say which page they come from, where hosts are named.
    play_empty_referer: EmptyReferer = EmptyReferer::Platform, "playEmptyReferer", Kind::Word(EmptyReferer::WORDS);
    /// Networks that alone may watch, instead of those that the platform names.
    play_allow: PlayNetworks = PlayNetworks::default(), "playAllow", Kind::Networks;
    /// Networks that may not watch, beside those that the platform names.
    play_deny: PlayNetworks = PlayNetworks::default(), "playDeny", Kind::Networks;
    /// Most viewers at once on a node; 0 for as many as the platform lets in.
    max_viewers: u32 = 0, "maxViewers", Kind::Whole { min: 0, max: MOST_VIEWERS };
    /// Most viewers at once of one address on a node; 0 for as many as the platform lets in.
    max_viewers_per_ip: u32 = 0, "maxViewersPerIp", Kind::Whole { min: 0, max: MOST_VIEWERS };

    /// Recording as MP4 files.
    is_video: bool = false, "isVideo", Kind::Flag;
    /// Length of a recorded MP4 file, in seconds.
    video_time: u32 = 60, "video_time", Kind::Whole { min: 5, max: ONE_DAY };
    /// Snapshots as JPEG.
    is_image: bool = false, "isImage", Kind::Flag;
    /// Time between snapshots, in seconds.
    image_time: u32 = 30, "image_time", Kind::Whole { min: 1, max: ONE_DAY };
    /// Recording as HLS, for video on demand.
    is_on_demand: bool = false, "isOnDemand", Kind::Flag;
    /// Length of a recorded HLS segment, in seconds.
    ondemand_time: u32 = 60, "ondemand_time", Kind::Whole { min: 1, max: 3_600 };
    /// Recorded HLS segments that are kept; 0 keeps all.
    ondemand_list_size: u32 = 0, "ondemand_list_size", Kind::Whole { min: 0, max: 100_000 };

    /// Recording of clips in which something moves.
    is_motion: bool = false, "isMotion", Kind::Flag;
    /// Share of the picture that must change, in percent.
    motion_percent: u32 = 30, "motion_percent", Kind::Whole { min: 0, max: 100 };
    /// How much a pixel must change to count.
    motion_diff: u32 = 10, "motion_diff", Kind::Whole { min: 0, max: 255 };
    /// Seconds that are kept after the last motion.
    motion_duration: u32 = 5, "motion_duration", Kind::Whole { min: 1, max: 3_600 };
    /// Length of the longest motion clip, in seconds.
    motion_timeout: u32 = 60, "motion_timeout", Kind::Whole { min: 1, max: ONE_DAY };

    /// Transcoding into the renditions that are on.
    is_codec: bool = false, "isCodec", Kind::Flag;
    /// Video encoder of the renditions.
    codec: Codec = Codec::X264, "codec", Kind::Word(Codec::WORDS);
    /// The 360p rendition.
    ld: bool = false, "ld", Kind::Flag;
    /// The 480p rendition.
    sd: bool = false, "sd", Kind::Flag;
    /// The 720p rendition.
    hd: bool = false, "hd", Kind::Flag;
    /// The 1080p rendition.
    ud: bool = false, "ud", Kind::Flag;

    /// A text in the picture.
    is_water_mark: bool = false, "isWaterMark", Kind::Flag;
    /// The text in the picture, drawn as it is written.
    water_mark_text: String = String::new(), "WaterMarkText", Kind::Text { max_chars: 256 };
    /// Size of the text, in pixels.
    water_mark_font_size: u32 = 20, "WaterMarkFontSize", Kind::Whole { min: 4, max: 512 };
    /// Colour of the text.
    water_mark_font_color: Color = Color::red(), "WaterMarkFontColor", Kind::Color;
    /// Distance of text or picture from the top, in pixels.
    water_mark_top: u32 = 10, "WaterMarkTop", Kind::Whole { min: 0, max: MAX_PIXELS };
    /// Distance of text or picture from the left, in pixels.
    water_mark_left: u32 = 10, "WaterMarkLeft", Kind::Whole { min: 0, max: MAX_PIXELS };
    /// A picture in the picture.
    is_image_water_mark: bool = false, "isImageWaterMark", Kind::Flag;
    /// Address of the picture in the picture.
    image_url: String = String::new(), "ImageURL", Kind::Address(&["http", "https"]);
    /// Width of the picture in the picture, in pixels.
    image_width: u32 = 100, "ImageWidth", Kind::Whole { min: 1, max: MAX_PIXELS };
    /// Height of the picture in the picture, in pixels.
    image_height: u32 = 50, "ImageHeight", Kind::Whole { min: 1, max: MAX_PIXELS };

    /// Pushing the source on to other servers.
    is_relay: bool = false, "isRelay", Kind::Flag;
    /// Where the source is pushed on to.
    relay_url: Targets = Targets::default(), "relayURL", Kind::Addresses(&["rtmp", "rtmps"]);

    /// Kept and given back, without effect: origins distribute every channel, and there are as many as viewers need.
    is_cluster: bool = false, "isCluster", Kind::Flag;
    /// Kept and given back, without effect, as `isCluster` is.
    cluster_number: u32 = 2, "clusterNumber", Kind::Whole { min: 1, max: 32 };
    /// Kept and given back, without effect: a gateway takes in many channels.
    master_size: TaskSize = TaskSize::Large, "masterSize", Kind::Word(TaskSize::WORDS);
    /// Size of the task that records.
    record_size: TaskSize = TaskSize::Small, "recordSize", Kind::Word(TaskSize::WORDS);
    /// Size of the task that transcodes.
    codec_size: TaskSize = TaskSize::Large, "codecSize", Kind::Word(TaskSize::WORDS);
    /// Kept and given back, without effect, as `isCluster` is.
    slave_size: TaskSize = TaskSize::Micro, "slaveSize", Kind::Word(TaskSize::WORDS);
    /// RTMPS alone between gateway and processor, which trusts the certificate of the gateway; from the next pull on.
    is_rtmps: bool = false, "isRtmps", Kind::Flag;
    /// How much the channel's encoder processes log.
    log_level: LogLevel = LogLevel::Warning, "logLevel", Kind::Word(LogLevel::WORDS);
}

impl Settings {
    /// Refuses addresses that are written as this machine or lie in private networks. Those that `before` had may stay.
    ///
    /// # Errors
    /// [`Invalid::PrivateTarget`] names the first field that is refused.
    pub fn refuse_private_targets(&self, before: Option<&Self>) -> Result<(), Invalid> {
        let kept =
            |field: &Field| before.is_some_and(|before| field.read(before) == field.read(self));
        match FIELDS
            .iter()
            .find(|field| field.leads_to_private(self) && !kept(field))
        {
            Some(field) => Err(Invalid::PrivateTarget { field: field.name }),
            None => Ok(()),
        }
    }
}

/// How long a channel can be published to if the operator names no day.
const ONE_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Longest recorded file, longest time between snapshots, in seconds.
const ONE_DAY: u32 = 86_400;
/// More viewers than a node serves.
const MOST_VIEWERS: u32 = 1_000_000;
/// Largest distance or size of a watermark: twice the width of a 4K picture.
const MAX_PIXELS: u32 = 7_680;
