//! How a watermark will look, before a channel has it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::{Id, Json, Parameters};
use super::problem::{Answer, ProblemDocument};
use super::{Api, Kind, Problem, openapi};
use crate::channel::Fields;
use crate::hub;

/// Draws a channel's watermark as it would be with the fields that are given, and stores nothing.
#[utoipa::path(
    post, path = "/videostream/{id}/watermark", tag = "channels", params(("id" = String, Path), Size),
    request_body(content = inline(openapi::ChannelInput), description = "As for `PATCH`; what is left out is as the channel has it."),
    responses(
        (
            status = 200, content_type = "image/png", body = Vec<u8>,
            description = "Text and picture as they are drawn over a picture of that size, transparent elsewhere; the headers say where it \
                lies in that picture, in pixels",
            headers(("X-Watermark-Left" = u32), ("X-Watermark-Top" = u32)),
        ),
        (status = 204, description = "Nothing is drawn: it is switched off, says nothing, or lies beside the picture"),
        (status = 400, description = "A parameter cannot be understood", body = ProblemDocument),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
        (status = 422, description = "A field is unknown, its value not accepted, or the picture cannot be used", body = ProblemDocument),
        (status = 501, description = "This server draws no watermarks, or has no font", body = ProblemDocument),
        (status = 503, description = "Too many are drawn at once", body = ProblemDocument),
    ),
)]
pub(super) async fn preview(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Parameters(size): Parameters<Size>,
    Json(fields): Json<Fields>,
) -> Answer<Response> {
    let size = size.checked()?;
    let Some(watermarks) = &api.watermarks else {
        let detail = "this server draws no watermarks";
        return Err(Problem::new(Kind::NotImplemented, detail));
    };
    let read = api.channels.get(&id).await?;
    let mut channel = read.channel.as_ref().clone();
    channel.change(fields, &api.signer, api.now())?;
    api.check_targets(&channel.settings, Some(&read.channel.settings))?;
    let drawn = match hub::Settings::from(&channel).processing.watermark {
        Some(watermark) => watermarks.preview(&watermark, size).await?,
        None => None,
    };
    let Some(drawn) = drawn else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let about = [
        (header::CONTENT_TYPE, "image/png".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (LEFT, drawn.left.to_string()),
        (TOP, drawn.top.to_string()),
    ];
    Ok((about, drawn.png).into_response())
}

/// The picture that it is drawn over.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Size {
    /// Its width in pixels. 1280.
    #[param(minimum = 16, maximum = 7680)]
    width: Option<u32>,
    /// Its height in pixels. 720.
    #[param(minimum = 16, maximum = 7680)]
    height: Option<u32>,
}

impl Size {
    fn checked(&self) -> Answer<(u32, u32)> {
        let side = |name, given: Option<u32>, usual| match given.unwrap_or(usual) {
            side @ SHORTEST..=LONGEST => Ok(side),
            _ => {
                let detail =
                    format!("`{name}` accepts a whole number from {SHORTEST} to {LONGEST}");
                Err(Problem::new(Kind::InvalidParameter, detail).of_field(name))
            }
        };
        Ok((
            side("width", self.width, 1_280)?,
            side("height", self.height, 720)?,
        ))
    }
}

const LEFT: HeaderName = HeaderName::from_static("x-watermark-left");
const TOP: HeaderName = HeaderName::from_static("x-watermark-top");
/// Shortest side of a picture.
const SHORTEST: u32 = 16;
/// Longest side: where the fields of a watermark end as well.
const LONGEST: u32 = 7_680;
