//! A strict judge of DASH manifests (ISO/IEC 23009-1), by way of the crate `dash-mpd-core`.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use dash_mpd_core::{AdaptationSet, MPD, Period, Representation, SegmentTemplate};

use crate::cmaf;

/// What one manifest has shown so far, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Judge {
    /// Every segment ever listed, by period, representation and time.
    listed: BTreeMap<(String, String, u64), Listed>,
    last: Option<MPD>,
    last_text: String,
    complaints: Vec<String>,
}

/// A segment as it was listed.
#[derive(Debug, Clone, PartialEq)]
struct Listed {
    init: String,
    uri: String,
    /// In ticks of `timescale`.
    duration: u64,
    timescale: u64,
    /// It may still grow, so that its duration is an estimate.
    grows: bool,
}

impl Listed {
    /// Whether it may be listed as `later` in the next version.
    fn may_become(&self, later: &Self) -> bool {
        let estimate = Self {
            duration: later.duration,
            grows: later.grows,
            ..self.clone()
        };
        self == later || self.grows && estimate == *later
    }
}

impl Judge {
    /// What was found wrong so far.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// The last version as it was served.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.last_text
    }

    /// Takes the next version and answers the addresses that it names.
    pub fn see(&mut self, text: &str) -> Vec<String> {
        let mpd = match dash_mpd_core::parse(text) {
            Ok(mpd) => mpd,
            Err(error) => {
                self.complain(format!("it is not a manifest: {error}"));
                return Vec::new();
            }
        };
        for fault in dash_mpd_core::check_conformity(&mpd) {
            self.complain(fault);
        }
        self.judge_opening(&mpd);
        let mut named = Vec::new();
        let mut end = None;
        for (index, period) in mpd.periods.iter().enumerate() {
            self.judge_period(period, index, &mut end);
            for set in &period.adaptations {
                for representation in &set.representations {
                    named.extend(self.keep(period, set, representation));
                }
            }
        }
        self.last = Some(mpd);
        self.last_text = text.to_owned();
        named
    }

    /// Forgets what left the manifest long ago, for streams that go on for days.
    pub fn forget(&mut self) {
        let periods = self.last.iter().flat_map(|last| &last.periods);
        let ids: Vec<_> = periods.filter_map(|period| period.id.clone()).collect();
        self.listed.retain(|(period, ..), _| ids.contains(period));
        let newest: BTreeMap<_, _> = self
            .listed
            .keys()
            .map(|(period, id, time)| ((period.clone(), id.clone()), *time))
            .collect();
        self.listed.retain(|(period, id, time), listed| {
            let newest = newest.get(&(period.clone(), id.clone()));
            newest.is_none_or(|newest| newest - time <= 100 * listed.timescale)
        });
    }

    /// Holds what was listed to the files behind it.
    pub fn judge_media(&mut self, files: &HashMap<String, Bytes>) {
        for ((period, representation, time), listed) in self.listed.clone() {
            let label = format!("period {period}, {representation} at {time}");
            let header = files.get(&listed.init).map(|bytes| cmaf::header(bytes));
            let header = match header {
                Some(Ok(header)) => header,
                other => {
                    self.complain(format!("{label}: its header {}: {other:?}", listed.init));
                    continue;
                }
            };
            let chunks = files
                .get(&listed.uri)
                .map(|bytes| cmaf::chunks(bytes, header.track));
            let chunks = match chunks {
                Some(Ok(chunks)) => chunks,
                other => {
                    self.complain(format!("{label}: {}: {other:?}", listed.uri));
                    continue;
                }
            };
            let duration: u64 = chunks.iter().map(cmaf::Chunk::duration).sum();
            let earliest = chunks.first().map(cmaf::Chunk::earliest);
            self.check(u64::from(header.timescale) == listed.timescale, || {
                format!(
                    "{label}: timescale {} is listed as {}",
                    header.timescale, listed.timescale
                )
            });
            self.check(earliest == Some(time.cast_signed()), || {
                format!("{label}: its first sample is presented at {earliest:?}")
            });
            // The samples' durations are of decoding, the timeline is of presentation: it goes on to the next segment.
            let next = (period, representation, time + listed.duration);
            let seamless = self.listed.contains_key(&next);
            self.check(
                listed.grows || seamless || duration == listed.duration,
                || {
                    format!(
                        "{label}: d={}, its samples last {duration}",
                        listed.duration
                    )
                },
            );
        }
    }

    fn judge_opening(&mut self, mpd: &MPD) {
        let dynamic = mpd.mpdtype.as_deref() == Some("dynamic");
        self.check(
            mpd.minBufferTime.is_some() && mpd.profiles.is_some(),
            || "no minBufferTime or no profiles".to_owned(),
        );
        self.check(
            !dynamic || mpd.availabilityStartTime.is_some() && mpd.publishTime.is_some(),
            || "a dynamic manifest without availabilityStartTime or publishTime".to_owned(),
        );
        self.check(dynamic || mpd.mediaPresentationDuration.is_some(), || {
            "a static manifest without mediaPresentationDuration".to_owned()
        });
        self.check(!dynamic || !mpd.UTCTiming.is_empty(), || {
            "no UTCTiming".to_owned()
        });
        let Some(last) = self.last.take() else {
            return;
        };
        let known = last.availabilityStartTime.is_some() && dynamic;
        self.check(
            !known || last.availabilityStartTime == mpd.availabilityStartTime,
            || "availabilityStartTime changed".to_owned(),
        );
        self.check(!dynamic || last.publishTime <= mpd.publishTime, || {
            "publishTime went backwards".to_owned()
        });
        for period in &mpd.periods {
            let before = last.periods.iter().find(|before| before.id == period.id);
            self.check(
                before.is_none_or(|before| match dynamic {
                    true => before.start == period.start,
                    // What has left the front of a presentation that has ended is no hole in it; no time moves.
                    false => same_times(before, period),
                }),
                || format!("the start of period {:?} changed", period.id),
            );
        }
    }

    /// Periods follow each other, and a period's media lies within it.
    fn judge_period(&mut self, period: &Period, index: usize, end: &mut Option<f64>) {
        let label = format!("period {:?}", period.id);
        self.check(period.id.is_some(), || "a period without id".to_owned());
        let Some(start) = period.start else {
            return self.check(index == 0, || format!("{label} has no start"));
        };
        let start = start.as_secs_f64();
        self.check(end.is_none_or(|end| start >= end - SEAM), || {
            format!("{label} starts at {start}, the one before ends at {end:?}")
        });
        for set in &period.adaptations {
            for representation in &set.representations {
                let Some(template) = template(set, representation) else {
                    self.complain(format!(
                        "{label} has a representation without SegmentTemplate"
                    ));
                    continue;
                };
                let timescale = template.timescale.unwrap_or(1) as f64;
                let offset = template.presentationTimeOffset.unwrap_or(0) as f64;
                let mut next = None;
                for (time, duration) in timeline(template) {
                    let at = (time as f64 - offset) / timescale;
                    self.check(at >= -0.1, || {
                        format!("{label}: a segment {at} s before its period")
                    });
                    self.check(next.is_none_or(|next| next == time), || {
                        format!("{label}: a segment at {time}, the one before ends at {next:?}")
                    });
                    next = Some(time + duration);
                    let over = start + at + duration as f64 / timescale;
                    *end = Some(end.map_or(over, |end| end.max(over)));
                }
                self.check(next.is_some(), || {
                    format!("{label} has a representation without a segment")
                });
            }
        }
    }

    fn keep(
        &mut self,
        period: &Period,
        set: &AdaptationSet,
        representation: &Representation,
    ) -> Vec<String> {
        let Some(template) = template(set, representation) else {
            return Vec::new();
        };
        let id = representation.id.clone().unwrap_or_default();
        let fill = |pattern: &Option<String>, time: u64, number: u64| {
            let filled = pattern
                .clone()
                .unwrap_or_default()
                .replace("$RepresentationID$", &id);
            filled
                .replace("$Time$", &time.to_string())
                .replace("$Number$", &number.to_string())
        };
        let first = template.startNumber.unwrap_or(1);
        let mut named = Vec::new();
        let segments = timeline(template);
        let last = segments.last().map(|(time, _)| *time);
        for (number, (time, duration)) in (first..).zip(segments) {
            let listed = Listed {
                init: fill(&template.initialization, time, number),
                uri: fill(&template.media, time, number),
                duration,
                timescale: template.timescale.unwrap_or(1),
                grows: template.availabilityTimeComplete == Some(false) && last == Some(time),
            };
            named.extend([listed.init.clone(), listed.uri.clone()]);
            let key = (period.id.clone().unwrap_or_default(), id.clone(), time);
            let known = self.listed.insert(key, listed.clone());
            self.check(
                known.as_ref().is_none_or(|known| known.may_become(&listed)),
                || format!("a segment changed from {known:?} to {listed:?}"),
            );
        }
        named
    }

    fn check(&mut self, right: bool, complaint: impl FnOnce() -> String) {
        if !right {
            self.complain(complaint());
        }
    }

    fn complain(&mut self, complaint: String) {
        let complaint = format!("manifest.mpd: {complaint}");
        if self.complaints.len() < MOST_COMPLAINTS && !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }
}

/// When a presentation began, which is the same in all of its manifests.
#[must_use]
pub fn began(manifest: &str) -> Option<String> {
    let (_, rest) = manifest.split_once("availabilityStartTime=\"")?;
    rest.split_once('"').map(|(began, _)| began.to_owned())
}

/// The name of the last segment of video that a manifest lists.
#[must_use]
pub fn newest(manifest: &str) -> Option<String> {
    let mpd = dash_mpd_core::parse(manifest).ok()?;
    let set = mpd.periods.last()?.adaptations.first()?;
    let template = set.representations.first()?.SegmentTemplate.as_ref()?;
    let mut last = None;
    let mut next = 0;
    for entry in &template.SegmentTimeline.as_ref()?.segments {
        let start = entry.t.unwrap_or(next);
        next = start + entry.d;
        last = Some(start);
    }
    let time = last?.to_string();
    Some(template.media.as_ref()?.replace("$Time$", &time))
}

fn template<'a>(
    set: &'a AdaptationSet,
    representation: &'a Representation,
) -> Option<&'a SegmentTemplate> {
    let own = representation.SegmentTemplate.as_ref();
    own.or(set.SegmentTemplate.as_ref())
}

/// The segments of a timeline: time and duration in ticks.
fn timeline(template: &SegmentTemplate) -> Vec<(u64, u64)> {
    let mut segments = Vec::new();
    let mut next = 0;
    for entry in template
        .SegmentTimeline
        .iter()
        .flat_map(|timeline| &timeline.segments)
    {
        next = entry.t.unwrap_or(next);
        for _ in 0..=entry.r.unwrap_or(0).max(0) {
            segments.push((next, entry.d));
            next += entry.d;
        }
    }
    segments
}

/// In seconds: where a period ends is known to a frame or two of sound.
const SEAM: f64 = 0.1;

const MOST_COMPLAINTS: usize = 20;

/// Media is presented at the same times, though the period may begin later. To a tick of each track and a millisecond, in
/// which starts are told.
fn same_times(before: &Period, after: &Period) -> bool {
    let zero = |period: &Period, set: usize| {
        let template = period.adaptations.get(set)?.representations.first()?;
        let template = template.SegmentTemplate.as_ref()?;
        let offset = template.presentationTimeOffset? as f64 / template.timescale? as f64;
        Some(period.start?.as_secs_f64() - offset)
    };
    let sets = 0..after.adaptations.len();
    let moved = sets.filter_map(|set| Some(zero(before, set)? - zero(after, set)?));
    let mut moved = moved.map(f64::abs);
    after.start >= before.start && moved.all(|moved| moved < 0.002)
}
