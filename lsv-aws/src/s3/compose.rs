//! Objects of pieces: what is long is copied by S3 itself.
//!
//! A piece may be of the very object that is replaced, and then nothing is as before once it is: to do it twice would ruin
//! it. So where the answer was lost, the next call finds out first what has become of that.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lsv_core::ports::{Error, ObjectName, Piece, Result};

use super::objects::{Head, Objects, Over, draw_mark};
use super::plan::{self, Fragment, MOST_PARTS, PART, Part};
use super::transfer::{Incomplete, Upload};

/// An object that may have been composed.
#[derive(Clone, Debug)]
pub(super) struct Unsettled {
    pieces: Vec<Piece>,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    Put(Arc<str>),
    Upload(Upload),
}

/// The objects that the pieces are of.
struct Sources(Vec<(ObjectName, Head)>);

impl Objects {
    pub(super) async fn join(&self, name: &ObjectName, pieces: &[Piece]) -> Result<()> {
        if self.was_joined(name, pieces).await? {
            return Ok(());
        }
        let (sources, fragments) = self.look_up(pieces).await?;
        let total: u64 = fragments.iter().map(Fragment::length).sum();
        let mark: Arc<str> = draw_mark().into();
        if total <= PART as u64 {
            let bytes = self.make(&sources, &fragments).await?;
            let by = By::Put(Arc::clone(&mark));
            self.remember(name, pieces, by)?;
            return match self.put_marked(name, bytes, &mark, Over::Any).await {
                Err(error @ Error::Unavailable { .. }) => Err(error),
                known => {
                    self.forget(name);
                    known
                }
            };
        }
        let parts = plan::parts(fragments);
        if parts.len() > MOST_PARTS {
            return Err(Error::Invalid(format!("object {name} has too many pieces")));
        }
        let upload = Upload::begin(self, name, &mark).await?;
        let sent = self.send_parts(&upload, &sources, &parts).await;
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // What stays of it is aborted by whoever settles the object, or by the bucket's own rule.
                drop(upload.abort().await);
                return Err(error);
            }
        };
        self.remember(name, pieces, By::Upload(upload.clone()))?;
        match upload.complete(sent, false).await {
            Ok(()) => {
                self.forget(name);
                Ok(())
            }
            Err(Incomplete::Known(error)) => {
                self.forget(name);
                drop(upload.abort().await);
                Err(error)
            }
            Err(Incomplete::Unknown(error)) => match self.was_joined(name, pieces).await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(error),
            },
        }
    }

    /// Sends all parts, the first one last: without it nobody takes the upload for what a writer left.
    async fn send_parts(
        &self,
        upload: &Upload,
        sources: &Sources,
        parts: &[Part],
    ) -> Result<Vec<aws_sdk_s3::types::CompletedPart>> {
        let send = async |(index, part): (usize, &Part)| match part {
            Part::Copied(source, range) => {
                let (name, head) = sources.at(*source)?;
                upload.copy(index + 1, name, &head.etag, range).await
            }
            Part::Made(fragments) => {
                let bytes = self.make(sources, fragments).await?;
                upload.send(index + 1, bytes).await
            }
        };
        let mut parts = parts.iter().enumerate();
        let first = parts.next();
        let mut sent: Vec<_> = stream::iter(parts.map(send))
            .buffered(COPIES_AT_ONCE)
            .try_collect()
            .await?;
        if let Some(first) = first {
            sent.insert(0, send(first).await?);
        }
        Ok(sent)
    }

    /// What the pieces are of, and what of it, without what is empty.
    async fn look_up(&self, pieces: &[Piece]) -> Result<(Sources, Vec<Fragment>)> {
        let mut numbers = BTreeMap::new();
        let mut sources = Vec::new();
        let mut fragments = Vec::new();
        for piece in pieces {
            let fragment = match piece {
                Piece::Bytes(bytes) => Fragment::Bytes(bytes.clone()),
                Piece::Of(name, range) => {
                    let number = match numbers.get(name) {
                        Some(number) => *number,
                        None => {
                            sources.push((name.clone(), self.head(name).await?));
                            numbers.insert(name, sources.len() - 1);
                            sources.len() - 1
                        }
                    };
                    let size = sources.get(number).map_or(0, |(_, head)| head.info.size);
                    if range.start > range.end || range.end > size {
                        return Err(Error::Invalid(format!(
                            "object {name} has {size} bytes; {}..{} does not lie within it",
                            range.start, range.end
                        )));
                    }
                    Fragment::Of(number, range.clone())
                }
            };
            if fragment.length() > 0 {
                fragments.push(fragment);
            }
        }
        Ok((Sources(sources), fragments))
    }

    /// The bytes of `fragments`.
    async fn make(&self, sources: &Sources, fragments: &[Fragment]) -> Result<Bytes> {
        if let [Fragment::Bytes(bytes)] = fragments {
            return Ok(bytes.clone());
        }
        let mut made = BytesMut::new();
        for fragment in fragments {
            match fragment {
                Fragment::Bytes(bytes) => made.extend_from_slice(bytes),
                Fragment::Of(source, range) => {
                    let (name, head) = sources.at(*source)?;
                    let read = self
                        .read(name, Some(range.clone()), Some(&head.etag))
                        .await?;
                    made.extend_from_slice(&read.bytes);
                }
            }
        }
        Ok(made.freeze())
    }

    /// Whether an earlier call for the same whose answer was lost has counted. Once this is known, that call cannot count
    /// any more.
    async fn was_joined(&self, name: &ObjectName, pieces: &[Piece]) -> Result<bool> {
        let unsettled = {
            let all = self
                .unsettled()
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            all.get(name).cloned()
        };
        let Some(unsettled) = unsettled else {
            return Ok(false);
        };
        let has_counted = match &unsettled.by {
            By::Put(mark) => self.is_marked(name, mark).await?,
            By::Upload(upload) => upload.has_completed().await?,
        };
        self.forget(name);
        Ok(has_counted && unsettled.pieces == pieces)
    }

    fn remember(&self, name: &ObjectName, pieces: &[Piece], by: By) -> Result<()> {
        let mut all = self
            .unsettled()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_UNSETTLED && !all.contains_key(name) {
            return Err(Error::unavailable(
                "of too many objects it is not known whether they were composed",
            ));
        }
        let pieces = pieces.to_vec();
        all.insert(name.clone(), Unsettled { pieces, by });
        Ok(())
    }

    fn forget(&self, name: &ObjectName) {
        let mut all = self
            .unsettled()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(name);
    }
}

impl Sources {
    fn at(&self, number: usize) -> Result<&(ObjectName, Head)> {
        let source = self.0.get(number);
        source.ok_or_else(|| Error::Invalid("a piece of nothing".to_owned()))
    }
}

/// Parts that are copied at once.
const COPIES_AT_ONCE: usize = 4;
/// Most objects of which it is not known whether they were composed.
const MOST_UNSETTLED: usize = 1_000;
