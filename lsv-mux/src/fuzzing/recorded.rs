//! Hostile bytes where the playlist of an unfinished recording should be.

use crate::record::on_demand::playlist::Playlist;

/// What is taken for a playlist of ours is one: written again it is read as the same.
pub fn vod_playlist(data: &[u8]) {
    let Some(playlist) = Playlist::parse(&String::from_utf8_lossy(data)) else {
        return;
    };
    for ended in [false, true] {
        let written = playlist.render(ended);
        let again = Playlist::parse(&written).map(|playlist| playlist.render(ended));
        assert_eq!(again, Some(written), "a playlist changes as it is read");
    }
}
