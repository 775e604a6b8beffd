//! What the objects are that are recorded of a channel, by their names below `record/<id>/`.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ports::StorageClass;

/// What an object is that somebody may want to see in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A file of the channel's running recording: `mp4/YYYY/MM/DD/capture-<UTC time>.mp4`.
    File,
    /// The playlist of a session for video on demand: `vod/<session start>/index.m3u8`.
    OnDemand,
    /// A snapshot: `images/YYYY/MM/DD/capture-<UTC time>.jpg`.
    Snapshot,
    /// A clip of what moves: `motion/mp4/YYYY/MM/DD/capture-<UTC time>.mp4`.
    MotionClip,
    /// The picture of such a moment: `motion/images/YYYY/MM/DD/capture-<UTC time>.jpg`.
    MotionSnapshot,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::File,
        Self::OnDemand,
        Self::Snapshot,
        Self::MotionClip,
        Self::MotionSnapshot,
    ];

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Where all that belongs to it is kept, below its channel's folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::File => "mp4/",
            Self::OnDemand => "vod/",
            Self::Snapshot => "images/",
            Self::MotionClip => "motion/mp4/",
            Self::MotionSnapshot => "motion/images/",
        }
    }

    /// What the names of all that began on a day (UTC) have in front, below their channel's folder. `day` is `YYYY-MM-DD`.
    pub fn folder_of_day(self, day: &str) -> String {
        let folder = self.folder();
        match self {
            Self::OnDemand => format!("{folder}{}T", day.replace('-', "")),
            _ => format!("{folder}{}/", day.replace('-', "/")),
        }
    }

    /// What the object `name` belongs to, below its channel's folder: segments and thumbnails to video on demand.
    pub fn holding(name: &str) -> Option<Self> {
        let mut kinds = Self::ALL.into_iter();
        kinds.find(|kind| name.starts_with(kind.folder()))
    }

    /// What the object `name` is, below its channel's folder; `None` for what belongs to another one, as segments do to
    /// their playlist.
    pub fn of(name: &str) -> Option<Self> {
        let kind = Self::holding(name)?;
        let below = name.strip_prefix(kind.folder())?;
        let is_part = kind == Self::OnDemand && !below.ends_with(PLAYLIST);
        (!is_part).then_some(kind)
    }

    /// Where the object `name` of this kind is served, below `/<id>/vod/`.
    pub fn address(self, name: &str) -> &str {
        match self {
            Self::OnDemand => name.strip_prefix("vod/").unwrap_or(name),
            _ => name,
        }
    }

    /// Whether it has a length in time.
    pub fn plays(self) -> bool {
        match self {
            Self::File | Self::OnDemand | Self::MotionClip => true,
            Self::Snapshot | Self::MotionSnapshot => false,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::OnDemand => "on-demand",
            Self::Snapshot => "snapshot",
            Self::MotionClip => "motion-clip",
            Self::MotionSnapshot => "motion-snapshot",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In which class of storage what is recorded is kept, by its kind. All is hot, unless set otherwise; a lifecycle rule of
/// the store may move what is old elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageClasses(HashMap<Kind, StorageClass>);

impl StorageClasses {
    /// The class for recordings of `kind`.
    pub fn of(&self, kind: Kind) -> StorageClass {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// Sets the class for recordings of `kind`.
    pub fn set(&mut self, kind: Kind, class: StorageClass) {
        self.0.insert(kind, class);
    }
}

/// What a playlist is called in the folder of its session.
pub const PLAYLIST: &str = "/index.m3u8";
/// What the list of small pictures is called there.
pub const THUMBNAILS: &str = "/thumbnails.vtt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_there_and_where_it_is_served() {
        for (name, expected) in [
            (
                "mp4/2032/12/09/capture-1.mp4",
                Some((Kind::File, "mp4/2032/12/09/capture-1.mp4")),
            ),
            (
                "images/2032/12/09/capture-1.jpg",
                Some((Kind::Snapshot, "images/2032/12/09/capture-1.jpg")),
            ),
            (
                "motion/mp4/x.mp4",
                Some((Kind::MotionClip, "motion/mp4/x.mp4")),
            ),
            (
                "motion/images/x.jpg",
                Some((Kind::MotionSnapshot, "motion/images/x.jpg")),
            ),
            (
                "vod/20321209T235959.120Z/index.m3u8",
                Some((Kind::OnDemand, "20321209T235959.120Z/index.m3u8")),
            ),
            ("vod/20321209T235959.120Z/segment-0.m4s", None),
            ("vod/20321209T235959.120Z/thumbnails-0.jpg", None),
            ("motion/x", None),
            ("vod/index.m3u8", None),
            ("other/x", None),
            ("x", None),
        ] {
            let found = Kind::of(name).map(|kind| (kind, kind.address(name)));
            assert_eq!(found, expected, "{name}");
            if let Some((kind, _)) = found {
                let word = serde_json::to_value(kind).unwrap();
                assert_eq!(word, kind.as_str());
                assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            }
        }
    }

    #[test]
    fn days_are_in_front_of_names() {
        for (kind, expected) in [
            (Kind::File, "mp4/2032/12/09/"),
            (Kind::OnDemand, "vod/20321209T"),
            (Kind::Snapshot, "images/2032/12/09/"),
            (Kind::MotionClip, "motion/mp4/2032/12/09/"),
            (Kind::MotionSnapshot, "motion/images/2032/12/09/"),
        ] {
            let folder = kind.folder_of_day("2032-12-09");
            assert_eq!(folder, expected);
            assert_eq!(Kind::holding(&folder), Some(kind));
        }
    }
}
