//! Holds a playlist to its media.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{Judge, Listed};
use crate::{cmaf, ts};

/// The media of a CMAF playlist by its runs, which are what one init segment and one discontinuity sequence number share.
#[derive(Debug, Clone, Default)]
pub struct Cmaf {
    /// By discontinuity sequence number: the header, and all segments behind it.
    pub runs: BTreeMap<u64, Run>,
}

/// One run of a CMAF playlist.
#[derive(Debug, Clone)]
pub struct Run {
    /// What the header says.
    pub header: cmaf::Header,
    /// The header and its segments, as one file.
    pub file: Vec<u8>,
    /// The chunks.
    pub chunks: Vec<cmaf::Chunk>,
}

/// Holds the segments and parts of a CMAF playlist to what it says of them. `files` are what its addresses led to.
#[must_use]
pub fn judge_cmaf(judge: &mut Judge, files: &HashMap<String, Bytes>) -> Cmaf {
    let mut media = Cmaf::default();
    let listed = judge.listed().to_vec();
    for Listed { segment, .. } in &listed {
        if segment.gap {
            continue;
        }
        let sequence = segment.sequence;
        let Some(whole) = files.get(&segment.uri) else {
            judge.complain(format!("segment {sequence} is listed and not there"));
            continue;
        };
        let map = segment.map.as_ref().and_then(|map| files.get(map));
        let Some(map) = map else {
            judge.complain(format!("segment {sequence} has no EXT-X-MAP that is there"));
            continue;
        };
        let header = match cmaf::header(map) {
            Ok(header) => header,
            Err(why) => {
                judge.complain(format!("{:?}: {why}", segment.map));
                continue;
            }
        };
        let chunks = match cmaf::chunks(whole, header.track) {
            Ok(chunks) => chunks,
            Err(why) => {
                judge.complain(format!("segment {sequence}: {why}"));
                continue;
            }
        };
        judge_length(judge, sequence, segment.duration, &chunks, &header);
        judge_part_files(judge, segment, whole, files, &header);
        let run = media
            .runs
            .entry(segment.discontinuity_sequence)
            .or_insert_with(|| Run {
                header: header.clone(),
                file: map.to_vec(),
                chunks: Vec::new(),
            });
        judge.check(run.file.starts_with(map), || {
            format!("segment {sequence} has another header than its run")
        });
        run.file.extend_from_slice(whole);
        for chunk in chunks {
            judge_continuity(judge, run, &chunk, sequence);
            run.chunks.push(chunk);
        }
    }
    media
}

/// EXTINF is the sum of what the samples last.
fn judge_length(
    judge: &mut Judge,
    sequence: u64,
    said: f64,
    chunks: &[cmaf::Chunk],
    header: &cmaf::Header,
) {
    let ticks: u64 = chunks.iter().map(cmaf::Chunk::duration).sum();
    let samples: usize = chunks.iter().map(|chunk| chunk.samples.len()).sum();
    let seconds = ticks as f64 / f64::from(header.timescale);
    let frame = seconds / samples.max(1) as f64;
    judge.check((said - seconds).abs() <= frame, || {
        format!("EXTINF of segment {sequence} is {said}, its samples last {seconds:.5} s")
    });
    let opens_with_key = chunks
        .first()
        .and_then(|chunk| chunk.samples.first())
        .is_some_and(|sample| sample.sync);
    let promised = judge.last().is_some_and(|last| {
        last.independent_segments
            && last
                .segments
                .iter()
                .any(|segment| segment.sequence == sequence)
    });
    judge.check(opens_with_key || !promised, || {
        format!("segment {sequence} is said to be independent and opens with no key frame")
    });
}

/// Parts are the segment, cut.
fn judge_part_files(
    judge: &mut Judge,
    segment: &super::Segment,
    whole: &Bytes,
    files: &HashMap<String, Bytes>,
    header: &cmaf::Header,
) {
    if segment.parts.is_empty() {
        return;
    }
    let mut joined = Vec::with_capacity(whole.len());
    for part in &segment.parts {
        let Some(bytes) = files.get(&part.uri) else {
            judge.complain(format!("{} is listed and not there", part.uri));
            continue;
        };
        joined.extend_from_slice(bytes);
        let chunks = match cmaf::chunks(bytes, header.track) {
            Ok(chunks) => chunks,
            Err(why) => {
                judge.complain(format!("{}: {why}", part.uri));
                continue;
            }
        };
        let samples = || chunks.iter().flat_map(|chunk| &chunk.samples);
        let has_key = samples().any(|sample| sample.sync);
        judge.check(has_key == part.independent, || {
            format!(
                "{} says INDEPENDENT={}, has a key frame: {has_key}",
                part.uri, part.independent
            )
        });
        let ticks: u64 = chunks.iter().map(cmaf::Chunk::duration).sum();
        let seconds = ticks as f64 / f64::from(header.timescale);
        judge.check((seconds - part.duration).abs() <= 0.000_02, || {
            format!(
                "{} says {} s, its samples last {seconds:.5} s",
                part.uri, part.duration
            )
        });
    }
    judge.check(joined == whole[..], || {
        format!(
            "the parts of segment {} are not its bytes",
            segment.sequence
        )
    });
}

/// Decoding times go on without a gap and fragment numbers rise (ISO/IEC 23000-19 §7.3.2.2).
fn judge_continuity(judge: &mut Judge, run: &Run, chunk: &cmaf::Chunk, sequence: u64) {
    let Some(last) = run.chunks.last() else {
        return;
    };
    let end = last.time + last.duration();
    judge.check(end == chunk.time, || {
        let off = chunk.time.cast_signed() - end.cast_signed();
        format!(
            "segment {sequence}: a chunk begins at {}, {off} ticks off the one before",
            chunk.time
        )
    });
    judge.check(chunk.number > last.number, || {
        format!(
            "segment {sequence}: fragment number {} behind {}",
            chunk.number, last.number
        )
    });
}

/// Holds the segments of an MPEG-TS playlist to what it says of them, and answers what is in them.
#[must_use]
pub fn judge_ts(judge: &mut Judge, files: &HashMap<String, Bytes>) -> Vec<ts::Segment> {
    let listed = judge.listed().to_vec();
    let mut reader = ts::Reader::default();
    let mut segments: Vec<ts::Segment> = Vec::new();
    for Listed { segment, .. } in &listed {
        let sequence = segment.sequence;
        let Some(bytes) = files.get(&segment.uri) else {
            judge.complain(format!("segment {sequence} is listed and not there"));
            continue;
        };
        match reader.segment(bytes) {
            Ok(media) => segments.push(media),
            Err(why) => {
                judge.complain(format!("segment {sequence}: {why}"));
                segments.push(ts::Segment::default());
            }
        }
    }
    for (index, pair) in listed.windows(2).enumerate() {
        let (Some(media), Some(next)) = (segments.get(index), segments.get(index + 1)) else {
            break;
        };
        judge_ts_length(judge, &pair[0].segment, &pair[1].segment, media, next);
    }
    let promised = judge.last().is_some_and(|last| last.independent_segments);
    for (listed, media) in listed.iter().zip(&segments).filter(|_| promised) {
        let opens_with_key = media.video.first().is_none_or(|unit| unit.key);
        judge.check(opens_with_key, || {
            format!(
                "segment {} is said to be independent and opens with no key frame",
                listed.segment.sequence
            )
        });
    }
    segments
}

/// EXTINF is the time to the next segment, to a frame.
fn judge_ts_length(
    judge: &mut Judge,
    segment: &super::Segment,
    following: &super::Segment,
    media: &ts::Segment,
    next: &ts::Segment,
) {
    let (units, next) = match (media.video.first(), next.video.first()) {
        (Some(_), Some(next)) => (&media.video, next),
        _ => match next.audio.first() {
            Some(next) => (&media.audio, next),
            None => return,
        },
    };
    let Some((first, last)) = units.first().zip(units.last()) else {
        return;
    };
    let length = since(last.dts, first.dts);
    let frame = length / (units.len().max(2) - 1) as f64;
    let length = match following.discontinuity {
        true => length + frame,
        false => since(next.dts, first.dts),
    };
    let said = segment.duration;
    judge.check((said - length).abs() <= frame + 0.001, || {
        format!(
            "EXTINF of segment {} is {said}, its media last {length:.4} s",
            segment.sequence
        )
    });
}

fn since(later: u64, earlier: u64) -> f64 {
    ts::since(later, earlier) as f64 / 90_000.0
}
