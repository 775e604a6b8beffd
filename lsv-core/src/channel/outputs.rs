//! From the record's words to the hub's: which live outputs a channel has.

use std::time::Duration;

use super::Channel;
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
        }
    }
}
