//! Playlists and manifests, followed as players do, and held to all that the judges know: each returns when the server cannot be
//! reached, or has nothing yet.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::Notes;
use crate::{hls, mpd};

/// Follows a media playlist and fetches each segment.
pub(super) async fn ts(url: &str, client: &reqwest::Client, notes: &Notes) {
    let mut judge = hls::Judge::new(url);
    while let Some(text) = text(url, client, notes).await {
        if has_jumped(&judge, &text) {
            notes.jumped();
            judge = hls::Judge::new(url);
        }
        for name in judge.see(&text) {
            if fetch(&beside(url, &name), client, notes).await.is_none() {
                return;
            }
            notes.came();
        }
        complain(judge.complaints(), notes);
        sleep(BETWEEN_LOOKS).await;
    }
}

/// Follows a media playlist by blocking reloads, and fetches each part and each segment. When the server is lost, all of
/// it is held to its media.
pub(super) async fn low_latency(url: &str, client: &reqwest::Client, notes: &Notes) {
    let (mut judge, mut files) = (hls::Judge::new(url), HashMap::new());
    let mut next = url.to_owned();
    'visit: while let Some(text) = text(&next, client, notes).await {
        if has_jumped(&judge, &text) {
            notes.jumped();
            (judge, files) = (hls::Judge::new(url), HashMap::new());
        }
        for name in judge.see(&text) {
            let Some(bytes) = fetch(&beside(url, &name), client, notes).await else {
                break 'visit;
            };
            files.insert(name, bytes);
            notes.came();
        }
        complain(judge.complaints(), notes);
        let Some(open) = judge.last().map(|last| &last.open) else {
            return;
        };
        let (segment, part) = (open.sequence, open.parts.len());
        next = format!("{url}?_HLS_msn={segment}&_HLS_part={part}");
    }
    // What was listed last may not have come.
    let listed = judge.listed();
    let whole = listed
        .iter()
        .all(|listed| files.contains_key(&listed.segment.uri));
    if whole {
        drop(hls::judge_cmaf(&mut judge, &files));
        complain(judge.complaints(), notes);
    }
}

/// Follows a manifest and fetches each newest segment of its pictures.
pub(super) async fn dash(url: &str, client: &reqwest::Client, notes: &Notes) {
    let (mut judge, mut last) = (mpd::Judge::default(), None);
    while let Some(manifest) = text(url, client, notes).await {
        // One that has ended does not say when it began.
        let (before, now) = (mpd::began(judge.text()), mpd::began(&manifest));
        if before.zip(now).is_some_and(|(before, now)| before != now) {
            notes.jumped();
            judge = mpd::Judge::default();
        }
        judge.see(&manifest);
        complain(judge.complaints(), notes);
        let newest = mpd::newest(&manifest);
        if newest != last {
            if let Some(name) = &newest {
                if fetch(&beside(url, name), client, notes).await.is_none() {
                    return;
                }
                notes.came();
            }
            last = newest;
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

/// Whether a playlist has nothing any more of what was listed, nor what would have come next: another node makes it anew, and
/// players begin again at its end.
fn has_jumped(judge: &hls::Judge, text: &str) -> bool {
    let Some(last) = judge.last() else {
        return false;
    };
    let now = hls::MediaPlaylist::parse(text);
    now.is_ok_and(|now| now.media_sequence > last.open.sequence)
}

/// What is at an address that changes; none where nobody answers, or has nothing yet.
async fn text(url: &str, client: &reqwest::Client, notes: &Notes) -> Option<String> {
    loop {
        match client.get(url).send().await {
            Ok(answer) if answer.status().is_success() => {
                if let Ok(text) = answer.text().await {
                    return Some(text);
                }
            }
            Ok(answer) if notes.has_come() => {
                notes.wrong(format!("{} for {url}", answer.status()));
            }
            Ok(_) => return None,
            Err(error) if error.is_connect() => return None,
            Err(_) => {}
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

/// What is listed; none where nobody answers. What breaks off is asked for again.
async fn fetch(url: &str, client: &reqwest::Client, notes: &Notes) -> Option<Bytes> {
    loop {
        let bytes = match client.get(url).send().await {
            Ok(answer) => {
                let status = answer.status();
                if !status.is_success() {
                    notes.wrong(format!("{status} for {url}, which is listed"));
                }
                answer.bytes().await
            }
            Err(error) if error.is_connect() => return None,
            Err(error) => Err(error),
        };
        if let Ok(bytes) = bytes {
            return Some(bytes);
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn beside(url: &str, name: &str) -> String {
    let folder = url.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{name}")
}

fn complain(complaints: &[String], notes: &Notes) {
    complaints
        .iter()
        .for_each(|complaint| notes.wrong(complaint.clone()));
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
