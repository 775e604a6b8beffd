//! An object that grows: what was appended waits until it makes a part, and is sent while more comes.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Bytes, BytesMut};
use lsv_core::ports::{Error, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Result};

use super::objects::{Objects, Over, draw_mark};
use super::plan::{PART, part_bytes};
use super::tail::{Keeper, Tail, Task};
use super::transfer::Upload;

/// Sends an object in parts. In memory are at most the part that is gathered, the same as it was when it was last kept, and
/// two that are under way, each as long as [`part_bytes`] says and what the append that filled it brought.
///
/// A part that could not be sent is sent again by the next call, which takes nothing until there is room: so the caller
/// learns that the store is away, and loses nothing that was taken.
#[derive(Debug)]
pub(super) struct Writer {
    store: Objects,
    name: ObjectName,
    mark: Arc<str>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    tail: Keeper,
    /// From the first part on; what makes none is put whole.
    upload: Option<Upload>,
    sending: VecDeque<Sending>,
    sent: Vec<CompletedPart>,
    /// Whether the object may be there.
    is_asked_for: bool,
    ended: Option<ObjectInfo>,
}

/// A part under way.
#[derive(Debug)]
struct Sending {
    number: usize,
    bytes: Bytes,
    /// None if it failed.
    task: Option<Task<CompletedPart>>,
}

impl Writer {
    pub(super) fn new(store: Objects, name: ObjectName) -> Self {
        Self {
            tail: Keeper::new(store.tail_after()),
            store,
            name,
            mark: draw_mark().into(),
            gathered: Vec::new(),
            gathered_bytes: 0,
            upload: None,
            sending: VecDeque::new(),
            sent: Vec::new(),
            is_asked_for: false,
            ended: None,
        }
    }

    fn is_full(&self) -> bool {
        self.gathered_bytes >= part_bytes(self.next_number())
    }

    fn next_number(&self) -> usize {
        self.sent.len() + self.sending.len() + 1
    }

    /// Sends what is gathered as a part, as soon as there is room for one.
    async fn send_gathered(&mut self) -> Result<()> {
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => {
                let upload = Upload::begin(&self.store, &self.name, &self.mark).await?;
                self.upload.insert(upload).clone()
            }
        };
        self.wait_for_fewer_than(AT_ONCE).await?;
        let number = self.next_number();
        let bytes = self.take_gathered();
        self.sending.push_back(Sending {
            number,
            task: Some(send(&upload, number, &bytes)),
            bytes,
        });
        Ok(())
    }

    fn take_gathered(&mut self) -> Bytes {
        self.gathered_bytes = 0;
        self.tail.begin_anew();
        join(std::mem::take(&mut self.gathered))
    }

    /// Keeps what is gathered, now and then.
    fn keep_tail(&mut self) {
        if self.gathered.is_empty() || !self.tail.is_due(self.gathered_bytes) {
            return;
        }
        let bytes = join(std::mem::take(&mut self.gathered));
        self.gathered.push(bytes.clone());
        let upload = self.upload.as_ref().map(|upload| upload.id().to_owned());
        let tail = Tail {
            from: self.next_number(),
            upload: upload.unwrap_or_default(),
            bytes,
        };
        self.tail.keep(&self.store, &self.name, tail);
    }

    /// Waits until fewer than `count` parts are under way.
    async fn wait_for_fewer_than(&mut self, count: usize) -> Result<()> {
        while self.sending.len() >= count {
            self.end_first().await?;
        }
        Ok(())
    }

    /// Waits for the first part under way; one that failed is sent again.
    async fn end_first(&mut self) -> Result<()> {
        let (Some(upload), Some(first)) = (&self.upload, self.sending.front_mut()) else {
            return Ok(());
        };
        let task = match &mut first.task {
            Some(task) => task,
            none => none.insert(send(upload, first.number, &first.bytes)),
        };
        let ended = (&mut task.0).await;
        let ended = ended.unwrap_or_else(|error| Err(Error::unavailable(error)));
        match ended {
            Ok(part) => {
                self.sent.push(part);
                self.sending.pop_front();
                Ok(())
            }
            Err(error) => {
                first.task = None;
                Err(error)
            }
        }
    }

    /// Sends a full part if that needs no waiting for others. What fails is found out by the next call.
    async fn send_ahead(&mut self) {
        let first = self.sending.front().and_then(|first| first.task.as_ref());
        if first.is_some_and(|task| task.0.is_finished())
            && let Err(error) = self.end_first().await
        {
            tracing::debug!(name = %self.name, %error, "a part is sent again");
        }
        if self.sending.len() < AT_ONCE
            && let Err(error) = self.send_gathered().await
        {
            tracing::debug!(name = %self.name, %error, "a part waits");
        }
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        if self.ended.is_some() {
            return Err(Error::Invalid(format!("object {} is whole", self.name)));
        }
        if self.is_full() {
            self.send_gathered().await?;
        }
        if !bytes.is_empty() {
            self.gathered_bytes += bytes.len();
            self.gathered.push(bytes);
        }
        if self.is_full() {
            self.send_ahead().await;
        } else {
            self.keep_tail();
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<ObjectInfo> {
        if let Some(info) = &self.ended {
            return Ok(info.clone());
        }
        if self.upload.is_none() && self.gathered_bytes <= PART {
            let bytes = join(std::mem::take(&mut self.gathered));
            self.gathered = vec![bytes.clone()];
            self.is_asked_for = true;
            self.store
                .put_marked(&self.name, bytes, &self.mark, Over::Nothing)
                .await?;
        } else {
            if self.gathered_bytes > 0 {
                self.send_gathered().await?;
            }
            self.wait_for_fewer_than(1).await?;
            if let Some(upload) = &self.upload {
                self.is_asked_for = true;
                upload.complete(self.sent.clone(), true).await?;
            }
        }
        let info = self.store.stat(&self.name).await?;
        self.gathered.clear();
        if let Err(error) = self.tail.clear(&self.store, &self.name).await {
            tracing::debug!(name = %self.name, %error, "what was kept of an object's end stays");
        }
        Ok(self.ended.insert(info).clone())
    }

    async fn abort(&mut self) -> Result<()> {
        self.sending.clear();
        self.sent.clear();
        self.gathered.clear();
        self.gathered_bytes = 0;
        self.tail.clear(&self.store, &self.name).await?;
        if let Some(upload) = &self.upload {
            upload.abort().await?;
        }
        if self.is_asked_for && self.store.is_marked(&self.name, &self.mark).await? {
            match self.store.delete(&self.name).await {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.upload = None;
        self.is_asked_for = false;
        self.ended = None;
        Ok(())
    }
}

fn send(upload: &Upload, number: usize, bytes: &Bytes) -> Task<CompletedPart> {
    let (upload, bytes) = (upload.clone(), bytes.clone());
    Task(tokio::spawn(
        async move { upload.send(number, bytes).await },
    ))
}

/// One run of bytes, copied only where there are several.
fn join(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() <= 1 {
        return chunks.pop().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in &chunks {
        joined.extend_from_slice(chunk);
    }
    joined.freeze()
}

/// Parts under way at once.
const AT_ONCE: usize = 2;
