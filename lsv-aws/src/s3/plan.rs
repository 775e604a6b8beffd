//! How long parts are, and which parts an object is composed of: plain arithmetic.
//!
//! S3 takes 10,000 parts of 5 MiB to 5 GiB; the last may be shorter.

use std::ops::Range;

use bytes::Bytes;

/// The length that part `number` of an object that grows has at least, but the last one. Long objects get longer parts, so
/// that a day at 50 Mbit/s fits.
pub(super) fn part_bytes(number: usize) -> usize {
    match number {
        0..=2_000 => PART,
        2_001..=4_000 => 2 * PART,
        4_001..=6_000 => 4 * PART,
        _ => 8 * PART,
    }
}

/// How many of the parts that a killed writer left, by number and length, follow each other without a gap.
///
/// A writer's parts are short only at the end. Where others follow a short one they were to be composed, and are of no use.
pub(super) fn whole_parts(parts: impl IntoIterator<Item = (i32, u64)>) -> usize {
    let mut whole = 0;
    let mut is_over = false;
    for (number, length) in parts {
        if is_over {
            return 0;
        }
        if usize::try_from(number) != Ok(whole + 1) {
            break;
        }
        whole += 1;
        is_over = length < part_bytes(whole) as u64;
    }
    whole
}

/// A part of an object that is composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Copied by the store itself: of which source, and what.
    Copied(usize, Range<u64>),
    /// Put together here.
    Made(Vec<Fragment>),
}

/// What a part is put together of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fragment {
    Bytes(Bytes),
    /// Of which source, and what.
    Of(usize, Range<u64>),
}

impl Fragment {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Of(_, range) => range.end.saturating_sub(range.start),
        }
    }
}

/// The parts for an object of `fragments`, none of them empty. What is long is copied; what is too short for a part is put
/// together with what follows it.
pub(super) fn parts(fragments: Vec<Fragment>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut short = Vec::new();
    let mut gathered = 0;
    for fragment in fragments {
        match fragment {
            Fragment::Of(source, mut range) => {
                if gathered > 0 {
                    let missing = LEAST_PART - gathered;
                    let split = range.end.min(range.start.saturating_add(missing));
                    gathered += split - range.start;
                    short.push(Fragment::Of(source, range.start..split));
                    range.start = split;
                } else if range.end - range.start < LEAST_PART {
                    gathered += range.end - range.start;
                    short.push(Fragment::Of(source, range.clone()));
                    range.start = range.end;
                }
                if gathered >= LEAST_PART {
                    parts.push(Part::Made(std::mem::take(&mut short)));
                    gathered = 0;
                }
                if range.end - range.start >= LEAST_PART {
                    parts.extend(split(range).map(|range| Part::Copied(source, range)));
                } else if !range.is_empty() {
                    gathered += range.end - range.start;
                    short.push(Fragment::Of(source, range));
                }
            }
            Fragment::Bytes(bytes) => {
                gathered += bytes.len() as u64;
                short.push(Fragment::Bytes(bytes));
                if gathered >= LEAST_PART {
                    parts.push(Part::Made(std::mem::take(&mut short)));
                    gathered = 0;
                }
            }
        }
    }
    if !short.is_empty() {
        parts.push(Part::Made(short));
    }
    parts
}

/// A range in pieces of about the same length, that are copied at once.
fn split(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let length = range.end - range.start;
    let count = length.div_ceil(LONGEST_COPY);
    let at = move |n: u64| range.start + n * (length / count) + n.min(length % count);
    (0..count).map(move |n| at(n)..at(n + 1))
}

/// The length of a part that is sent, and what an object has at most that is sent whole.
pub(super) const PART: usize = 8 << 20;
/// The least length of a part that is not the last.
const LEAST_PART: u64 = 5 << 20;
/// The most that is copied as one part: short enough for several at once, and far above [`LEAST_PART`].
const LONGEST_COPY: u64 = 256 << 20;
/// Most parts of an object.
pub(super) const MOST_PARTS: usize = 10_000;

#[cfg(test)]
mod tests;
