//! The demo: a bundled clip, published for ever.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lsv_core::hub::{Closed, Hub, Offer, OnBusy, Publisher, Settings};
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::ports::ChannelStore;
use lsv_core::time::Timestamp;
use lsv_mux::flv;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// A clip in memory, ready to be published.
#[derive(Debug)]
pub struct Clip {
    frames: Vec<MediaFrame>,
    tracks: Vec<Arc<Track>>,
    length: Duration,
}

impl Clip {
    /// The clip that comes with lsv; `assets/README.md` says how it was made.
    ///
    /// # Errors
    /// None that a build which passed its tests has.
    pub fn bundled() -> anyhow::Result<Self> {
        Self::parse(include_bytes!("../assets/demo.flv"), BUNDLED_LENGTH)
    }

    fn parse(bytes: &[u8], length: Duration) -> anyhow::Result<Self> {
        let mut reader = flv::Frames::default();
        reader.push(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().context("the demo clip is damaged")? {
            if frame.kind() != Kind::Data {
                frames.push(frame);
            }
        }
        join_ends(&mut frames, length);
        Ok(Self {
            frames,
            tracks: reader.tracks().map(Arc::clone).collect(),
            length,
        })
    }

    /// Publishes the clip to the channel `id` in real time, over and over, until `stop`.
    ///
    /// It gives way: it begins only while the channel exists and nobody else publishes to it or is expected back, each
    /// time with the channel's settings of that moment.
    pub async fn play_forever(
        self,
        hub: Hub,
        channels: Arc<dyn ChannelStore>,
        id: ChannelId,
        stop: CancellationToken,
    ) {
        let path = StreamPath::source(id);
        while !stop.is_cancelled() {
            let free = publisher(&hub, channels.as_ref(), &path);
            if let Some(Some(publisher)) = stop.run_until_cancelled(free).await {
                for track in &self.tracks {
                    publisher.announce(track);
                }
                let play = self.play(|frame| publisher.push(frame));
                match stop.run_until_cancelled(play).await {
                    Some(Err(reason)) => tracing::info!(%reason, "the demo was interrupted"),
                    None => publisher.finish(),
                }
            }
            stop.run_until_cancelled(sleep(RESTART_PAUSE)).await;
        }
    }

    async fn play(
        &self,
        mut push: impl FnMut(MediaFrame) -> Result<(), Closed>,
    ) -> Result<Infallible, Closed> {
        let start = Instant::now();
        let mut offset = Duration::ZERO;
        loop {
            for frame in &self.frames {
                let mut frame = frame.clone();
                frame.dts = frame.dts + offset;
                sleep_until(start + frame.dts.since(Timestamp::ZERO)).await;
                push(frame)?;
            }
            offset += self.length;
        }
    }
}

/// The right to publish, if the channel exists and is free.
async fn publisher(hub: &Hub, channels: &dyn ChannelStore, path: &StreamPath) -> Option<Publisher> {
    let channel = match channels.get(&path.channel).await {
        Ok(found) => found.channel,
        Err(error) => {
            tracing::debug!(%error, "the demo waits for its channel");
            return None;
        }
    };
    if hub.find(path).is_some() {
        return None;
    }
    let mut offer = Offer::new("the demo clip");
    offer.on_busy = OnBusy::Reject;
    offer.settings = Settings::from(&*channel);
    hub.publish(path, offer, Instant::now().into_std()).ok()
}

/// Bends the clip into a ring of `length`: audio begins a little after video, so its last frames come before the
/// first picture of the next round.
fn join_ends(frames: &mut Vec<MediaFrame>, length: Duration) {
    let start = |kind| {
        frames
            .iter()
            .find(|frame| frame.kind() == kind)
            .map(|frame| frame.dts)
    };
    let starts = [Kind::Video, Kind::Audio].map(|kind| (kind, start(kind)));
    let within = |frame: &MediaFrame| {
        starts.iter().any(|(kind, start)| {
            frame.kind() == *kind && start.is_some_and(|start| frame.dts < start + length)
        })
    };
    frames.retain(within);
    let end = Timestamp::ZERO + length;
    for frame in frames.iter_mut().filter(|frame| frame.dts >= end) {
        frame.dts = frame.dts - end;
    }
    frames.sort_by_key(|frame| frame.dts);
}

/// 192 pictures, 375 AAC frames.
const BUNDLED_LENGTH: Duration = Duration::from_secs(8);

/// How long the demo keeps away after it was interrupted, and how often it looks whether it may begin.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use lsv_core::channel::{Channel, Moment};
    use lsv_core::embedded::Channels;
    use lsv_core::ports::Precondition;

    use super::*;

    /// The demo over a store of its own.
    struct Demo {
        hub: Hub,
        channels: Arc<Channels>,
        channel: Channel,
        path: StreamPath,
        stop: CancellationToken,
        _folder: tempfile::TempDir,
    }

    impl Demo {
        async fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let id = ChannelId::parse("demo").unwrap();
            let demo = Self {
                hub: Hub::default(),
                channels: Arc::new(Channels::open(folder.path().join("channels")).unwrap()),
                channel: Channel::new(id.clone(), Moment::from(SystemTime::UNIX_EPOCH)),
                path: StreamPath::source(id.clone()),
                stop: CancellationToken::new(),
                _folder: folder,
            };
            demo.keep().await;
            let clip = Clip::bundled().unwrap();
            let stop = demo.stop.clone();
            tokio::spawn(clip.play_forever(demo.hub.clone(), demo.channels.clone(), id, stop));
            demo.comes().await;
            demo
        }

        async fn keep(&self) {
            let channels = &self.channels;
            channels
                .put(&self.channel, Precondition::Any)
                .await
                .unwrap();
        }

        async fn comes(&self) {
            sleep(RESTART_PAUSE * 3).await;
            let stream = self.hub.find(&self.path).unwrap();
            assert_eq!(stream.peer(), "the demo clip");
        }

        fn end_session(&self) {
            self.hub.find(&self.path).unwrap().close(Closed::Kicked);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_demo_gives_way_to_a_publisher_and_comes_back_after_it() {
        let demo = Demo::start().await;
        let real = demo.hub.publish(
            &demo.path,
            Offer::new("192.0.2.1:5000"),
            Instant::now().into_std(),
        );
        let real = real.unwrap();
        sleep(RESTART_PAUSE * 10).await;
        assert_eq!(real.stream().peer(), "192.0.2.1:5000");
        let stream = Arc::clone(real.stream());
        drop(real);
        sleep(RESTART_PAUSE * 10).await;
        assert_eq!(stream.peer(), "192.0.2.1:5000", "it is expected back");
        stream.close(Closed::Kicked);
        demo.comes().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_demo_ends_its_stream_when_the_node_stops() {
        let demo = Demo::start().await;
        demo.stop.cancel();
        sleep(RESTART_PAUSE).await;
        assert!(demo.hub.find(&demo.path).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_demo_lives_and_dies_with_its_channel() {
        let mut demo = Demo::start().await;
        demo.channels.delete(&demo.path.channel).await.unwrap();
        demo.end_session();
        sleep(RESTART_PAUSE * 10).await;
        assert!(demo.hub.find(&demo.path).is_none());
        demo.channel.settings.is_flv = false;
        demo.keep().await;
        demo.comes().await;
        let settings = demo.hub.find(&demo.path).unwrap().settings();
        assert_eq!(*settings.borrow(), Settings::from(&demo.channel));
    }

    #[test]
    fn the_clip_fills_its_length() {
        let clip = Clip::bundled().unwrap();
        let count = |kind| {
            clip.frames
                .iter()
                .filter(|frame| frame.kind() == kind)
                .count()
        };
        assert_eq!((count(Kind::Video), count(Kind::Audio)), (192, 375));
        assert!(
            clip.frames
                .iter()
                .find(|frame| frame.kind() == Kind::Video)
                .is_some_and(|frame| frame.key)
        );
        assert_eq!(clip.tracks.len(), 2);
    }
}
