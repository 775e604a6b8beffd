//! Tags that a task within the test collects.

use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;

use crate::{
    Client,
    flv::Tag,
    rtmp::{kind, split},
};

/// Tags that came so far.
pub(super) type Kept = Arc<Mutex<Vec<Tag>>>;

/// A task that collects tags; stops when dropped.
#[derive(Debug)]
pub(super) struct Collecting {
    kept: Kept,
    task: JoinHandle<()>,
}

impl Collecting {
    /// Runs what collects.
    pub(super) fn with<F>(task: impl FnOnce(Kept) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let kept = Kept::default();
        let task = tokio::spawn(task(Arc::clone(&kept)));
        Self { kept, task }
    }

    /// Plays an address with the client of the tests' own, which says that it understands all of Enhanced RTMP v2: no
    /// client that other people wrote does so yet.
    pub(super) fn announcing(url: &str) -> Self {
        let url = url.to_owned();
        Self::with(async move |kept| {
            let (host, name) = split(&url);
            let mut client = Client::connect(host).await;
            client.play(name).await.expect("a stream to play");
            while let Some(message) = client.receive().await {
                if [kind::AUDIO, kind::VIDEO].contains(&message.kind) {
                    kept.lock().expect("nobody panicked").push(Tag {
                        kind: message.kind,
                        timestamp: message.timestamp,
                        body: message.payload,
                    });
                }
            }
        })
    }

    /// What came so far.
    pub(super) fn tags(&self) -> Vec<Tag> {
        self.kept.lock().expect("nobody panicked").clone()
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        self.task.abort();
    }
}
