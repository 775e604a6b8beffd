//! A viewer of HTTP-FLV that keeps what it gets and how it came.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use tokio::{task::JoinHandle, time::Instant};

use crate::eventually;

/// Reads a response without end in the background; stops when dropped.
#[derive(Debug)]
pub struct Viewer {
    got: Arc<Mutex<Got>>,
    reader: JoinHandle<()>,
}

/// What a viewer has so far.
#[derive(Debug, Clone, Default)]
pub struct Got {
    /// The body, where it is kept.
    pub body: Vec<u8>,
    /// Bytes that came.
    pub bytes: u64,
    /// When each piece came, since the request.
    pub arrivals: Vec<Duration>,
    /// Whether the response has ended, and how.
    pub ended: Option<Result<(), String>>,
}

impl Viewer {
    /// Opens an address, again and again until it answers with success.
    pub async fn open(url: &str) -> Self {
        eventually(url, async || {
            let since = Instant::now();
            let response = reqwest::get(url).await.ok()?;
            response
                .status()
                .is_success()
                .then(|| Self::reading(response, since, true))
        })
        .await
    }

    /// Reads a response whose request was sent at `since`, keeping the body or only its size.
    #[must_use]
    pub fn reading(response: reqwest::Response, since: Instant, keep: bool) -> Self {
        let got = Arc::new(Mutex::new(Got::default()));
        let shared = Arc::clone(&got);
        let reader = tokio::spawn(async move {
            let mut pieces = response.bytes_stream();
            let note =
                |add: &dyn Fn(&mut Got)| add(&mut shared.lock().expect("no reader panicked"));
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => note(&|got| {
                        got.bytes += piece.len() as u64;
                        got.arrivals.push(since.elapsed());
                        if keep {
                            got.body.extend_from_slice(&piece);
                        }
                    }),
                    Err(error) => {
                        return note(&|got| got.ended = Some(Err(error.to_string())));
                    }
                }
            }
            note(&|got| got.ended = Some(Ok(())));
        });
        Self { got, reader }
    }

    /// What came so far.
    ///
    /// # Panics
    /// If the reader panicked.
    #[must_use]
    pub fn got(&self) -> Got {
        self.got.lock().expect("no reader panicked").clone()
    }

    /// Waits until `more` bytes have come that were not there at the call.
    ///
    /// # Panics
    /// If the response ends instead, or nothing comes.
    pub async fn goes_on(&self, more: u64) {
        let before = self.got().bytes;
        eventually("a viewer gets more", async || {
            let got = self.got();
            assert!(got.ended.is_none(), "the response ended: {:?}", got.ended);
            (got.bytes >= before + more).then_some(())
        })
        .await;
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
