//! Sessions for video on demand: what their playlists say is true, whatever became of the media.

use tokio::time::Instant;

use super::store::Change;
use super::*;
use crate::mp4::recording::Scan;

/// Short segments, and no files.
fn session_only(list_size: usize) -> Offer {
    let mut offer = offer();
    offer.settings.recording.files = None;
    offer.settings.recording.on_demand = Some(hub::OnDemand {
        segment: Duration::from_secs(2),
        list_size,
    });
    offer
}

/// A segment as its playlist has it.
#[derive(Debug, Clone, Default)]
struct Listed {
    name: String,
    init: String,
    seconds: f64,
    wall: String,
    follows_a_discontinuity: bool,
}

fn listed(playlist: &str) -> Vec<Listed> {
    let mut all = Vec::new();
    let mut next = Listed::default();
    for line in playlist.lines() {
        match line.split_once(':').unwrap_or((line, "")) {
            ("#EXT-X-MAP", uri) => next.init = uri[5..uri.len() - 1].to_owned(),
            ("#EXTINF", seconds) => next.seconds = seconds[..seconds.len() - 1].parse().unwrap(),
            ("#EXT-X-PROGRAM-DATE-TIME", wall) => next.wall = wall.to_owned(),
            ("#EXT-X-DISCONTINUITY", _) => next.follows_a_discontinuity = true,
            (line, _) if line.starts_with('#') => {}
            (name, _) => {
                next.name = name.to_owned();
                all.push(next.clone());
                next.follows_a_discontinuity = false;
            }
        }
    }
    all
}

/// Every playlist that was written, and when.
fn playlists(store: &Store) -> Vec<(Instant, String)> {
    let kept = store.0.lock().expect("no call panicked");
    let written = kept
        .history
        .iter()
        .filter_map(|(at, name, change)| match change {
            Change::Put(bytes) if name.starts_with("record/") && name.ends_with(".m3u8") => {
                Some((*at, String::from_utf8(bytes.to_vec()).expect("text")))
            }
            _ => None,
        });
    written.collect()
}

fn folder(store: &Store) -> String {
    let names = store.names();
    let playlist = names
        .iter()
        .find_map(|name| name.strip_suffix("index.m3u8"));
    playlist.expect("a playlist").to_owned()
}

/// What is in a segment: when its pictures begin, how long they are, and the longest that any one is, in seconds.
fn media(store: &Store, listed: &Listed) -> (f64, f64, f64) {
    let folder = folder(store);
    let init = store.read(&format!("{folder}{}", listed.init));
    let segment = store.read(&format!("{folder}{}", listed.name));
    let mut file = init.clone();
    file.extend_from_slice(&segment);
    let mut scan = Scan::new(file.len() as u64);
    while let Some(wanted) = scan.wants() {
        scan.push(&file[wanted.start as usize..wanted.end as usize])
            .expect("a recording");
    }
    let flat = scan.index().expect("a header").flatten();
    assert_eq!(flat.media.end, file.len() as u64, "{listed:?} is whole");
    let media = &file[flat.media.start as usize..flat.media.end as usize];
    let bytes = [&flat.header, media].concat();
    let size = bytes.len() as u64;
    let reader = mp4::Mp4Reader::read_header(std::io::Cursor::new(bytes), size).expect("a file");
    let track = &reader.tracks()[&1];
    let scale = f64::from(track.timescale());
    let runs = &track.trak.mdia.minf.stbl.stts.entries;
    let longest = runs
        .iter()
        .map(|run| run.sample_delta)
        .max()
        .expect("samples");
    let length: f64 = runs
        .iter()
        .map(|run| f64::from(run.sample_count) * f64::from(run.sample_delta))
        .sum();
    let tfdt = segment
        .windows(4)
        .position(|it| it == b"tfdt")
        .expect("a fragment");
    let base: [u8; 8] = segment[tfdt + 8..tfdt + 16]
        .try_into()
        .expect("eight bytes");
    let base = u64::from_be_bytes(base) as f64;
    (base / scale, length / scale, f64::from(longest) / scale)
}

fn wall_seconds(wall: &str) -> f64 {
    let format = &time::format_description::well_known::Rfc3339;
    let wall = time::OffsetDateTime::parse(wall, format).expect("a date");
    wall.unix_timestamp_nanos() as f64 / 1e9
}

fn told_lost(told: &mut tokio::sync::broadcast::Receiver<Arc<lsv_core::events::Event>>) -> f64 {
    let mut lost = 0;
    while let Ok(event) = told.try_recv() {
        if let Happening::RecordingGap { millis, .. } = &event.happened {
            lost += millis;
        }
    }
    lost as f64 / 1_000.0
}

/// Media is lost in the middle of segments, to a store that is away for too long and to one that refuses. The playlist
/// has all that is there, says where it does not go on, and how long and when it was; and the rest was told.
#[tokio::test(start_paused = true)]
async fn what_is_listed_is_there_and_the_rest_was_told() {
    for (gop, refusals, away) in [
        (30, 0, true),
        (300, 0, true),
        (30, 1, false),
        (300, 3, false),
    ] {
        let label = format!("a key frame in {gop}, {refusals} refusals");
        let store = Store::default();
        let config = Config {
            spill_bytes: 60_000,
            ..Config::default()
        };
        let (hub, events, recorders) = started(&store, config);
        settle().await;
        let mut told = events.subscribe();
        let publisher = publish(&hub, session_only(0)).await;
        let source = Source {
            gop,
            ..Source::default()
        };
        let frames = source.frames(40_000);
        settle().await;
        push(&publisher, &frames[..700]).await;
        settle().await;
        store.set_away(away);
        store.0.lock().expect("no call panicked").refusals = refusals;
        push(&publisher, &frames[700..1_750]).await;
        settle().await;
        store.set_away(false);
        tokio::time::sleep(Duration::from_secs(30)).await;
        push(&publisher, &frames[1_750..]).await;
        publisher.finish();
        recorders.settled().await;

        let (_, text) = playlists(&store).pop().expect("a playlist");
        let segments = listed(&text);
        let mut seconds = 0.0;
        let mut before: Option<(f64, f64, f64)> = None;
        for segment in &segments {
            let (start, length, longest) = media(&store, segment);
            assert!(
                (length - segment.seconds).abs() < 0.05,
                "{label}: {length} s of {segment:?}"
            );
            assert!(
                longest < 0.1,
                "{label}: {segment:?} has a hole of {longest} s"
            );
            let wall = wall_seconds(&segment.wall);
            if let Some((first, end, began)) = before {
                let goes_on = (start - end).abs() < 0.05;
                assert_eq!(goes_on, !segment.follows_a_discontinuity, "{label}: {text}");
                let passed = (wall - began) - (start - first);
                assert!(passed.abs() < 0.05, "{label}: {passed} s at {segment:?}");
            }
            before = Some((start, start + length, wall));
            seconds += segment.seconds;
        }
        let gaps = segments
            .iter()
            .filter(|it| it.follows_a_discontinuity)
            .count();
        assert!(gaps >= 1, "{label}: {text}");
        assert!(
            text.contains("#EXT-X-INDEPENDENT-SEGMENTS"),
            "{label}: {text}"
        );
        // Of each fragment the length of its last frame is not told.
        let lost = told_lost(&mut told);
        assert!(
            lost > 0.0 && (seconds + lost - 40.0).abs() < 1.5,
            "{label}: {seconds} s, {lost} s lost"
        );
        assert!(
            store
                .names()
                .iter()
                .all(|name| !name.starts_with("unfinished"))
        );
    }
}

/// The first playlist says how long segments get, and it stays so.
#[tokio::test(start_paused = true)]
async fn a_target_duration_stays() {
    for (gop, target) in [(30, 2), (300, 10), (1_000_000, 32)] {
        let store = Store::default();
        let (hub, _, recorders) = started(&store, Config::default());
        settle().await;
        let publisher = publish(&hub, session_only(0)).await;
        let source = Source {
            gop,
            ..Source::default()
        };
        push(&publisher, &source.frames(70_000)).await;
        publisher.finish();
        recorders.settled().await;
        let playlists = playlists(&store);
        assert!(playlists.len() >= 3);
        for (_, text) in playlists {
            let told = format!("#EXT-X-TARGETDURATION:{target}\n");
            assert!(text.contains(&told), "{text}");
            for segment in listed(&text) {
                assert!(segment.seconds.round() <= f64::from(target), "{text}");
            }
        }
    }
}

/// A segment that is listed no longer stays for as long as players may still come for it (RFC 8216 §6.2.2), goes then,
/// and goes also when the session is over.
#[tokio::test(start_paused = true)]
async fn segments_stay_while_players_may_need_them() {
    let store = Store::default();
    let (hub, _, recorders) = started(&store, Config::default());
    settle().await;
    let publisher = publish(&hub, session_only(3)).await;
    for frame in Source::default().frames(60_000) {
        publisher.push(frame.clone()).expect("live");
        if frame.kind() == lsv_core::media::Kind::Video {
            tokio::time::sleep(Duration::from_millis(33)).await;
        }
    }
    publisher.finish();
    recorders.settled().await;
    let journal = |store: &Store| {
        let names = store.names();
        names
            .iter()
            .filter(|name| name.starts_with("unfinished"))
            .count()
    };
    assert_eq!(journal(&store), 1, "a sweep is due");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(journal(&store), 0);

    let playlists = playlists(&store);
    let folder = folder(&store);
    let history = store.0.lock().expect("no call panicked").history.clone();
    let last: Vec<String> = listed(&playlists.last().expect("one").1)
        .into_iter()
        .map(|segment| segment.name)
        .collect();
    assert_eq!(last.len(), 3);
    let mut removed = 0;
    for number in 0..30 {
        let name = format!("segment-{number}.m4s");
        let gone = history.iter().find_map(|(at, changed, change)| {
            (*changed == format!("{folder}{name}") && *change == Change::Deleted).then_some(*at)
        });
        if last.contains(&name) {
            assert_eq!(gone, None, "{name}");
            continue;
        }
        let Some(gone) = gone else {
            assert!(number > 20, "{name} stays for ever");
            continue;
        };
        removed += 1;
        let mut withdrawn = None;
        let (mut own, mut longest) = (0.0, 0.0_f64);
        for (at, text) in &playlists {
            let segments = listed(text);
            let Some(segment) = segments.iter().find(|segment| segment.name == name) else {
                withdrawn = withdrawn.or_else(|| (own > 0.0).then_some(*at));
                continue;
            };
            own = segment.seconds;
            longest = longest.max(segments.iter().map(|it| it.seconds).sum());
        }
        let stayed = (gone - withdrawn.expect("it was listed")).as_secs_f64();
        assert!(stayed >= own + longest, "{name} stayed for {stayed} s");
    }
    assert!(removed > 20, "{removed}");
}

/// What a killed process had not removed yet goes with the next start, in its time; a session that had ended stays as it is.
#[tokio::test(start_paused = true)]
async fn what_is_outdated_goes_after_a_crash() {
    let store = Store::default();
    let playlist = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MEDIA-SEQUENCE:2\n#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXTINF:2.00000,\nsegment-2.m4s\n#EXT-X-ENDLIST\n";
    for (name, text) in [
        ("record/cam/vod/now/index.m3u8", playlist),
        ("record/cam/vod/now/init-0.mp4", "x"),
        ("record/cam/vod/now/init-1.mp4", "x"),
        ("record/cam/vod/now/segment-0.m4s", "x"),
        ("record/cam/vod/now/segment-1.m4s", "x"),
        ("record/cam/vod/now/segment-2.m4s", "x"),
        ("unfinished/record/cam/vod/now/index.m3u8", ""),
    ] {
        let name = ObjectName::parse(name).expect("is a name");
        store.put(&name, Bytes::from(text)).await.expect("there");
    }
    let (_, events, _) = started(&store, Config::default());
    let mut told = events.subscribe();
    settle().await;
    assert_eq!(store.names().len(), 7, "{:?}", store.names());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(
        store.names(),
        ["index.m3u8", "init-1.mp4", "segment-2.m4s"]
            .map(|name| format!("record/cam/vod/now/{name}"))
    );
    assert_eq!(
        store.read("record/cam/vod/now/index.m3u8"),
        playlist.as_bytes()
    );
    assert!(told.try_recv().is_err());
}

/// A last segment of which nothing can be made does not keep its session from ending.
#[tokio::test(start_paused = true)]
async fn a_session_ends_without_a_damaged_segment() {
    let store = Store::default();
    let playlist = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:EVENT\n\
        #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:2.00000,\nsegment-0.m4s\n";
    let damaged = "\0\0\0\x10moov\0\0\0\x02trak";
    for (name, text) in [
        ("record/cam/vod/now/index.m3u8", playlist),
        ("record/cam/vod/now/init-1.mp4", damaged),
        ("record/cam/vod/now/segment-1.m4s", damaged),
        ("unfinished/record/cam/vod/now/index.m3u8", ""),
    ] {
        let name = ObjectName::parse(name).expect("is a name");
        store.put(&name, Bytes::from(text)).await.expect("there");
    }
    started(&store, Config::default());
    settle().await;
    let text = String::from_utf8(store.read("record/cam/vod/now/index.m3u8")).expect("text");
    assert!(text.ends_with("segment-0.m4s\n#EXT-X-ENDLIST\n"), "{text}");
    assert!(
        store
            .names()
            .iter()
            .all(|name| !name.starts_with("unfinished"))
    );
}
