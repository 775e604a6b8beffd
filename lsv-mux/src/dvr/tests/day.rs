use super::*;

/// A picture a second, a key frame every two: 43,200 segments a day. Past the first day and one hour.
#[tokio::test(start_paused = true)]
async fn a_day_is_listed_and_no_more() {
    let mut live = Live::new(|settings| settings.dvr_window = Some(DAY));
    let source = Source {
        fps_millis: 1_000,
        gop: 2,
        ..Source::video_only()
    };
    let mut sequence = 0;
    for frame in source.frames(25 * 3_600_000) {
        let now = base() + frame.dts.since(Timestamp::ZERO);
        live.packager.push(&frame, now);
        let next = live.packager.outputs().next_sequence();
        if std::mem::replace(&mut sequence, next) != next {
            settle().await;
        }
    }
    let newest = 1000 + 25 * 1_800 - 2;
    for (name, folder) in [("live.m3u8", ""), ("cmaf/video.m3u8", "cmaf/")] {
        let text = live.text(name);
        let playlist = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
        assert_eq!(playlist.segments.len(), 43_200, "{name}");
        assert_eq!(playlist.media_sequence, newest - 43_199);
        let seconds: f32 = playlist
            .segments
            .iter()
            .map(|segment| segment.duration)
            .sum();
        assert_eq!(seconds, 86_400.0);
        let dates: Vec<_> = playlist
            .segments
            .iter()
            .filter_map(|segment| Some(segment.program_date_time?.timestamp()))
            .collect();
        assert_eq!(dates.len(), 43_200);
        assert!(dates.windows(2).all(|pair| pair[1] - pair[0] == 2));
        for index in [0, 1, 127, 128, 20_000, 43_199] {
            let uri = &playlist.segments[index].uri;
            assert!(
                fetch(&live.packager, &format!("{folder}{uri}")).is_ok(),
                "{uri}"
            );
        }
        // What a player asks for that has it all is small.
        let delta = Reload {
            skip: Skip::Segments,
            ..Reload::default()
        };
        let delta = super::text(&live.packager, name, delta).unwrap();
        assert!(delta.len() < 10_000, "{}", delta.len());
        assert_eq!(media(&delta).len() + skipped(&delta), 43_200);
    }
    let mpd = live.text("manifest.mpd");
    assert_eq!(dash_names(&mpd).len(), 43_200);
    assert!(mpd.contains("timeShiftBufferDepth=\"PT86402.000S\""));
    assert_eq!(live.store.names().len(), 2 * 43_200);
}

fn skipped(delta: &str) -> usize {
    let count = delta
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-SKIP:SKIPPED-SEGMENTS="));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

const DAY: Duration = Duration::from_secs(86_400);
