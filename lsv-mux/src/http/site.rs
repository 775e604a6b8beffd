//! The way of a request: address, access, then the stream's FLV, a file of its window, or a page.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{self, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use lsv_core::channel::Moment;
use lsv_core::hub::{Protocol, Stream};
use lsv_core::path::{Rendition, StreamPath};
use lsv_core::ports::{Access, AccessRequest, Denied, Grant, Presence, Reason};
use lsv_core::via::Via;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::address::{Address, Target};
use super::audience::Audience;
use super::content::{Content, Gzip};
#[cfg(feature = "edge")]
use super::edge::Edge;
use super::guest::Guest;
use super::object::{self, About, OPENING_BYTES};
use super::problem::Problem;
use super::reload::reload;
use super::visit::Visit;
use super::{State, cors, flv, growing, poster, recorded};
use crate::window::{Cache, File, FileError, Growing, Opened, Outputs, Reload, Stored};

/// Everything that a request needs.
pub(super) struct Site {
    state: State,
    audience: Arc<Audience>,
    /// `Cache-Control` of what never changes.
    immutable: HeaderValue,
}

pub(super) async fn serve(
    extract::State(site): extract::State<Arc<Site>>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let mut response = match parts.method {
        Method::OPTIONS => cors::preflight(&parts.headers),
        Method::GET | Method::HEAD => match site.answer(&mut parts).await {
            Ok(response) => response,
            Err(problem) => problem.answer(parts.uri.path(), &parts.headers),
        },
        _ => Problem::method_not_allowed().into_response(),
    };
    cors::share(response.headers_mut());
    response
}

impl Site {
    pub(super) fn new(state: State) -> Self {
        let seconds = state.config.segment_max_age.as_secs();
        Self {
            immutable: cache_for(format_args!("{seconds}, immutable")),
            state,
            audience: Arc::default(),
        }
    }

    async fn answer(&self, parts: &mut Parts) -> Result<Response, Problem> {
        let uri = parts.uri.clone();
        let query = uri.query();
        if query.is_some_and(|query| query.len() > self.state.limits.query_bytes) {
            return Err(Problem::bad_request("the query is too long"));
        }
        let Address { stream, target } = Address::parse(uri.path())
            .ok_or_else(|| Problem::not_found("there is no such address"))?;
        let visit = Visit::of(parts, &self.state.config.trusted_proxies);
        let peer = visit.peer;
        let grant = self.admit(AccessRequest {
            access: Access::Play,
            path: &stream,
            address: uri.path(),
            query,
            peer,
            told: visit.told(),
            presence: presence(target, &parts.method),
            now: now(),
        });
        let guest = Guest::new(&grant.await?, peer, query);
        let mut response = self.respond(&stream, target, &guest, parts).await?;
        guest.restrict(response.headers_mut(), now());
        guest.share(&parts.headers, response.headers_mut());
        Ok(response)
    }

    /// What `guest` asked for.
    async fn respond(
        &self,
        stream: &StreamPath,
        target: Target<'_>,
        guest: &Guest,
        parts: &mut Parts,
    ) -> Result<Response, Problem> {
        #[cfg(feature = "edge")]
        if let Some(edge) = self.edge(stream, target) {
            return edge.answer(stream, target, guest, parts).await;
        }
        self.bring(stream, &target).await?;
        match target {
            Target::Page(page) => Ok(page.answer(stream.rendition, &parts.method, &parts.headers)),
            Target::Time => Ok(clock(&parts.method)),
            Target::Poster => self.poster(stream, parts).await,
            Target::Recorded(rest) => self.recorded(stream, rest, guest, parts).await,
            Target::Flv => self.flv(stream, guest, parts).await,
            Target::File(name) => self.file(stream, name, guest, parts).await,
            Target::Bare(word) => redirect(word, parts.uri.query()),
        }
    }

    async fn admit(&self, request: AccessRequest<'_>) -> Result<Grant, Problem> {
        self.state
            .authorizer
            .authorize(request)
            .await
            .map_err(refused)
    }

    /// Gets the stream that is asked for into the hub, where others have it.
    async fn bring(&self, path: &StreamPath, target: &Target<'_>) -> Result<(), Problem> {
        let Some(upstream) = &self.state.upstream else {
            return Ok(());
        };
        let via = Via::default();
        let brought = match target {
            Target::File(name) if path.rendition == Rendition::Source && is_master(name) => {
                let brought = upstream.bring_all(&path.channel, &via).await;
                if let Ok(true) = brought {
                    self.await_master(path, name).await;
                }
                brought.map(drop)
            }
            Target::Flv | Target::File(_) => upstream.bring(path, &via).await,
            _ => Ok(()),
        };
        match brought {
            // Its files are there for a while longer.
            Err(_) if self.state.packagers.find(path).is_some() => Ok(()),
            brought => brought.map_err(refused),
        }
    }

    /// Who answers in place of this node, if anybody.
    #[cfg(feature = "edge")]
    fn edge(&self, stream: &StreamPath, target: Target<'_>) -> Option<&Edge> {
        let edge = self.state.edge.as_ref()?;
        let is_here = match target {
            Target::Poster => self.state.posters.is_some() && self.state.hub.find(stream).is_some(),
            Target::Recorded(_) => self.state.recordings.is_some(),
            _ => false,
        };
        (!is_here && edge.serves(target)).then_some(edge)
    }

    /// Gives renditions that are just coming the time to be playable: a master without them would be of the source alone.
    async fn await_master(&self, path: &StreamPath, name: &str) {
        let listed = async {
            while self.state.packagers.master(&path.channel, name).is_none() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // Then it is of the source alone.
        drop(timeout(self.state.limits.wait, listed).await);
    }

    async fn poster(&self, path: &StreamPath, parts: &Parts) -> Result<Response, Problem> {
        match (self.state.hub.find(path), &self.state.recordings) {
            (Some(stream), _) => match &self.state.posters {
                Some(posters) => poster::live(&**posters, &stream, parts).await,
                None => Err(Problem::not_found("no pictures are made here")),
            },
            (None, Some(store)) if path.rendition == Rendition::Source => {
                poster::kept(store, &path.channel, parts).await
            }
            (None, _) => Err(not_live()),
        }
    }

    async fn recorded(
        &self,
        stream: &StreamPath,
        rest: &str,
        guest: &Guest,
        parts: &Parts,
    ) -> Result<Response, Problem> {
        let store = self.state.recordings.as_ref();
        let store = store.ok_or_else(|| Problem::not_found("nothing is recorded here"))?;
        recorded::answer(store, &stream.channel, rest, guest, parts).await
    }

    async fn flv(
        &self,
        path: &StreamPath,
        guest: &Guest,
        parts: &mut Parts,
    ) -> Result<Response, Problem> {
        let State { config, limits, .. } = &self.state;
        let stream = self.state.hub.find(path).ok_or_else(not_live)?;
        if !stream.settings().borrow().flv {
            return Err(off("FLV"));
        }
        let upgrades =
            parts.method == Method::GET && parts.headers.contains_key(header::SEC_WEBSOCKET_KEY);
        if !upgrades {
            return Ok(flv::answer(&stream, config, limits, guest, parts));
        }
        match WebSocketUpgrade::from_request_parts(parts, &()).await {
            Ok(upgrade) => Ok(flv::upgrade(upgrade, &stream, config, limits, guest)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }

    async fn file(
        &self,
        path: &StreamPath,
        name: &str,
        guest: &Guest,
        parts: &Parts,
    ) -> Result<Response, Problem> {
        let reload = reload(name, parts.uri.query())?;
        let stream = self.state.hub.find(path);
        let may_grow = growing::suits(&parts.headers);
        let opened = match self.find_file(path, name, reload, may_grow).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(FileError::NotFound)) if stream.is_none() => return Err(not_live()),
            Ok(Err(error)) => return Err(missing(error)),
            Err(_) => return Err(Problem::unavailable("it is not there yet", RETRY_AFTER)),
        };
        // A viewer of a master fetches from several renditions and is one viewer of the channel.
        let source = StreamPath::source(path.channel.clone());
        let counted = self.state.hub.find(&source).or(stream);
        let note = self.note(counted, name, guest.peer, parts);
        Ok(match opened {
            Opened::Whole(file) => {
                let response = self.content(&file, guest, parts);
                note(content_length(&response));
                response
            }
            Opened::Growing(segment) => self.growing(segment, parts, note),
            Opened::Stored(stored) => {
                let response = self.stored(&stored, parts).await?;
                note(content_length(&response));
                response
            }
        })
    }

    /// A segment that has left memory.
    async fn stored(&self, stored: &Stored, parts: &Parts) -> Result<Response, Problem> {
        let opening = stored.read(Some(0..OPENING_BYTES));
        let opening = match timeout(self.state.limits.wait, opening).await {
            Ok(opening) => opening.map_err(missing)?,
            Err(_) => return Err(missing(FileError::Unavailable)),
        };
        let about = About {
            content_type: stored.content_type(),
            cache_control: self.cache_control(Cache::Immutable),
            etag: stored.etag(),
        };
        Ok(object::answer(stored.store(), opening, &about, parts))
    }

    /// Counts a viewer of `stream` by what is sent.
    fn note(
        &self,
        stream: Option<Arc<Stream>>,
        name: &str,
        peer: IpAddr,
        parts: &Parts,
    ) -> impl Fn(usize) + Send + Sync + 'static {
        // An index may be of either protocol; what is fetched next tells.
        let is_media = !is_key(name) && name != "index.m3u8";
        let stream = stream.filter(|_| parts.method == Method::GET && is_media);
        let (audience, protocol) = (Arc::clone(&self.audience), protocol(name));
        let agent = parts.headers.get(header::USER_AGENT).cloned();
        move |bytes| {
            if let Some(stream) = &stream {
                let agent = agent.as_ref().and_then(|agent| agent.to_str().ok());
                let viewer = (peer, agent.unwrap_or_default());
                audience.note(stream, protocol, viewer, bytes);
            }
        }
    }

    fn growing(
        &self,
        segment: Growing,
        parts: &Parts,
        note: impl Fn(usize) + Send + Sync + 'static,
    ) -> Response {
        let cache = self.cache_control(Cache::Immutable);
        growing::answer(segment, cache, &self.state.limits, parts, note)
    }

    /// The file, waited for as long as a request may wait.
    async fn find_file(
        &self,
        path: &StreamPath,
        name: &str,
        reload: Reload,
        may_grow: bool,
    ) -> Result<Result<Opened, FileError>, Elapsed> {
        if path.rendition == Rendition::Source
            && reload.clip.is_none()
            && let Some(master) = self.state.packagers.master(&path.channel, name)
        {
            return Ok(Ok(Opened::Whole(master)));
        }
        let limits = &self.state.limits;
        match timeout(limits.wait, self.outputs(path)).await? {
            Ok(outputs) => {
                let wait = match reload.msn {
                    Some(_) => outputs.target_duration().saturating_mul(RELOAD_TARGETS),
                    None if is_manifest(name) => limits.first_wait,
                    None => limits.wait,
                };
                timeout(wait.max(limits.wait), async {
                    match may_grow {
                        true => outputs.open(name, reload).await,
                        false => outputs.file(name, reload).await.map(Opened::Whole),
                    }
                })
                .await
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// The live window of a stream; that of a stream that has just started comes a moment after it.
    async fn outputs(&self, path: &StreamPath) -> Result<Arc<Outputs>, FileError> {
        loop {
            if let Some(outputs) = self.state.packagers.find(path) {
                return Ok(outputs);
            }
            if self.state.hub.find(path).is_none() {
                return Err(FileError::NotFound);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn content(&self, file: &File, guest: &Guest, parts: &Parts) -> Response {
        let gzip = || file.gzip();
        let manifest = matches!(file.cache, Cache::Manifest { .. });
        let content = Content {
            body: file.body.clone(),
            gzip: if manifest {
                Gzip::By(&gzip)
            } else {
                Gzip::Never
            },
            content_type: file.content_type,
            cache_control: self.cache_control(file.cache),
            etag: &file.etag,
            inherits: guest.credential.as_ref(),
        };
        content.answer(&parts.method, &parts.headers)
    }

    fn cache_control(&self, cache: Cache) -> HeaderValue {
        match cache {
            Cache::Manifest { max_age } => match max_age.as_secs() {
                0 => HeaderValue::from_static("no-cache"),
                seconds => cache_for(format_args!("{seconds}")),
            },
            Cache::Never => HeaderValue::from_static("no-store"),
            Cache::Immutable => self.immutable.clone(),
        }
    }
}

/// `Cache-Control` with this age, and what else follows.
fn cache_for(age: fmt::Arguments<'_>) -> HeaderValue {
    let text = format!("public, max-age={age}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("no-cache"))
}

/// Sends a viewer of `/<id>` to `/<id>/`, where relative addresses work.
fn redirect(word: &str, query: Option<&str>) -> Result<Response, Problem> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::from_str(&format!("{word}/{query}"))
        .map_err(|_| Problem::bad_request("the query is not one"))?;
    Ok((
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, location)],
    )
        .into_response())
}

/// The time, as DASH's `urn:mpeg:dash:utc:http-iso:2014` wants it.
fn clock(method: &Method) -> Response {
    let text = OffsetDateTime::now_utc().format(ISO).unwrap_or_default();
    let fields = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_LENGTH, HeaderValue::from(text.len())),
    ];
    match *method {
        Method::HEAD => fields.into_response(),
        _ => (fields, text).into_response(),
    }
}

fn protocol(name: &str) -> Protocol {
    match name == "live.m3u8" || name.starts_with("ts/") {
        true => Protocol::Hls,
        false => Protocol::Cmaf,
    }
}

/// How long whoever gets this counts as a viewer. Players look with HEAD what there is.
fn presence(target: Target<'_>, method: &Method) -> Presence {
    match target {
        _ if method == Method::HEAD => Presence::None,
        Target::Flv => Presence::Connected,
        Target::File(name) if is_key(name) => Presence::Key,
        Target::File(_) => Presence::Fetching,
        _ => Presence::None,
    }
}

/// A content key: no media, and asked for once in many segments.
pub(super) fn is_key(name: &str) -> bool {
    name.starts_with("key/")
}

/// What may list all renditions.
fn is_master(name: &str) -> bool {
    matches!(name, "index.m3u8" | "master.m3u8" | "manifest.mpd")
}

/// A playlist of any kind: it is not there only before it is there for good.
pub(super) fn is_manifest(name: &str) -> bool {
    name.ends_with(".m3u8") || name.ends_with(".mpd")
}

fn missing(error: FileError) -> Problem {
    match error {
        FileError::BadReload => Problem::bad_request(error.to_string()),
        FileError::NotFound
        | FileError::Disabled
        | FileError::Uncarried
        | FileError::Encrypted
        | FileError::OutsideWindow
        | FileError::Ended => Problem::not_found(error.to_string()),
        FileError::Unavailable => Problem::unavailable(error.to_string(), RETRY_AFTER),
    }
}

/// Counts a refusal and says it.
fn refused(denied: Denied) -> Problem {
    metrics::counter!("lsv_refused_total", "protocol" => "http", "reason" => denied.reason.as_str()).increment(1);
    match denied.reason {
        // Whether there is such a channel is nobody's business.
        Reason::UnknownChannel => Problem::not_found(NOT_LIVE),
        Reason::Loop => Problem::loop_detected(denied.message),
        Reason::Unavailable => Problem::unavailable(denied.message, RETRY_AFTER),
        _ => Problem::forbidden(denied.message),
    }
}

fn now() -> Moment {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment::EPOCH.plus(since_1970)
}

fn not_live() -> Problem {
    refused(Denied::new(Reason::UnknownChannel, NOT_LIVE))
}

fn off(format: &'static str) -> Problem {
    Problem::not_found(format!("{format} is turned off for this channel"))
}

fn content_length(response: &Response) -> usize {
    let value = response.headers().get(header::CONTENT_LENGTH);
    let length = value.and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

const NOT_LIVE: &str = "the channel is not live, or there is none of this name";
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Target durations that a blocking reload may wait for (RFC 8216bis §6.2.5.2).
const RELOAD_TARGETS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const ISO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
