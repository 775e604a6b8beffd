//! The tracks of a stream: one default of each kind, and those beside it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Kind, Track};

/// The tracks of a stream as far as they are known.
///
/// Of each kind one track is the default, which is what outputs carry that know a single track: track 0, as Enhanced
/// RTMP has it; for publishers that number theirs from 1, the one that was known first, until a track 0 comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tracks {
    /// The default video track.
    pub video: Option<Arc<Track>>,
    /// The default audio track.
    pub audio: Option<Arc<Track>>,
    /// All others, in the order in which they became known.
    pub others: Vec<Arc<Track>>,
    /// The publisher's last `onMetaData`, whole as in an FLV script tag: the AMF0 name, then the value.
    pub metadata: Option<Bytes>,
}

impl Tracks {
    /// The default track of a kind; script data has none.
    pub fn default_of(&self, kind: Kind) -> Option<&Arc<Track>> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
            Kind::Data => None,
        }
    }

    /// The default tracks, video first.
    pub fn defaults(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.video.iter().chain(&self.audio)
    }

    /// All tracks, the default ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.defaults().chain(&self.others)
    }

    /// Track `id` of a kind.
    pub fn find(&self, kind: Kind, id: u8) -> Option<&Arc<Track>> {
        self.iter()
            .find(|track| (track.kind, track.id) == (kind, id))
    }

    /// How many tracks of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.iter().filter(|track| track.kind == kind).count()
    }

    /// Whether `track`, under whatever configuration, is the default one of its kind.
    pub fn is_default(&self, track: &Track) -> bool {
        let default = self.default_of(track.kind);
        default.is_some_and(|default| default.id == track.id)
    }

    /// Remembers `track` in place of the one with its kind and number.
    pub fn set(&mut self, track: &Arc<Track>) {
        let slot = match track.kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
            Kind::Data => return,
        };
        if slot.as_ref().is_none_or(|known| known.id == track.id) {
            *slot = Some(Arc::clone(track));
            return;
        }
        let aside = match track.id {
            0 => slot.replace(Arc::clone(track)),
            _ => Some(Arc::clone(track)),
        };
        let Some(aside) = aside else {
            return;
        };
        let known = |other: &&mut Arc<Track>| (other.kind, other.id) == (aside.kind, aside.id);
        match self.others.iter_mut().find(known) {
            Some(other) => *other = aside,
            None => self.others.push(aside),
        }
    }

    /// The codec strings of RFC 6381 of the default tracks, video first, separated by commas.
    pub fn rfc6381(&self) -> String {
        let strings: Vec<String> = self.defaults().map(|track| track.codec.rfc6381()).collect();
        strings.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::FourCc;
    use crate::media::Codec;

    fn track(kind: Kind, id: u8) -> Arc<Track> {
        let codec = Codec::Other {
            fourcc: FourCc::AV01,
            config: Bytes::new(),
        };
        Arc::new(Track::new(kind, codec).with_id(id))
    }

    fn ids(tracks: &Tracks) -> Vec<(Kind, u8)> {
        tracks.iter().map(|track| (track.kind, track.id)).collect()
    }

    #[test]
    fn the_default_is_track_0_or_else_the_first() {
        use Kind::{Audio, Video};
        let mut tracks = Tracks::default();
        for id in [2, 1, 2] {
            tracks.set(&track(Video, id));
        }
        tracks.set(&track(Audio, 3));
        assert_eq!(ids(&tracks), [(Video, 2), (Audio, 3), (Video, 1)]);
        assert!(tracks.is_default(&track(Video, 2)) && !tracks.is_default(&track(Video, 1)));
        tracks.set(&track(Video, 0));
        assert_eq!(
            ids(&tracks),
            [(Video, 0), (Audio, 3), (Video, 1), (Video, 2)]
        );
        assert_eq!((tracks.count(Video), tracks.count(Audio)), (3, 1));
        let known = tracks.find(Video, 2).cloned();
        let again = track(Video, 2);
        tracks.set(&again);
        assert!(known.is_some_and(|known| !Arc::ptr_eq(&known, &again)));
        assert!(
            tracks
                .find(Video, 2)
                .is_some_and(|found| Arc::ptr_eq(found, &again))
        );
        assert_eq!(ids(&tracks).len(), 4);
    }
}
