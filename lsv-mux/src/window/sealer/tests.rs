use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use lsv_core::hub::Settings;

use super::*;
use crate::encrypt::decrypt;
use crate::packager::{Config, Packager};
use crate::segmenter::synthetic::Source;
use crate::window::{Cache, FileError, Outputs, Reload, Skip};

/// All formats, with a new key every so many segments; 0 for none at all.
fn settings(rotation: u32) -> Settings {
    let mut settings = Settings::default();
    settings.cmaf = true;
    settings.key_rotation = NonZeroU32::new(rotation);
    settings
}

fn packager(settings: &Settings) -> Packager {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    Packager::new(&Config::default(), settings, 1001, now).with_keys(keys(), now)
}

fn keys() -> ContentKeys {
    ContentKeys::derive(&lsv_auth::Secret::new("secret").unwrap(), "cam")
}

/// Pushes the frames between two times of the stream, in milliseconds.
fn push(packager: &mut Packager, from: i64, to: i64) {
    for frame in Source::default().frames(to) {
        if frame.dts.as_millis() >= from {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
            packager.push(&frame, now + frame.dts.since(Default::default()));
        }
    }
}

/// A file that is there.
fn file(outputs: &Outputs, name: &str) -> Result<Bytes, FileError> {
    let found = outputs.file(name, Reload::default()).now_or_never();
    let found = found.unwrap_or_else(|| panic!("{name} is waited for"));
    found.map(|file| file.body.to_bytes())
}

fn text(outputs: &Outputs, name: &str) -> String {
    String::from_utf8(file(outputs, name).unwrap().to_vec()).unwrap()
}

/// Follows a playlist as a player does: every file that it lists, decrypted with the key that is in force.
fn follow(outputs: &Outputs, playlist: &str) -> Vec<(String, Bytes)> {
    let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = |uri: &str| match uri.strip_prefix("../") {
        Some(above) => above.to_owned(),
        None if folder.is_empty() => uri.to_owned(),
        None => format!("{folder}/{uri}"),
    };
    let uri = |line: &str| {
        let (_, rest) = line.split_once("URI=\"")?;
        Some(name(rest.split_once('"')?.0))
    };
    let mut key: Option<ContentKey> = None;
    let mut files = Vec::new();
    let body = text(outputs, playlist);
    let first = body
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    let mut sequence: u64 = first.unwrap().parse().unwrap();
    let open = |key: &Option<ContentKey>, sequence, name: &str| {
        let body = file(outputs, name).unwrap();
        match key {
            Some(key) => {
                decrypt(key, sequence, &body).unwrap_or_else(|| panic!("{name}: {body:?}"))
            }
            None => body,
        }
    };
    for line in body.lines() {
        if line == "#EXT-X-KEY:METHOD=NONE" {
            key = None;
        } else if line.starts_with("#EXT-X-KEY:METHOD=AES-128,") {
            assert!(!line.contains("IV="));
            let bytes = file(outputs, &uri(line).unwrap()).unwrap();
            key = Some(ContentKey::new(bytes[..].try_into().unwrap()));
        } else if line.starts_with("#EXT-X-MAP:") || line.starts_with("#EXT-X-PART:") {
            let name = uri(line).unwrap();
            files.push((name.clone(), open(&key, sequence, &name)));
        } else if !line.starts_with('#') {
            files.push((name(line), open(&key, sequence, &name(line))));
            sequence += 1;
        }
    }
    files
}

const PLAYLISTS: [&str; 3] = ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"];

#[test]
fn what_players_decrypt_is_what_others_get_in_the_clear() {
    let mut clear = packager(&settings(0));
    let mut sealed = packager(&settings(2));
    for at in (0..30).map(|n| n * 700) {
        push(&mut clear, at, at + 700);
        push(&mut sealed, at, at + 700);
        if at < 4_000 {
            continue;
        }
        for playlist in PLAYLISTS {
            let expected = follow(clear.outputs(), playlist);
            assert!(!expected.is_empty());
            assert_eq!(follow(sealed.outputs(), playlist), expected, "{playlist}");
            let name = &expected.last().unwrap().0;
            assert_ne!(file(clear.outputs(), name), file(sealed.outputs(), name));
        }
    }
}

#[test]
fn the_key_changes_as_often_as_it_is_set() {
    let mut packager = packager(&settings(2));
    push(&mut packager, 0, 21_000);
    let playlist = text(packager.outputs(), "live.m3u8");
    // Segments 1005 to 1010 are listed; keys are called by even numbers.
    let keys: Vec<&str> = playlist
        .lines()
        .filter(|line| line.starts_with("#EXT-X-KEY") || line.starts_with("ts/"))
        .collect();
    let key = |number| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"key/{number}\"");
    assert_eq!(
        keys,
        [
            &key(1004),
            "ts/1005.ts",
            &key(1006),
            "ts/1006.ts",
            "ts/1007.ts",
            &key(1008),
            "ts/1008.ts",
            "ts/1009.ts",
            &key(1010),
            "ts/1010.ts",
        ]
    );
    let distinct: BTreeSet<Bytes> = [1004, 1006, 1008, 1010]
        .map(|number| file(packager.outputs(), &format!("key/{number}")).unwrap())
        .into();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn only_keys_that_are_needed_are_given_out_and_no_cache_keeps_them() {
    let mut packager = packager(&settings(2));
    push(&mut packager, 0, 61_000);
    let key = |number: u64| {
        let name = format!("key/{number}");
        packager
            .outputs()
            .file(&name, Reload::default())
            .now_or_never()
            .unwrap()
    };
    let found = key(1030).unwrap();
    assert_eq!((found.cache, found.body.len()), (Cache::Never, 16));
    assert_eq!(found.body, keys().key(1030).expose()[..]);
    assert!(found.gzip().is_none());
    for number in [0, 7, 1000, 1002, 1029, 1031, 1034, 5000, u64::MAX] {
        assert_eq!(key(number).err(), Some(FileError::NotFound), "{number}");
    }
}

#[test]
fn dash_is_off_while_anything_is_encrypted() {
    let mut packager = packager(&settings(1));
    let mpd = |packager: &Packager| {
        let outputs = Arc::clone(packager.outputs());
        outputs
            .file("manifest.mpd", Reload::default())
            .now_or_never()
    };
    assert_eq!(mpd(&packager).unwrap().err(), Some(FileError::Encrypted));
    push(&mut packager, 0, 9_000);
    assert_eq!(mpd(&packager).unwrap().err(), Some(FileError::Encrypted));
    packager.configure(&settings(0), SystemTime::UNIX_EPOCH);
    push(&mut packager, 9_000, 12_000);
    assert_eq!(mpd(&packager).unwrap().err(), Some(FileError::Encrypted));
    push(&mut packager, 12_000, 50_000);
    assert!(mpd(&packager).unwrap().is_ok());
}

#[test]
fn encryption_is_turned_on_and_off_between_segments() {
    let clear = settings(0);
    let mut reference = packager(&clear);
    let mut packager = packager(&clear);
    let mut was_mixed = false;
    for (from, to, settings) in [
        (0, 7_300, &clear),
        (7_300, 14_500, &settings(3)),
        (14_500, 21_700, &clear),
    ] {
        packager.configure(settings, SystemTime::UNIX_EPOCH);
        push(&mut packager, from, to);
        push(&mut reference, from, to);
        for playlist in PLAYLISTS {
            let expected = follow(reference.outputs(), playlist);
            assert_eq!(follow(packager.outputs(), playlist), expected, "{playlist}");
            let body = text(packager.outputs(), playlist);
            was_mixed |= body.contains("METHOD=AES-128") && body.contains("METHOD=NONE");
        }
    }
    assert!(was_mixed);
}

/// What is to be encrypted and cannot be is not shown in the clear.
#[test]
fn without_keys_nothing_is_shown() {
    let now = SystemTime::UNIX_EPOCH;
    let mut packager = Packager::new(&Config::default(), &settings(1), 1001, now);
    push(&mut packager, 0, 9_000);
    for name in [
        "live.m3u8",
        "master.m3u8",
        "cmaf/video.m3u8",
        "ts/1002.ts",
        "key/1002",
    ] {
        assert_eq!(
            file(packager.outputs(), name),
            Err(FileError::Disabled),
            "{name}"
        );
    }
}

#[test]
fn what_is_encrypted_is_counted() {
    let mut packager = packager(&settings(1));
    push(&mut packager, 0, 9_000);
    let snapshot = Arc::clone(&packager.outputs().window.borrow());
    for segment in &*snapshot.segments {
        let cmaf = segment.renditions.iter().map(|rendition| {
            let parts = rendition.parts.iter().map(|part| part.bytes.len());
            rendition.bytes.len() + parts.sum::<usize>()
        });
        let ts = segment.ts.as_ref().map_or(0, |ts| ts.bytes.len());
        assert_eq!(segment.size(), ts + cmaf.sum::<usize>());
    }
}

/// Players exist that forget the key of what a delta update skips.
#[test]
fn a_delta_update_says_the_key_again() {
    let mut settings = settings(100);
    settings.list_size = 30;
    let mut packager = packager(&settings);
    push(&mut packager, 0, 50_000);
    let reload = Reload {
        skip: Skip::Segments,
        ..Reload::default()
    };
    for playlist in PLAYLISTS {
        let file = packager.outputs().file(playlist, reload);
        let body = file.now_or_never().unwrap().unwrap().body.to_bytes();
        let delta = String::from_utf8(body.to_vec()).unwrap();
        let (_, rest) = delta.split_once("#EXT-X-SKIP:").unwrap();
        let (before, _) = rest.split_once("#EXTINF").unwrap();
        assert_eq!(
            before.matches("#EXT-X-KEY:METHOD=AES-128").count(),
            1,
            "{delta}"
        );
        assert_eq!(delta.matches("#EXT-X-KEY").count(), 1, "{delta}");
    }
}
