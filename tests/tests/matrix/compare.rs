//! Holds what a player got to what was sent.

use lsv_tests::{Sent, Trace};

use super::script::Take;

/// What an output does with packets that nobody can decode, as they come before a key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Passes them on: the publisher's clock may jump, the bytes go on.
    Anywhere,
    /// Leaves them out at the beginning of each run.
    KeyFrame,
}

/// Everything that is wrong with `got`, the streams of which are the `tracks` of what was sent: each must bring the packets of each take, in order, each as it was, at
/// times that are the take's own but for a constant, the same for all streams.
pub(crate) fn complaints(
    label: &str,
    got: &Trace,
    tracks: &[usize],
    takes: &[Take],
    start: Start,
    has_video: bool,
) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut shifts: Vec<Vec<f64>> = vec![Vec::new(); takes.len()];
    for (packets, &index) in got.streams.iter().zip(tracks) {
        let mut rest = packets.as_slice();
        for (number, take) in takes.iter().enumerate() {
            let sent = match start {
                Start::Anywhere if number > 0 => take.sent.streams[index].clone(),
                _ => take.playable(index, has_video),
            };
            let place = format!("{label}, stream {index}, take {number}");
            let same = rest
                .iter()
                .zip(&sent)
                .take_while(|(got, sent)| got.hash == sent.hash)
                .count();
            if same < sent.len() {
                complaints.push(difference(&place, rest, &sent, same));
                break;
            }
            let (mine, others) = rest.split_at(same);
            rest = others;
            complaints.extend(shift(&place, mine, &sent, &mut shifts[number]));
        }
        if !rest.is_empty() && complaints.is_empty() {
            complaints.push(format!(
                "{label}, stream {index}: {} packets more than were sent",
                rest.len()
            ));
        }
    }
    for (number, shifts) in shifts.iter().enumerate() {
        let (least, most) = range(shifts.iter().copied());
        if most - least > 2.0 * TOLERANCE {
            complaints.push(format!(
                "{label}, take {number}: streams are moved by {shifts:?} ms against each other"
            ));
        }
    }
    complaints
}

/// As [`complaints`], of a single stream and take.
pub(crate) fn stream_complaints(label: &str, got: &[Sent], sent: &[Sent]) -> Vec<String> {
    let same = got
        .iter()
        .zip(sent)
        .take_while(|(got, sent)| got.hash == sent.hash)
        .count();
    match same == sent.len() && same == got.len() {
        true => shift(label, got, sent, &mut Vec::new()),
        false => vec![difference(label, got, sent, same)],
    }
}

fn difference(place: &str, got: &[Sent], sent: &[Sent], same: usize) -> String {
    let known = |hash: &str| sent.iter().position(|packet| packet.hash == hash);
    let next = got
        .get(same)
        .map(|packet| (packet.pts, known(&packet.hash)));
    format!(
        "{place}: {same} of {} packets came as sent, then {next:?} (time, place among those sent); {} came in all",
        sent.len(),
        got.len()
    )
}

/// All packets of a take are moved by the same time.
fn shift(place: &str, got: &[Sent], sent: &[Sent], shifts: &mut Vec<f64>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (what, time) in [("presentation", pts as fn(&Sent) -> f64), ("decoding", dts)] {
        let (least, most) = range(
            got.iter()
                .zip(sent)
                .map(|(got, sent)| time(got) - time(sent)),
        );
        if most - least > 2.0 * TOLERANCE {
            complaints.push(format!(
                "{place}: {what} times are moved by {least:.3} to {most:.3} ms"
            ));
        }
        if what == "presentation" && !got.is_empty() {
            shifts.push((least + most) / 2.0);
        }
    }
    complaints
}

fn pts(packet: &Sent) -> f64 {
    packet.pts
}

fn dts(packet: &Sent) -> f64 {
    packet.dts
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, most), value| (least.min(value), most.max(value)),
    )
}

/// In milliseconds: RTMP's clock.
const TOLERANCE: f64 = 1.0;
