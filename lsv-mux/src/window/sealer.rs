//! Encrypts what becomes fetchable, each segment and each part once, and decides under which key.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use lsv_core::media::TrackName;

use crate::encrypt::{ContentKey, ContentKeys, encrypt};
use crate::segmenter::{Part, Segment, TsSegment};

/// Encrypts the segments of one stream while its settings ask for it.
#[derive(Debug)]
pub(super) struct Sealer {
    keys: Arc<ContentKeys>,
    rotation: Option<NonZeroU32>,
    /// The segment that grows, once viewers have a part of it.
    growing: Option<Growing>,
}

/// A segment as viewers know it so far.
#[derive(Debug)]
struct Growing {
    sequence: u64,
    key: Option<Numbered>,
    /// Its encrypted parts.
    parts: BTreeMap<TrackName, Vec<Part>>,
}

/// A key with its number.
#[derive(Debug)]
struct Numbered {
    number: u64,
    key: ContentKey,
}

impl Sealer {
    pub(super) fn new(keys: ContentKeys, rotation: Option<NonZeroU32>) -> Self {
        Self {
            keys: Arc::new(keys),
            rotation,
            growing: None,
        }
    }

    /// Follows changed settings; a segment of which viewers have parts stays as it is.
    pub(super) fn configure(&mut self, rotation: Option<NonZeroU32>) {
        self.rotation = rotation;
    }

    /// The keys, for those who may have them.
    pub(super) fn keys(&self) -> Arc<ContentKeys> {
        Arc::clone(&self.keys)
    }

    /// The number of the key of segment `sequence`, which grows or is to come; none while nothing is encrypted.
    ///
    /// A key is called by the first media sequence number that it can have, which never comes again, not after a
    /// restart either: so neither does a key, and nothing is remembered.
    pub(super) fn key_number(&self, sequence: u64) -> Option<u64> {
        match &self.growing {
            Some(growing) if growing.sequence == sequence => growing.key_number(),
            _ => {
                let rotation = u64::from(self.rotation?.get());
                Some(sequence - sequence % rotation)
            }
        }
    }

    /// The segment that grows, as viewers get it.
    pub(super) fn seal_growing(&mut self, segment: Segment) -> Segment {
        match segment.renditions.is_empty() {
            true => segment,
            false => self.growing(&segment).seal_parts(segment),
        }
    }

    /// A closed segment, as viewers get it.
    pub(super) fn seal_closed(&mut self, segment: Segment) -> Segment {
        let mut segment = self.growing(&segment).seal_parts(segment);
        let growing = self.growing.take();
        if let Some(Numbered { key, .. }) = growing.and_then(|growing| growing.key) {
            for rendition in &mut segment.renditions {
                rendition.bytes = encrypt(&key, segment.sequence, &rendition.bytes);
            }
            segment.ts = segment.ts.map(|ts| TsSegment {
                bytes: encrypt(&key, segment.sequence, &ts.bytes),
                ..ts
            });
        }
        segment
    }

    fn growing(&mut self, segment: &Segment) -> &mut Growing {
        let sequence = segment.sequence;
        let known = self.growing.take();
        let known = known.filter(|growing| growing.sequence == sequence);
        let growing = known.unwrap_or_else(|| Growing {
            sequence,
            key: self.key_number(sequence).map(|number| Numbered {
                number,
                key: self.keys.key(number),
            }),
            parts: BTreeMap::new(),
        });
        self.growing.insert(growing)
    }
}

impl Growing {
    fn key_number(&self) -> Option<u64> {
        self.key.as_ref().map(|key| key.number)
    }

    /// The same segment with its parts encrypted, those that are new and those that were before.
    fn seal_parts(&mut self, mut segment: Segment) -> Segment {
        let Some(Numbered { number, key }) = &self.key else {
            return segment;
        };
        segment.key = Some(*number);
        for rendition in &mut segment.renditions {
            let sealed = self.parts.entry(rendition.init.track.name()).or_default();
            for part in rendition.parts.iter().skip(sealed.len()) {
                sealed.push(Part {
                    bytes: encrypt(key, segment.sequence, &part.bytes),
                    ..part.clone()
                });
            }
            rendition.parts.clone_from(sealed);
        }
        segment
    }
}

#[cfg(test)]
mod tests;
