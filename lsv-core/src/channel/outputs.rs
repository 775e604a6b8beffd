//! From the record's words to the hub's: which live outputs a channel has, what is recorded of it, and what else is made
//! of it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Channel, Settings, Targets};
use crate::hub;
use crate::path::Rendition;

impl From<&Channel> for hub::Settings {
    fn from(channel: &Channel) -> Self {
        let settings = &channel.settings;
        Self {
            flv: settings.is_flv,
            hls: settings.is_hls,
            cmaf: settings.is_cmaf,
            segment: Duration::from_secs(u64::from(settings.hls_time)),
            list_size: usize::try_from(settings.hls_list_size).unwrap_or(usize::MAX),
            dvr_window: (settings.dvr_window > 0)
                .then(|| Duration::from_secs(u64::from(settings.dvr_window))),
            recording: recording(settings),
            processing: processing(settings),
            // A rotation of 0, which no record has, is no reason to send in the clear what is to be encrypted.
            key_rotation: (settings.is_encrypted)
                .then_some(NonZeroU32::new(settings.key_rotation).unwrap_or(NonZeroU32::MIN)),
        }
    }
}

fn recording(settings: &Settings) -> hub::Recording {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    hub::Recording {
        files: settings.is_video.then(|| seconds(settings.video_time)),
        on_demand: settings.is_on_demand.then(|| hub::OnDemand {
            segment: seconds(settings.ondemand_time),
            list_size: usize::try_from(settings.ondemand_list_size).unwrap_or(usize::MAX),
        }),
    }
}

fn processing(settings: &Settings) -> hub::Processing {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let ladder = [
        (settings.ld, Rendition::P360),
        (settings.sd, Rendition::P480),
        (settings.hd, Rendition::P720),
        (settings.ud, Rendition::P1080),
    ];
    let wanted = ladder
        .into_iter()
        .filter(|(on, _)| settings.is_codec && *on);
    hub::Processing {
        renditions: wanted.map(|(_, rendition)| rendition).collect(),
        codec: settings.codec,
        watermark: watermark(settings),
        snapshots: settings.is_image.then(|| seconds(settings.image_time)),
        thumbnails: settings.is_on_demand,
        motion: settings.is_motion.then(|| hub::Motion {
            percent: settings.motion_percent,
            difference: settings.motion_diff,
            keep: seconds(settings.motion_duration),
            longest: seconds(settings.motion_timeout),
        }),
        relay: match settings.is_relay {
            true => settings.relay_url.clone(),
            false => Targets::default(),
        },
        codec_size: settings.codec_size,
        record_size: settings.record_size,
        log_level: settings.log_level,
        over_rtmps: settings.is_rtmps,
    }
}

/// A watermark that is on and says nothing is none.
fn watermark(settings: &Settings) -> Option<hub::Watermark> {
    let has_text = settings.is_water_mark && !settings.water_mark_text.trim().is_empty();
    let has_picture = settings.is_image_water_mark && !settings.image_url.is_empty();
    let text = has_text.then(|| hub::WatermarkText {
        text: settings.water_mark_text.clone(),
        size: settings.water_mark_font_size,
        color: settings.water_mark_font_color.clone(),
    });
    let picture = has_picture.then(|| hub::WatermarkPicture {
        url: settings.image_url.clone(),
        width: settings.image_width,
        height: settings.image_height,
    });
    let (left, top) = (settings.water_mark_left, settings.water_mark_top);
    (has_text || has_picture).then(|| hub::Watermark::new(text, picture, left, top))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Moment;
    use crate::path::ChannelId;

    fn processing_of(change: impl FnOnce(&mut Settings)) -> hub::Processing {
        let mut channel = Channel::new(ChannelId::parse("cam").unwrap(), Moment::EPOCH);
        change(&mut channel.settings);
        hub::Settings::from(&channel).processing
    }

    #[test]
    fn a_new_channel_is_not_processed() {
        assert_eq!(processing_of(|_| ()), hub::Processing::default());
    }

    #[test]
    fn renditions_need_the_switch_and_their_flag() {
        let flags = |settings: &mut Settings| (settings.ld, settings.hd) = (true, true);
        assert_eq!(processing_of(flags).renditions, []);
        let both = processing_of(|settings| {
            flags(settings);
            settings.is_codec = true;
        });
        assert_eq!(both.renditions, [Rendition::P360, Rendition::P720]);
    }

    #[test]
    fn a_watermark_is_what_is_on_and_says_something() {
        let text = |settings: &mut Settings| settings.water_mark_text = "直播".to_owned();
        assert_eq!(processing_of(text).watermark, None);
        let blank = |settings: &mut Settings| settings.is_water_mark = true;
        assert_eq!(processing_of(blank).watermark, None);
        let drawn = processing_of(|settings| {
            text(settings);
            blank(settings);
            settings.is_image_water_mark = true;
        });
        let watermark = drawn.watermark.unwrap();
        assert_eq!(watermark.text.unwrap().text, "直播");
        assert_eq!(watermark.picture, None);
    }

    #[test]
    fn targets_count_only_while_relaying() {
        let target = |settings: &mut Settings| {
            settings.relay_url = Targets::parse("rtmp://a.example/live/x", &["rtmp"]).unwrap();
        };
        assert_eq!(processing_of(target).relay.iter().count(), 0);
        let on = processing_of(|settings| {
            target(settings);
            settings.is_relay = true;
        });
        assert_eq!(on.relay.iter().count(), 1);
    }
}
