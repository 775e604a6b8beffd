//! EXT-X-DATERANGE: what happens in a stream besides its media (RFC 8216bis §4.4.5.1).

use std::fmt::Write;

use lsv_core::script::Value;

use super::{date, put};
use crate::scte35::Role;
use crate::window::DateRange;
use crate::window::snapshot::Snapshot;

/// A tag for each date range, in front of all segments: a delta update then has them all, and needs no word of those
/// that are gone.
pub(super) fn put_date_ranges(out: &mut String, window: &Snapshot) {
    for range in window.date_ranges.iter() {
        put_date_range(out, range);
    }
}

fn put_date_range(out: &mut String, range: &DateRange) {
    put!(out, "#EXT-X-DATERANGE:ID=\"{}\"", range.id);
    if let Some(class) = &range.class {
        put!(out, ",CLASS=\"{}\"", quotable(class));
    }
    put!(out, ",START-DATE=\"{}\"", date(range.start));
    if let Some(end) = range.end {
        put!(out, ",END-DATE=\"{}\"", date(end));
    }
    if let Some(planned) = range.planned {
        put!(out, ",PLANNED-DURATION={:.3}", planned.as_secs_f64());
    }
    for (role, section) in &range.sections {
        out.push_str(match role {
            Role::Out => ",SCTE35-OUT=0x",
            Role::In => ",SCTE35-IN=0x",
            Role::Command => ",SCTE35-CMD=0x",
        });
        for byte in section {
            put!(out, "{byte:02X}");
        }
    }
    for (name, value) in &range.attributes {
        put!(out, ",{name}=");
        put_value(out, value);
    }
    out.push('\n');
}

/// A number as attributes have it, which is without a sign, else text.
fn put_value(out: &mut String, value: &Value) {
    match value {
        Value::Number(number) if number.is_sign_positive() && *number < MOST => {
            put!(out, "{number}");
        }
        Value::Text(text) => put!(out, "\"{}\"", quotable(text)),
        other => put!(out, "\"{}\"", quotable(&other.to_string())),
    }
}

/// What a quoted string may hold (RFC 8216bis §4.2): neither its own quotes nor the end of the line.
fn quotable(text: &str) -> String {
    let allowed = |letter: char| match letter {
        '"' => '\'',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    text.chars().take(MOST_LETTERS).map(allowed).collect()
}

/// Beyond it a decimal gets long.
const MOST: f64 = 1e15;
const MOST_LETTERS: usize = 256;
