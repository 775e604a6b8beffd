//! Follows one media playlist through its versions and holds each to what a player may rely on.

use super::{MediaPlaylist, Part, Segment};

/// What one playlist has shown so far, and what is wrong with it.
#[derive(Debug)]
pub struct Judge {
    label: String,
    listed: Vec<Listed>,
    last: Option<MediaPlaylist>,
    complaints: Vec<String>,
}

/// A segment as it was listed, with every part that was ever listed of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The segment.
    pub segment: Segment,
    /// A segment listed without any of its parts was never seen to grow.
    pub grew: bool,
}

impl Judge {
    /// A judge of the playlist that complaints call `label`.
    #[must_use]
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            listed: Vec::new(),
            last: None,
            complaints: Vec::new(),
        }
    }

    /// Every segment listed so far, in order.
    #[must_use]
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// The last version.
    #[must_use]
    pub fn last(&self) -> Option<&MediaPlaylist> {
        self.last.as_ref()
    }

    /// What was found wrong so far.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Forgets what left the playlist long ago, for streams that go on for days.
    pub fn forget(&mut self) {
        let first = self.last.as_ref().map_or(0, |last| last.media_sequence);
        self.listed
            .retain(|listed| listed.segment.sequence + 1 >= first);
    }

    /// Takes the next version and answers the addresses that are new in it: segments, parts and init segments.
    pub fn see(&mut self, text: &str) -> Vec<String> {
        let playlist = match MediaPlaylist::parse(text) {
            Ok(playlist) => playlist,
            Err(why) => {
                self.complain(format!("it is not a playlist: {why}"));
                return Vec::new();
            }
        };
        self.judge_alone(&playlist);
        let last = self.last.take();
        if let Some(last) = &last {
            self.judge_against(last, &playlist);
        }
        let new = self.keep(last.as_ref(), &playlist);
        self.last = Some(playlist);
        new
    }

    /// Holds a delta update to the whole playlist of the same moment (RFC 8216bis §6.2.5.1).
    pub fn see_delta(&mut self, delta: &str) {
        let Some(whole) = self.last.clone() else {
            return;
        };
        let delta = match MediaPlaylist::parse(delta) {
            Ok(delta) => delta,
            Err(why) => return self.complain(format!("it is not a delta update: {why}")),
        };
        let skipped = usize::try_from(delta.skipped).unwrap_or(usize::MAX);
        self.check(
            skipped <= whole.segments.len()
                && delta.segments.len() + skipped == whole.segments.len(),
            || {
                format!(
                    "a delta update skips {skipped} and lists {}",
                    delta.segments.len()
                )
            },
        );
        let kept = whole.segments.get(skipped..).unwrap_or_default();
        let told = |one: &Segment| (one.uri.clone(), one.date, one.parts.clone(), one.sequence);
        self.check(
            kept.iter().map(told).eq(delta.segments.iter().map(told))
                && delta.open.parts == whole.open.parts
                && delta.hint == whole.hint,
            || "a delta update differs from the playlist".to_owned(),
        );
        let until = whole
            .server_control
            .and_then(|control| control.can_skip_until);
        let behind: f64 = kept.iter().map(|segment| segment.duration).sum();
        self.check(
            skipped == 0 || until.is_some_and(|until| behind >= until - 0.001),
            || format!("a delta update skips what is {behind:.3} s from the end; CAN-SKIP-UNTIL={until:?}"),
        );
    }

    /// Holds what this playlist reports of `other`, listed at `uri`, to what `other` shows at the same moment.
    pub fn judge_report(&mut self, uri: &str, other: &Self) {
        let (Some(playlist), Some(other)) = (&self.last, &other.last) else {
            return;
        };
        if playlist.ended {
            return;
        }
        let reported = playlist.reports.iter().find(|report| report.uri == uri);
        let newest = match other.open.parts.len() {
            0 => other.segments.last(),
            _ => Some(&other.open),
        };
        let truth = newest.map(|newest| (newest.sequence, newest.parts.len() as u64));
        let (said, truth) = (
            reported.map(|report| (report.last_msn, report.last_part.map_or(0, |last| last + 1))),
            truth,
        );
        self.check(said == truth, || {
            format!("it reports {said:?} of {uri}, which is at {truth:?} (sequence, parts)")
        });
    }

    fn judge_alone(&mut self, playlist: &MediaPlaylist) {
        for segment in &playlist.segments {
            let (seconds, target) = (segment.duration, playlist.target_duration);
            self.check(seconds.round() as u64 <= target, || {
                format!(
                    "segment {} of {seconds} s, EXT-X-TARGETDURATION {target}",
                    segment.sequence
                )
            });
            self.check(seconds > 0.0, || {
                format!("segment {} has no length", segment.sequence)
            });
            self.judge_parts(playlist, segment, true);
        }
        self.judge_parts(playlist, &playlist.open, false);
        self.judge_dates(playlist);
        self.judge_control(playlist);
        self.check(!playlist.ended || playlist.hint.is_none(), || {
            "a hint behind EXT-X-ENDLIST".to_owned()
        });
        let mut maps = playlist
            .segments
            .windows(2)
            .map(|pair| (&pair[0], &pair[1]));
        let torn = maps.find(|(one, next)| {
            !one.gap
                && !next.gap
                && one.map != next.map
                && one.discontinuity_sequence == next.discontinuity_sequence
        });
        self.check(torn.is_none(), || {
            format!("EXT-X-MAP changes without a discontinuity: {torn:?}")
        });
    }

    fn judge_parts(&mut self, playlist: &MediaPlaylist, segment: &Segment, closed: bool) {
        let Some(target) = playlist.part_target else {
            return;
        };
        let sequence = segment.sequence;
        for (index, part) in segment.parts.iter().enumerate() {
            let last = closed && index + 1 == segment.parts.len();
            let grows = !closed && index + 1 == segment.parts.len();
            self.check(part.duration <= target + ROUNDING, || {
                format!(
                    "part {sequence}.{index} of {} s, PART-TARGET {target}",
                    part.duration
                )
            });
            // Whether the newest part is the last of its segment is not known yet.
            self.check(
                last || grows || part.gap || part.duration >= target * 0.85 - ROUNDING,
                || {
                    format!(
                        "part {sequence}.{index} of {} s is below 85 % of {target}",
                        part.duration
                    )
                },
            );
        }
        let sum: f64 = segment.parts.iter().map(|part| part.duration).sum();
        let slack = ROUNDING * (segment.parts.len() + 1) as f64;
        self.check(
            !closed || segment.parts.is_empty() || (sum - segment.duration).abs() <= slack,
            || {
                format!(
                    "segment {sequence} of {} s has parts of {sum:.5} s",
                    segment.duration
                )
            },
        );
    }

    /// EXT-X-PROGRAM-DATE-TIME goes along with the media within a run, and never runs backwards.
    fn judge_dates(&mut self, playlist: &MediaPlaylist) {
        let mut run: Option<(u64, i64)> = None;
        let mut expected = 0.0;
        for segment in playlist.segments.iter().chain([&playlist.open]) {
            if segment.uri.is_empty() && segment.parts.is_empty() {
                break;
            }
            let Some(date) = segment.date else {
                self.complain(format!(
                    "segment {} has no EXT-X-PROGRAM-DATE-TIME",
                    segment.sequence
                ));
                return;
            };
            match run {
                Some((number, _)) if number == segment.discontinuity_sequence => {
                    let off = date as f64 - expected;
                    self.check(off.abs() <= DATE_TOLERANCE, || {
                        format!(
                            "the date of segment {} is {off:.2} ms off the media before it",
                            segment.sequence
                        )
                    });
                }
                Some((_, latest)) => {
                    self.check(date as f64 >= expected - SEAM_TOLERANCE && date >= latest, || {
                        format!(
                            "the date of segment {} lies {:.1} ms before the end of the run before it",
                            segment.sequence,
                            expected - date as f64
                        )
                    });
                    expected = date as f64;
                }
                None => expected = date as f64,
            }
            expected += segment.duration * 1000.0;
            run = Some((segment.discontinuity_sequence, date));
        }
    }

    fn judge_control(&mut self, playlist: &MediaPlaylist) {
        let Some(control) = &playlist.server_control else {
            self.check(playlist.part_target.is_none(), || {
                "parts without EXT-X-SERVER-CONTROL".to_owned()
            });
            return;
        };
        let (target, part_target) = (playlist.target_duration as f64, playlist.part_target);
        if let Some(part_target) = part_target {
            self.check(
                control
                    .part_hold_back
                    .is_some_and(|hold_back| hold_back >= part_target * 3.0 - ROUNDING),
                || {
                    format!(
                        "PART-HOLD-BACK {:?} with PART-TARGET {part_target}",
                        control.part_hold_back
                    )
                },
            );
            self.check(playlist.ended || control.can_block_reload, || {
                "parts without blocking reloads".to_owned()
            });
        }
        self.check(
            control
                .hold_back
                .is_none_or(|hold_back| hold_back >= target * 3.0 - ROUNDING),
            || {
                format!(
                    "HOLD-BACK {:?} with EXT-X-TARGETDURATION {target}",
                    control.hold_back
                )
            },
        );
        self.check(
            control
                .can_skip_until
                .is_none_or(|until| until >= target * 6.0 - ROUNDING),
            || {
                format!(
                    "CAN-SKIP-UNTIL {:?} with EXT-X-TARGETDURATION {target}",
                    control.can_skip_until
                )
            },
        );
    }

    fn judge_against(&mut self, last: &MediaPlaylist, playlist: &MediaPlaylist) {
        self.check(last.target_duration == playlist.target_duration, || {
            format!(
                "EXT-X-TARGETDURATION went from {} to {}",
                last.target_duration, playlist.target_duration
            )
        });
        self.check(last.part_target == playlist.part_target, || {
            format!(
                "PART-TARGET went from {:?} to {:?}",
                last.part_target, playlist.part_target
            )
        });
        self.check(
            last.media_sequence <= playlist.media_sequence
                && last.open.sequence <= playlist.open.sequence,
            || "the media sequence went backwards".to_owned(),
        );
        self.check(!last.ended || last == playlist, || {
            "it changed after EXT-X-ENDLIST".to_owned()
        });
        self.check(
            last.playlist_type.as_deref() != Some("EVENT")
                || last.media_sequence == playlist.media_sequence,
            || "an EVENT playlist lost a segment".to_owned(),
        );
        self.judge_hint(last, playlist);
    }

    /// What was hinted is what came next. Only an end or a discontinuity excuses a hint that never comes true.
    fn judge_hint(&mut self, last: &MediaPlaylist, playlist: &MediaPlaylist) {
        let Some(hint) = &last.hint else {
            return;
        };
        let known = last.open.parts.len();
        let grown = playlist.segments.iter().chain([&playlist.open]);
        let mut later = grown.filter(|segment| segment.sequence >= last.open.sequence);
        let Some(same) = later.next() else {
            return;
        };
        let came = match same.parts.get(known) {
            Some(part) => Some(part),
            None if same.uri.is_empty() => None,
            // The segment closed as it was; what was hinted must open the next one.
            None => match later.next() {
                Some(next) if next.discontinuity || playlist.ended => None,
                Some(next) => next.parts.first(),
                None if playlist.ended => None,
                None => None,
            },
        };
        self.check(came.is_none_or(|part: &Part| part.uri == *hint), || {
            format!(
                "{hint} was hinted, {:?} came",
                came.map(|part| part.uri.as_str())
            )
        });
    }

    /// Keeps what is new, and holds what is known to how it was listed before.
    fn keep(&mut self, last: Option<&MediaPlaylist>, playlist: &MediaPlaylist) -> Vec<String> {
        let mut new = Vec::new();
        let grown = last.map(|last| &last.open);
        for segment in &playlist.segments {
            let known = self
                .listed
                .iter()
                .rposition(|listed| listed.segment.sequence == segment.sequence);
            if let Some(known) = known {
                self.compare(known, segment, playlist);
                continue;
            }
            let next = self.listed.last().map(|listed| listed.segment.sequence + 1);
            self.check(next.is_none_or(|next| next == segment.sequence), || {
                format!("segment {} came, {next:?} was next", segment.sequence)
            });
            if let Some(grown) = grown.filter(|grown| grown.sequence == segment.sequence) {
                let outdated = segment.parts.is_empty() && is_far_back(playlist, segment);
                self.check(outdated || segment.parts.starts_with(&grown.parts), || {
                    format!(
                        "the parts of segment {} changed when it closed",
                        segment.sequence
                    )
                });
            }
            new.extend(addresses(segment));
            self.listed.push(Listed {
                segment: segment.clone(),
                grew: !segment.parts.is_empty(),
            });
        }
        new.extend(addresses(&playlist.open));
        new
    }

    fn compare(&mut self, known: usize, segment: &Segment, playlist: &MediaPlaylist) {
        let listed = &self.listed[known].segment;
        let told = |segment: &Segment| Segment {
            parts: Vec::new(),
            // The tag of the first segment may have left; the number tells.
            discontinuity: false,
            ..segment.clone()
        };
        let same = told(listed) == told(segment);
        let outdated = segment.parts.is_empty() && is_far_back(playlist, segment);
        let parts = outdated || listed.parts == segment.parts;
        let was = listed.clone();
        self.check(same && parts, || {
            format!(
                "segment {} changed from {was:?} to {segment:?}",
                segment.sequence
            )
        });
    }

    pub(super) fn check(&mut self, right: bool, complaint: impl FnOnce() -> String) {
        if !right {
            self.complain(complaint());
        }
    }

    pub(super) fn complain(&mut self, complaint: String) {
        let complaint = format!("{}: {complaint}", self.label);
        // The same may be wrong in each of a thousand versions.
        if self.complaints.len() < MOST_COMPLAINTS && !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }
}

/// Parts are listed up to three target durations from the end (RFC 8216bis §4.4.4.9), give or take a few frames: the
/// renditions of a stream let go of them together.
fn is_far_back(playlist: &MediaPlaylist, segment: &Segment) -> bool {
    let later = playlist
        .segments
        .iter()
        .filter(|later| later.sequence > segment.sequence);
    let closed: f64 = later.map(|later| later.duration).sum();
    let open: f64 = playlist.open.parts.iter().map(|part| part.duration).sum();
    closed + open >= (playlist.target_duration * 3) as f64 - 0.1
}

/// Everything that a segment's tags point to.
fn addresses(segment: &Segment) -> impl Iterator<Item = String> + '_ {
    let parts = segment.parts.iter().map(|part| part.uri.clone());
    let whole = (!segment.uri.is_empty() && !segment.gap).then(|| segment.uri.clone());
    segment.map.iter().cloned().chain(parts).chain(whole)
}

/// Durations are written with five decimal places.
const ROUNDING: f64 = 0.000_01;

/// In milliseconds: dates are written in whole ones, and one is cut off at either end.
const DATE_TOLERANCE: f64 = 1.5;

/// In milliseconds: where a run ends is known to a frame or two of sound.
const SEAM_TOLERANCE: f64 = 100.0;

const MOST_COMPLAINTS: usize = 20;
