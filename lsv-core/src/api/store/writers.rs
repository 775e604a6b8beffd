//! Objects that other nodes write as they grow.

use std::sync::Arc;

use axum::Json as Said;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::body::{Json, Made, Whole};
use super::calls::CallId;
use super::kept::Kept;
use super::refused::{Answer, Refused};
use super::{Keeping, Limits};
use crate::exchange::{Length, OFFSET, Opening};
use crate::ports::{Error, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Result};

/// The writers of other nodes. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Writers {
    objects: Arc<dyn ObjectStore>,
    kept: Arc<Kept<Writing>>,
    /// Whoever opens a writer of an object does so alone.
    opening: Arc<Mutex<()>>,
}

/// An object that is being written.
#[derive(Debug)]
struct Writing {
    name: ObjectName,
    state: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    /// Until it is whole.
    writer: Option<Box<dyn ObjectWriter>>,
    length: u64,
    /// Where the last part begins that was appended.
    last: u64,
    whole: Option<ObjectInfo>,
}

impl Writers {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, limits: &Limits) -> Self {
        Self {
            objects,
            kept: Arc::new(Kept::new(limits.writers, limits.writer_idle)),
            opening: Arc::default(),
        }
    }

    async fn open(&self, id: Uuid, opening: Opening) -> Result<Length> {
        let _alone = self.opening.lock().await;
        let Opening {
            name,
            class,
            length,
        } = opening;
        let store = self.objects.in_class(class);
        if let Some(writing) = self.kept.get(id) {
            return writing.go_back(&*store, length).await;
        }
        let writer = match length {
            None => store.create(&name).await?,
            Some(_) if self.kept.any(|writing| writing.is_of(&name)) => {
                return Err(Error::Conflict(format!("object {name}")));
            }
            Some(length) => store.resume(&name, length).await?,
        };
        let length = length.unwrap_or_default();
        let state = Mutex::new(Written {
            writer: Some(writer),
            length,
            last: length,
            whole: None,
        });
        self.kept.put(id, Writing { name, state })?;
        Ok(Length { length })
    }

    /// Leaves `name` as a crash of its writer would.
    pub(super) async fn leave(&self, name: &ObjectName) {
        let left = self.kept.remove_all(|writing| writing.is_of(name));
        for writing in left {
            writing.state.lock().await.writer = None;
        }
    }

    fn find(&self, id: Uuid) -> Answer<Arc<Writing>> {
        let gone = || Refused::gone("a writer of that id");
        self.kept.get(id).ok_or_else(gone)
    }
}

impl Writing {
    /// Whether it writes `name`, as far as can be seen.
    fn is_of(&self, name: &ObjectName) -> bool {
        let is_open = || match self.state.try_lock() {
            Ok(state) => state.writer.is_some(),
            Err(_) => true,
        };
        self.name == *name && is_open()
    }

    /// Takes back what was appended behind `length`, which its writer was never told of.
    async fn go_back(&self, store: &dyn ObjectStore, length: Option<u64>) -> Result<Length> {
        let mut state = self.state.lock().await;
        if let Some(length) = length
            && length < state.length
            && state.writer.is_some()
        {
            state.writer = Some(store.resume(&self.name, length).await?);
            (state.last, state.length) = (length, length);
        }
        let length = state.length;
        Ok(Length { length })
    }

    async fn append(&self, offset: u64, body: Whole) -> Result<Length> {
        let mut state = self.state.lock().await;
        let added = body.bytes.len() as u64;
        let end = offset.checked_add(added);
        let end = end.ok_or_else(|| Error::Invalid("no object is that long".to_owned()))?;
        let is_known = added == 0 || (offset, end) == (state.last, state.length);
        if is_known && end <= state.length {
            let length = state.length;
            return Ok(Length { length });
        }
        let length = state.length;
        let Some(writer) = state.writer.as_mut().filter(|_| offset == length) else {
            return Err(Error::Conflict(format!(
                "{offset} of object {}, which has {length} bytes,",
                self.name
            )));
        };
        let Whole { bytes, place } = body;
        writer.append(bytes).await?;
        drop(place);
        (state.last, state.length) = (offset, end);
        Ok(Length { length: end })
    }

    async fn finish(&self) -> Result<ObjectInfo> {
        let mut state = self.state.lock().await;
        if let Some(whole) = &state.whole {
            return Ok(whole.clone());
        }
        let Some(writer) = &mut state.writer else {
            return Err(Error::NotFound(format!("object {}", self.name)));
        };
        let whole = writer.finish().await?;
        (state.writer, state.whole) = (None, Some(whole.clone()));
        Ok(whole)
    }

    async fn abort(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        let Some(writer) = &mut state.writer else {
            return Ok(());
        };
        writer.abort().await?;
        state.writer = None;
        Ok(())
    }
}

pub(super) async fn open(
    State(node): State<Keeping>,
    Made(id): Made,
    Json(opening): Json<Opening>,
) -> Answer<Said<Length>> {
    let opened = async move { node.writers.open(id, opening).await };
    Ok(Said(to_its_end(opened).await?))
}

pub(super) async fn append(
    State(node): State<Keeping>,
    Made(id): Made,
    headers: HeaderMap,
    body: Whole,
) -> Answer<Said<Length>> {
    let offset = headers.get(OFFSET).and_then(|value| value.to_str().ok());
    let offset = offset.and_then(|text| text.parse().ok());
    let offset = offset.ok_or_else(|| Refused::invalid("say where in the object it begins"))?;
    let writing = node.writers.find(id)?;
    let appended = async move { writing.append(offset, body).await };
    Ok(Said(to_its_end(appended).await?))
}

pub(super) async fn finish(
    State(node): State<Keeping>,
    Made(id): Made,
    call: CallId,
) -> Answer<Response> {
    let writing = node.writers.find(id)?;
    let work = async move { writing.finish().await };
    node.common.calls.once(call, work).await
}

pub(super) async fn abort(
    State(node): State<Keeping>,
    Made(id): Made,
    call: CallId,
) -> Answer<Response> {
    let writing = node.writers.find(id)?;
    let work = async move { writing.abort().await };
    node.common.calls.once(call, work).await
}

/// Does `work` even if who asked for it is gone by then.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|error| Err(Error::unavailable(format_args!("it broke off: {error}"))))
}
