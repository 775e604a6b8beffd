//! `/<id>/poster.jpg`: the newest picture of a stream; of a channel that is not live the newest that is kept.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lsv_core::channel::Moment;
use lsv_core::hub::Stream;
use lsv_core::path::ChannelId;
use lsv_core::ports::{self, ObjectInfo, ObjectStore, PageRequest};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::content::{Content, Gzip};
use super::object::{self, About, OPENING_BYTES};
use super::problem::Problem;
use super::site::RETRY_AFTER;
use crate::poster::{NoPoster, Poster, Posters};

/// The picture of a live stream.
pub(super) async fn live(
    posters: &dyn Posters,
    stream: &Arc<Stream>,
    parts: &Parts,
) -> Result<Response, Problem> {
    let Poster { jpeg, taken } = posters.poster(stream).await.map_err(missing)?;
    let millis = taken.duration_since(UNIX_EPOCH).unwrap_or_default();
    let etag = format!("\"{:x}-{:x}\"", millis.as_millis(), jpeg.len());
    let content = Content {
        body: jpeg.into(),
        gzip: Gzip::Never,
        content_type: "image/jpeg",
        cache_control: HeaderValue::from_static("public, max-age=1"),
        etag: &etag,
        inherits: None,
    };
    let response = content.answer(&parts.method, &parts.headers);
    Ok(dated(response, taken, &parts.headers))
}

/// The newest picture that is kept of a channel.
pub(super) async fn kept(
    store: &Arc<dyn ObjectStore>,
    channel: &ChannelId,
    parts: &Parts,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("the channel is not live, and no picture of it is kept");
    let prefix = format!("record/{channel}/images/");
    let found = newest(&**store, &prefix, OffsetDateTime::now_utc()).await;
    let info = found.map_err(|error| out_of_reach(&error))?;
    let info = info.ok_or_else(none)?;
    let opening = store.get(&info.name, Some(0..OPENING_BYTES)).await;
    let opening = opening.map_err(|error| match error {
        ports::Error::NotFound(_) | ports::Error::Invalid(_) => none(),
        error => out_of_reach(&error),
    })?;
    let (modified, size) = (opening.info.modified, opening.info.size);
    let about = About {
        content_type: "image/jpeg",
        cache_control: HeaderValue::from_static("public, max-age=10"),
        etag: &format!("\"{:x}-{size:x}\"", modified.unix_millis()),
    };
    let response = object::answer(store, opening, &about, parts);
    Ok(dated(response, wall(modified), &parts.headers))
}

/// The last picture by name below `prefix`, which is the last by time. Stores list from the front, so it is looked for
/// digit by digit from the back.
async fn newest(
    store: &dyn ObjectStore,
    prefix: &str,
    now: OffsetDateTime,
) -> ports::Result<Option<ObjectInfo>> {
    let Some(first) = first(store, prefix).await? else {
        return Ok(None);
    };
    let year_of = |name: &str| name.strip_prefix(prefix)?.get(..4)?.parse::<i32>().ok();
    let oldest = year_of(first.name.as_str()).unwrap_or_else(|| now.year());
    // One more than now: clocks differ.
    let years = (oldest..=now.year() + 1).rev().take(MAX_YEARS);
    let mut found = None;
    for year in years {
        let below = format!("{prefix}{year:04}/");
        if self::first(store, &below).await?.is_some() {
            found = Some(below);
            break;
        }
    }
    let Some(mut found) = found else {
        return Ok(Some(first));
    };
    // Month and day, then hour and minute of a name that says all of it again.
    for (step, most) in [('1', ""), ('9', "/"), ('3', ""), ('9', "/")] {
        match last_digit(store, &found, step).await? {
            Some(longer) => found = longer + most,
            None => return Ok(Some(first)),
        }
    }
    let date: String = found
        .strip_prefix(prefix)
        .unwrap_or_default()
        .replace('/', "");
    found = format!("{found}capture-{date}T");
    for most in ['2', '9', '5', '9'] {
        match last_digit(store, &found, most).await? {
            Some(longer) => found = longer,
            None => return Ok(Some(first)),
        }
    }
    let page = store.list(&found, &PageRequest::default()).await?;
    Ok(page.items.into_iter().next_back().or(Some(first)))
}

/// `prefix` and the last digit, at most `most`, with which anything goes on.
async fn last_digit(
    store: &dyn ObjectStore,
    prefix: &str,
    most: char,
) -> ports::Result<Option<String>> {
    for digit in ('0'..=most).rev() {
        let longer = format!("{prefix}{digit}");
        if first(store, &longer).await?.is_some() {
            return Ok(Some(longer));
        }
    }
    Ok(None)
}

async fn first(store: &dyn ObjectStore, prefix: &str) -> ports::Result<Option<ObjectInfo>> {
    let page = store.list(prefix, &PageRequest::first(1)).await?;
    Ok(page.items.into_iter().next())
}

/// The same with the time of the picture; not modified, where it is not newer than what the client has and names by time
/// alone (RFC 9110 §13.1.3).
fn dated(mut response: Response, taken: SystemTime, headers: &HeaderMap) -> Response {
    let text = OffsetDateTime::from(taken)
        .format(HTTP_DATE)
        .unwrap_or_default();
    let Ok(value) = HeaderValue::from_str(&text) else {
        return response;
    };
    let since = headers.get(header::IF_MODIFIED_SINCE);
    let is_known = since == Some(&value) && !headers.contains_key(header::IF_NONE_MATCH);
    response.headers_mut().insert(header::LAST_MODIFIED, value);
    if !is_known || response.status() != StatusCode::OK {
        return response;
    }
    let mut fields = std::mem::take(response.headers_mut());
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::ACCEPT_RANGES,
    ] {
        fields.remove(name);
    }
    (StatusCode::NOT_MODIFIED, fields).into_response()
}

fn missing(error: NoPoster) -> Problem {
    match error {
        NoPoster::NoPicture => Problem::not_found(error.to_string()),
        NoPoster::Busy | NoPoster::Impossible(_) => {
            Problem::unavailable(error.to_string(), RETRY_AFTER)
        }
    }
}

fn out_of_reach(error: &ports::Error) -> Problem {
    tracing::warn!(%error, "no picture could be read");
    Problem::unavailable("the pictures are out of reach", RETRY_AFTER)
}

fn wall(moment: Moment) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(moment.unix_millis())
}

/// Years that are looked through.
const MAX_YEARS: usize = 100;
/// RFC 9110 §5.6.7.
const HTTP_DATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

#[cfg(all(test, feature = "record"))]
mod tests {
    use bytes::Bytes;
    use lsv_core::ports::ObjectName;
    use time::macros::datetime;

    use super::*;
    use crate::record::tests::Store;

    #[tokio::test]
    async fn the_newest_of_many_is_found() {
        let now = datetime!(2033-01-01 00:00 UTC);
        let store = Store::default();
        let prefix = "record/cam/images/";
        assert!(newest(&store, prefix, now).await.unwrap().is_none());
        let mut names = Vec::new();
        for (year, month, day, time) in [
            (2029, 12, 31, "235959.999"),
            (2032, 1, 9, "000000.000"),
            (2032, 10, 8, "093000.000"),
            (2032, 10, 8, "193000.001"),
            (2032, 10, 8, "193959.100"),
            (2032, 10, 8, "193959.101"),
            (2032, 10, 30, "000001.000"),
            (2032, 12, 1, "090807.001"),
        ] {
            let (clock, rest) = time.split_once('.').unwrap();
            let name = format!(
                "{prefix}{year}/{month:02}/{day:02}/capture-{year}{month:02}{day:02}T{clock}.{rest}Z.jpg"
            );
            names.push(name.clone());
            let name = ObjectName::parse(&name).unwrap();
            store.put(&name, Bytes::from_static(b"x")).await.unwrap();
            let found = newest(&store, prefix, now).await.unwrap().unwrap();
            assert_eq!(found.name, name);
        }
        // Something else of that folder is an answer, too.
        let odd = Store::default();
        let name = ObjectName::parse("record/cam/images/x.jpg").unwrap();
        odd.put(&name, Bytes::from_static(b"x")).await.unwrap();
        let found = newest(&odd, prefix, now).await.unwrap().unwrap();
        assert_eq!(found.name, name);
    }

    #[test]
    fn dates_as_http_writes_them() {
        let taken = SystemTime::from(datetime!(1994-11-06 08:49:37 UTC));
        let empty = HeaderMap::new();
        let response = dated(StatusCode::OK.into_response(), taken, &empty);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(response.headers()[header::LAST_MODIFIED], date);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MODIFIED_SINCE, HeaderValue::from_static(date));
        let response = dated(StatusCode::OK.into_response(), taken, &headers);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    }
}
