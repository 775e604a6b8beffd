//! Which recordings are wanted: those of a kind and a day, which their names tell, and those of a time, which they do not.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::problem::Answer;
use crate::api::{Kind, Problem};
use crate::channel::Moment;
use crate::recording;

/// Which recordings are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Narrowed {
    /// Recordings of this kind alone.
    #[param(value_type = Option<recording::Kind>)]
    kind: Option<String>,
    /// With `kind`: recordings that began on this day (UTC) alone, such as 2032-12-09.
    #[param(value_type = Option<String>, format = Date)]
    day: Option<String>,
    /// Not complete before: an RFC 3339 time.
    from: Option<String>,
    /// Not complete after: an RFC 3339 time, or a date for the end of that day.
    to: Option<String>,
}

impl Narrowed {
    /// The parameters as they came.
    pub(super) fn given(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("kind", self.kind.as_deref()),
            ("day", self.day.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
        ]
    }

    /// What the names of what is wanted have in front, below the channel's folder.
    pub(super) fn folder(&self) -> Answer<String> {
        let wrong = |name, accepts: &str| {
            let detail = format!("`{name}` accepts {accepts}");
            Problem::new(Kind::InvalidParameter, detail).of_field(name)
        };
        let parse = |word: &String| {
            let words = recording::Kind::ALL.map(recording::Kind::as_str);
            recording::Kind::parse(word).ok_or_else(|| wrong("kind", &words.join(", ")))
        };
        let kind = self.kind.as_ref().map(parse).transpose()?;
        match (kind, self.day.as_deref()) {
            (None, None) => Ok(String::new()),
            (Some(kind), None) => Ok(kind.folder().to_owned()),
            (Some(kind), Some(day)) if is_day(day) => Ok(kind.folder_of_day(day)),
            (None, Some(_)) => Err(wrong("day", "a date where `kind` is given as well")),
            (Some(_), Some(_)) => Err(wrong("day", "a date such as 2032-12-09")),
        }
    }

    /// The time in which what is wanted was complete.
    pub(super) fn moments(&self) -> Answer<(Moment, Moment)> {
        let parse = |name: &str, text: &Option<String>, missing: Moment| match text {
            None => Ok(missing),
            Some(text) => Moment::parse(text).ok_or_else(|| {
                let detail =
                    format!("`{name}` accepts an RFC 3339 time such as 2032-12-09T18:00:00Z");
                Problem::new(Kind::InvalidParameter, detail).of_field(name)
            }),
        };
        let from = parse("from", &self.from, Moment::EPOCH)?;
        let to = parse("to", &self.to, Moment::MAX)?;
        Ok((from, to))
    }
}

/// Whether `text` is a date that there is, written in the one way that can be put into names.
fn is_day(text: &str) -> bool {
    let is_digit_or = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(is_digit_or) && Moment::parse(text).is_some()
}
