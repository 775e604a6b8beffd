//! What a session tells its driver, and what a client said about itself.

use std::{fmt, sync::Arc};

use super::{
    media::Media,
    target::{Public, Target, app_of_url},
};
use crate::{
    Limits,
    amf0::{Object, Value},
    error::{Error, InvalidMessage, Limit},
    message::Command,
};

/// What happened on a server session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The client wants to publish. Decoding pauses until [`Server::accept_publish`](super::Server::accept_publish) or
    /// [`Server::reject_publish`](super::Server::reject_publish).
    Publish(PublishRequest),
    /// The client wants to play. Decoding pauses until [`Server::accept_play`](super::Server::accept_play) or
    /// [`Server::reject_play`](super::Server::reject_play).
    Play(PlayRequest),
    /// Audio, video, metadata or cue points of the publisher.
    Media(Media),
    /// The publisher ended its stream in order. It may publish again on the same connection.
    Unpublished,
    /// The player wants no more. It may play again on the same connection.
    PlayEnded,
}

/// A client's wish to publish.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PublishRequest {
    /// What it wants to publish as.
    pub target: Target,
    /// `live`, `record` or `append`; empty where the client says nothing. Encoders send `live`.
    pub kind: String,
    /// What the client said when it connected.
    pub connect: Arc<ConnectInfo>,
}

/// A client's wish to play.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlayRequest {
    /// What it wants to play.
    pub target: Target,
    /// The message stream that media must be sent on: 1, unless the client is of an unusual kind.
    pub stream_id: u32,
    /// What the client said when it connected.
    pub connect: Arc<ConnectInfo>,
}

/// What a client said of itself in `connect` (RTMP 1.0 §7.2.1.1, E-RTMP v2 "Enhancing NetConnection connect Command").
///
/// [`fmt::Debug`] leaves queries and unknown properties out: they may carry credentials.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ConnectInfo {
    /// Application, with its query.
    pub app: String,
    /// Address of the server as the client was given it.
    pub tc_url: Option<String>,
    /// Name and version of the client, such as `FMLE/3.0 (compatible; FMSc/1.0)`.
    pub flash_ver: Option<String>,
    /// Page that a player is embedded in.
    pub page_url: Option<String>,
    /// File of a Flash player.
    pub swf_url: Option<String>,
    /// 0 for AMF0, 3 where the client can do AMF3 too.
    pub object_encoding: f64,
    /// Codecs that the client handles, as FourCCs or `*`: its `fourCcList` and the keys of its `FourCcInfoMap`s.
    pub four_cc_list: Vec<String>,
    /// Extended capabilities of E-RTMP v2, a set of bits; 0 where the client says nothing.
    pub caps_ex: u32,
    /// All properties as they came.
    pub properties: Object,
}

impl ConnectInfo {
    pub(super) fn parse(command: &Command, limits: &Limits) -> Result<Self, Error> {
        let Some(object) = command.object.as_object() else {
            return Err(InvalidMessage::Command {
                command: "connect",
                field: "its command object",
            }
            .into());
        };
        let text = |name| {
            object
                .property(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let number = |name| {
            object
                .property(name)
                .and_then(Value::as_number)
                .unwrap_or(0.0)
        };
        let tc_url = text("tcUrl");
        let app = match text("app") {
            Some(app) if !app.is_empty() => app,
            // Some hardware encoders leave the application out and name it in the address only.
            _ => tc_url
                .as_deref()
                .map(app_of_url)
                .unwrap_or_default()
                .to_owned(),
        };
        if app.len() > limits.name_bytes {
            return Err(Limit::NameBytes(limits.name_bytes).into());
        }
        Ok(Self {
            app,
            tc_url,
            flash_ver: text("flashVer"),
            page_url: text("pageUrl"),
            swf_url: text("swfUrl"),
            object_encoding: number("objectEncoding"),
            four_cc_list: four_ccs(object),
            // A set of bits sent as a double; out of range values saturate.
            caps_ex: number("capsEx") as u32,
            properties: object.clone(),
        })
    }
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectInfo")
            .field("app", &Public(&self.app))
            .field("tc_url", &self.tc_url.as_deref().map(Public))
            .field("flash_ver", &self.flash_ver)
            .field("page_url", &self.page_url.as_deref().map(Public))
            .field("swf_url", &self.swf_url.as_deref().map(Public))
            .field("object_encoding", &self.object_encoding)
            .field("four_cc_list", &self.four_cc_list)
            .field("caps_ex", &self.caps_ex)
            .finish_non_exhaustive()
    }
}

fn four_ccs(object: &Object) -> Vec<String> {
    let list = object
        .property("fourCcList")
        .and_then(Value::as_array)
        .unwrap_or_default();
    let mut names: Vec<String> = list
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    for map in ["videoFourCcInfoMap", "audioFourCcInfoMap"] {
        let keys = object
            .property(map)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Object::iter);
        for (name, _) in keys {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Why a request is refused; the client gets the code and the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    reason: Reason,
    description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Denied,
    BadName,
    NotFound,
}

impl Reject {
    /// The client may not: `NetStream.Publish.Denied`, for a player `NetStream.Play.Failed`.
    pub fn denied(description: impl Into<String>) -> Self {
        Self {
            reason: Reason::Denied,
            description: description.into(),
        }
    }

    /// The name cannot be used, or is taken: `NetStream.Publish.BadName`, for a player
    /// `NetStream.Play.StreamNotFound`.
    pub fn bad_name(description: impl Into<String>) -> Self {
        Self {
            reason: Reason::BadName,
            description: description.into(),
        }
    }

    /// There is no such stream: `NetStream.Play.StreamNotFound`, for a publisher `NetStream.Publish.BadName`.
    pub fn not_found(description: impl Into<String>) -> Self {
        Self {
            reason: Reason::NotFound,
            description: description.into(),
        }
    }

    /// What the client is told. It must not contain a credential.
    pub fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn publish_code(&self) -> &'static str {
        match self.reason {
            Reason::Denied => "NetStream.Publish.Denied",
            Reason::BadName | Reason::NotFound => "NetStream.Publish.BadName",
        }
    }

    pub(super) fn play_code(&self) -> &'static str {
        match self.reason {
            Reason::Denied => "NetStream.Play.Failed",
            Reason::BadName | Reason::NotFound => "NetStream.Play.StreamNotFound",
        }
    }
}
