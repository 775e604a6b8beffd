//! What the query of a playlist's address asks for: to wait for what is to come, to leave out what is known, to cut a clip.

use super::problem::Problem;
use super::site::is_manifest;
use crate::window::{Clip, Reload, Skip};

/// Reads the delivery directives of a playlist's address (RFC 8216bis §6.2.5).
pub(super) fn reload(name: &str, query: Option<&str>) -> Result<Reload, Problem> {
    let mut reload = Reload::default();
    if is_manifest(name) {
        let clip = Clip::of_query(query.unwrap_or_default());
        reload.clip = clip.map_err(|invalid| Problem::bad_request(invalid.to_string()))?;
    }
    if !name.ends_with(".m3u8") {
        return Ok(reload);
    }
    for (key, value) in query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
    {
        let bad =
            || Problem::bad_request(format!("{key} is given once, as a plain decimal number"));
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        match (key, value) {
            ("_HLS_msn", _) if !digits || reload.msn.is_some() => return Err(bad()),
            ("_HLS_msn", _) => reload.msn = Some(value.parse().map_err(|_| bad())?),
            ("_HLS_part", _) if !digits || reload.part.is_some() => return Err(bad()),
            ("_HLS_part", _) => reload.part = Some(value.parse().map_err(|_| bad())?),
            ("_HLS_skip", "YES" | "v2") => reload.skip = Skip::Segments,
            _ => {}
        }
    }
    match reload.part {
        Some(_) if reload.msn.is_none() => Err(Problem::bad_request("_HLS_part needs _HLS_msn")),
        _ => Ok(reload),
    }
}
