//! The addresses to push a channel to and to play it from.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::body::Id;
use super::problem::{Answer, ProblemDocument};
use super::reached::Reached;
use super::signed::{Ticket, Viewer, Wanted};
use crate::channel::{Channel, Moment};
use crate::hub;
use crate::path::APP;
use crate::ports::StreamDns;

/// Makes the addresses of a channel.
#[utoipa::path(
    get, path = "/videostream/{id}/urls", tag = "channels", params(("id" = String, Path), Wanted),
    responses(
        (
            status = 200, body = Urls,
            description = "Addresses; the push address holds the push key, play addresses what lets viewers in, where they need that",
        ),
        (status = 400, description = "A parameter or the header `Host` is none", body = ProblemDocument),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
    ),
)]
pub(super) async fn urls(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    viewer: Viewer,
    reached: Reached,
) -> Answer<Json<Urls>> {
    let channel = api.channels.get(&id).await?.channel;
    let dns = api.channels.stream_dns().await?;
    let origin = reached.origin(dns.pull.as_ref(), &api.listeners);
    let ticket = Ticket::new(&api, &channel, viewer, &origin.authority);
    Ok(Json(Urls::of(&api, &channel, &ticket, &reached, &dns)))
}

/// The addresses of a channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Urls {
    /// Where to push over RTMP.
    push: Push,
    /// Where to push over RTMPS, where the platform listens for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    push_rtmps: Option<Push>,
    /// Where to play, for the outputs that are on.
    play: Play,
}

/// Where to push, in the parts that encoders ask for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Push {
    /// The server.
    server: String,
    /// The stream key. It holds the push key: keep it secret.
    stream_key: String,
    /// Server and stream key as one address.
    url: String,
    /// Until when it can be used.
    #[schema(value_type = String, format = DateTime)]
    expires: Moment,
}

/// Where to play. An output that is off has no address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Play {
    #[serde(flatten)]
    outputs: Outputs,
    /// RTMPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtmps: Option<String>,
    /// FLV over a WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    wsflv: Option<String>,
    /// HLS over all transcoded renditions, MPEG-TS where that is on; `cmaf` and `dash` are over all of them too.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
    /// The transcoded renditions that are wanted, the smallest first. One that is larger than the source is not made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    renditions: Vec<PlayRendition>,
    /// The picture before it plays: the channel as it is now, or was last. There is none, 404, before the first picture.
    poster: String,
    /// Pages with a player.
    pages: Pages,
    /// Until when the addresses can be used; for ever if there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Moment>,
    /// Why viewers are not let in by these addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

/// Where to play one rendition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlayRendition {
    /// What it is called: `360p`, `480p`, `720p` or `1080p`.
    name: &'static str,
    #[serde(flatten)]
    outputs: Outputs,
}

/// What the source and each rendition have. An output that is off has no address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outputs {
    /// RTMP.
    rtmp: String,
    /// HTTP-FLV.
    #[serde(skip_serializing_if = "Option::is_none")]
    flv: Option<String>,
    /// HLS with MPEG-TS segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    hls: Option<String>,
    /// Low-latency HLS with CMAF segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    cmaf: Option<String>,
    /// DASH, which a channel with `isEncrypted` has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    dash: Option<String>,
}

/// Pages with a player.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pages {
    /// The player that suits best.
    best: String,
    /// The HTTP-FLV player.
    #[serde(skip_serializing_if = "Option::is_none")]
    flv: Option<String>,
    /// The HLS player.
    #[serde(skip_serializing_if = "Option::is_none")]
    hls: Option<String>,
    /// The DASH player.
    #[serde(skip_serializing_if = "Option::is_none")]
    dash: Option<String>,
}

impl Urls {
    fn of(
        api: &Api,
        channel: &Channel,
        ticket: &Ticket,
        reached: &Reached,
        dns: &StreamDns,
    ) -> Self {
        let expiry = channel.key.expiry();
        let listeners = api.listeners;
        let push_at = |scheme: &str, listener: SocketAddr| {
            let authority = reached.rtmp_authority(dns.push.as_ref(), listener);
            let server = format!("{scheme}://{authority}/{APP}");
            let key = api.signer.sign(&channel.id, expiry);
            let stream_key = format!("{}?{}={key}", channel.id, lsv_auth::push::PARAMETER);
            Push {
                url: format!("{server}/{stream_key}"),
                server,
                stream_key,
                expires: Moment::from_unix(expiry.unix()),
            }
        };
        Self {
            push: push_at("rtmp", listeners.rtmp),
            push_rtmps: listeners.rtmps.map(|listener| push_at("rtmps", listener)),
            play: Play::of(api, channel, ticket, reached, dns),
        }
    }
}

impl Play {
    fn of(
        api: &Api,
        channel: &Channel,
        ticket: &Ticket,
        reached: &Reached,
        dns: &StreamDns,
    ) -> Self {
        let listeners = api.listeners;
        let (id, settings) = (&channel.id, &channel.settings);
        let rtmp_at = |scheme: &str, listener| {
            let authority = reached.rtmp_authority(dns.pull.as_ref(), listener);
            format!("{scheme}://{authority}/{APP}/{id}")
        };
        let origin = reached.origin(dns.pull.as_ref(), &listeners);
        let (http, ws) = (origin.scheme(), origin.web_socket_scheme());
        let authority = &origin.authority;
        let at = |scheme: &str, file: &str| ticket.on(format!("{scheme}://{authority}/{id}{file}"));
        let (flv, hls, cmaf) = (settings.is_flv, settings.is_hls, settings.is_cmaf);
        let dash = cmaf && !settings.is_encrypted;
        let rtmp = rtmp_at("rtmp", listeners.rtmp);
        let outputs = |under: &str| Outputs {
            rtmp: ticket.on_rtmp(format!("{rtmp}{under}")),
            flv: flv.then(|| at(http, &format!("{under}/live.flv"))),
            hls: hls.then(|| at(http, &format!("{under}/live.m3u8"))),
            cmaf: cmaf.then(|| at(http, &format!("{under}/master.m3u8"))),
            dash: dash.then(|| at(http, &format!("{under}/manifest.mpd"))),
        };
        let wanted = hub::Settings::from(channel).processing.renditions;
        let names = wanted.iter().filter_map(|rendition| rendition.segment());
        let renditions = names.map(|name| PlayRendition {
            name,
            outputs: outputs(&format!("/{name}")),
        });
        let renditions: Vec<_> = renditions.collect();
        let has_index = !renditions.is_empty() && (hls || cmaf);
        Self {
            outputs: outputs(""),
            rtmps: listeners
                .rtmps
                .map(|listener| ticket.on_rtmp(rtmp_at("rtmps", listener))),
            wsflv: flv.then(|| at(ws, "/live.flv")),
            index: has_index.then(|| at(http, "/index.m3u8")),
            renditions,
            poster: at(http, "/poster.jpg"),
            pages: Pages {
                best: at(http, "/"),
                flv: flv.then(|| at(http, "/flv.html")),
                hls: (hls || cmaf).then(|| at(http, "/hls.html")),
                dash: dash.then(|| at(http, "/dash.html")),
            },
            expires: ticket.expires,
            warning: ticket.warning,
        }
    }
}
