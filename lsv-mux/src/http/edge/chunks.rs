//! A large object, as a stream of the chunks that it is kept in: two of them are held for a viewer, the one that is sent and
//! the next.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use super::Inner;
use super::body::Body;
use super::failure::Failure;
use super::find::Missing;
use super::object::{Content, Object};
use super::via::Way;
use super::wish::{Part, Wish};

/// What to read of which object.
#[derive(Debug, Clone)]
struct Reading {
    wish: Arc<Wish>,
    way: Way,
    validator: Arc<str>,
    total: u64,
    chunk_bytes: u64,
}

impl Inner {
    /// The bytes of `range` of `object`, which is what `wish` asks for and has `total` of them.
    pub(super) fn chunks(
        self: &Arc<Self>,
        wish: &Arc<Wish>,
        way: &Way,
        object: &Object,
        total: u64,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, Failure>> + Send + use<> {
        let reading = Reading {
            wish: Arc::clone(wish),
            way: way.clone(),
            validator: object.head.validator().unwrap_or_default().into(),
            total,
            chunk_bytes: self.limits.chunk_bytes.max(1) as u64,
        };
        let indexes = match range.is_empty() {
            true => 0..0,
            false => range.start / reading.chunk_bytes..range.end.div_ceil(reading.chunk_bytes),
        };
        let (last, edge) = (indexes.end.saturating_sub(1), Arc::clone(self));
        stream::iter(indexes)
            .then(move |index| {
                let (edge, reading, range) = (Arc::clone(&edge), reading.clone(), range.clone());
                async move {
                    let body = edge.chunk(&reading, index).await?;
                    if index < last {
                        edge.prefetch(reading.chunk(index + 1), &reading.way);
                    }
                    let start = index * reading.chunk_bytes;
                    let from = range.start.saturating_sub(start);
                    Ok::<_, Failure>(body.read(from, Some(range.end - start)))
                }
            })
            .try_flatten()
    }

    async fn chunk(self: &Arc<Self>, reading: &Reading, index: u64) -> Result<Arc<Body>, Failure> {
        let wish = Arc::new(reading.chunk(index));
        match self.find(&wish, &reading.way).await {
            Ok(found) => match &found.object.content {
                Content::Body(body) => Ok(Arc::clone(body)),
                Content::Large(_) => Err(Failure::Replaced),
            },
            Err(Missing::Absent { .. }) => Err(Failure::Replaced),
            Err(Missing::Failed(failure)) => Err(failure),
            Err(Missing::Busy) => Err(Failure::Full),
        }
    }
}

impl Reading {
    fn chunk(&self, index: u64) -> Wish {
        let start = index.saturating_mul(self.chunk_bytes);
        let end = start.saturating_add(self.chunk_bytes).min(self.total);
        self.wish.chunk(Part {
            range: start..end,
            total: self.total,
            validator: Arc::clone(&self.validator),
        })
    }
}
