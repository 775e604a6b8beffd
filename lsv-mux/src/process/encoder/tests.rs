use std::future::pending;

use lsv_core::channel::Color;
use lsv_core::hub::{Offer, Publisher, Settings, WatermarkText};
use lsv_core::media::Orientation;
use lsv_core::path::{ChannelId, StreamPath};

use super::*;
use crate::fuzzing::tracks;
use crate::process::overlay::{Config, Error};
use crate::process::plan::Known;

fn watermark(text: &str) -> Watermark {
    let text = WatermarkText {
        text: text.to_owned(),
        size: 20,
        color: Color::parse("red").unwrap(),
    };
    Watermark::new(Some(text), None, 0, 0)
}

fn wanting(text: &str) -> Settings {
    let mut settings = Settings::default();
    settings.processing.watermark = Some(watermark(text));
    settings
}

/// A job of a channel that wants the watermark `text`, with a run that was begun for it.
fn job(text: &str) -> (Job, Publisher) {
    let hub = Hub::default();
    let path = StreamPath::source(ChannelId::parse("cam").unwrap());
    let mut offer = Offer::new("test");
    offer.settings = wanting(text);
    let now = std::time::Instant::now();
    let publisher = hub.publish(&path, offer, now).unwrap();
    let stream = hub.find(&path).unwrap();
    let tools = Encoder {
        hub,
        ffmpeg: Ffmpeg::stand_in("/nowhere/ffmpeg"),
        overlays: Overlays::new(Config::default()),
        ladder: Ladder::default(),
    };
    let (control, _) = TaskControl::new();
    let insert = stream.insert().unwrap();
    let mut job = Job::new(tools, stream, control, insert, mpsc::channel(NOTES).0);
    let known = Known {
        key_frame_interval: None,
        segment: Duration::from_secs(2),
        orientation: Orientation::default(),
    };
    let processing = wanting(text).processing;
    let plan = Plan::new(&processing, &tracks(), known, &job.tools.ladder);
    let begun = Begun {
        encoding: Arc::new(plan.encoding.unwrap()),
        tracks: Vec::new(),
        since: Instant::now(),
        _task: AbortOnDropHandle::new(tokio::spawn(pending())),
    };
    job.handover.begin(1);
    job.runs.insert(1, begun);
    (job, publisher)
}

/// Drawing takes seconds where a picture must be fetched; meanwhile an operator corrects what is to be drawn.
#[tokio::test]
async fn a_watermark_that_cannot_be_drawn_is_that_of_its_own_run() {
    let (mut job, _publisher) = job("wrong");
    job.stream.set_settings(wanting("corrected"));
    job.hear(1, Note::Ended(Err(RunError::Overlay(Error::NoFonts))));
    let blamed = job.undrawable.map(|(watermark, _)| watermark);
    assert_eq!(blamed, Some(watermark("wrong")));
}

#[tokio::test]
async fn a_machine_that_is_too_slow_is_told_of_until_it_is_not() {
    let (mut job, _publisher) = job("lsv");
    let told = |job: &Job| {
        let warnings = job.stream.warnings();
        warnings.iter().any(|it| it.topic == Warning::ENCODER_SPEED)
    };
    job.hear(1, Note::Skipped(30));
    assert!(told(&job));
    let now = Instant::now();
    job.warn_of_pace(now, 1.0);
    assert!(told(&job));
    job.warn_of_pace(now + SKIPPED_REMEMBERED, 1.0);
    assert!(!told(&job));
    // A source that is slow itself.
    job.warn_of_pace(now + SKIPPED_REMEMBERED, 0.5);
    assert!(!told(&job));
}
