//! From the record's words to the hub's: which live outputs a channel has, and what is recorded of it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Channel, Settings};
use crate::hub;

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
