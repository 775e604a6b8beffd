//! What the ends of a connection say of themselves in `connect` and its answer (RTMP 1.0 §7.2.1.1).

use std::fmt;

use bytes::Bytes;

use super::{
    capabilities::{Capabilities, VideoFunction},
    target::{Public, app_of_url},
};
use crate::{
    Limits,
    amf0::{Object, Value},
    error::{Error, InvalidMessage, Limit},
    message::Command,
};

/// What a client said of itself in `connect`.
///
/// [`fmt::Debug`] leaves queries, unknown properties and arguments out: they may carry credentials.
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
    /// What the client can do beyond RTMP 1.0.
    pub capabilities: Capabilities,
    /// What it can do with pictures.
    pub video_function: VideoFunction,
    /// Whether it connects again when it is told to go away, as OBS does (Facebook, *RTMP Go Away*).
    pub supports_go_away: bool,
    /// Whether a player wants to be told where its stream does not go on from what came before:
    /// [`Server::notify_publish`](super::Server::notify_publish).
    pub wants_publish_notify: bool,
    /// All properties as they came, in order, those above among them.
    pub properties: Object,
    /// What followed the properties: the "optional user arguments", where some clients put a name and a password.
    pub arguments: Vec<Value>,
    /// The AMF of the whole command, byte for byte as it came; at most
    /// [`Limits::command_bytes`](crate::Limits::command_bytes). Text that is not UTF-8, the transaction and the class of
    /// the command object are to be had from it.
    pub raw: Bytes,
}

impl ConnectInfo {
    pub(super) fn parse(command: Command, raw: Bytes, limits: &Limits) -> Result<Self, Error> {
        let (Value::Object(properties)
        | Value::EcmaArray(properties)
        | Value::TypedObject {
            object: properties, ..
        }) = command.object
        else {
            return Err(InvalidMessage::Command {
                command: "connect",
                field: "its command object",
            }
            .into());
        };
        let tc_url = text(&properties, "tcUrl");
        let app = match text(&properties, "app") {
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
            flash_ver: text(&properties, "flashVer"),
            page_url: text(&properties, "pageUrl"),
            swf_url: text(&properties, "swfUrl"),
            object_encoding: object_encoding(&properties),
            capabilities: Capabilities::of(&properties),
            video_function: VideoFunction::of(&properties),
            supports_go_away: properties.property("supportsGoAway").is_some_and(is_true),
            wants_publish_notify: properties
                .property(WANTS_PUBLISH_NOTIFY)
                .is_some_and(is_true),
            properties,
            arguments: command.arguments,
            raw,
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
            .field("capabilities", &self.capabilities)
            .field("video_function", &self.video_function)
            .field("supports_go_away", &self.supports_go_away)
            .field("wants_publish_notify", &self.wants_publish_notify)
            .finish_non_exhaustive()
    }
}

/// What a server said of itself when it let a client connect.
///
/// [`fmt::Debug`] leaves unknown properties out: they may carry credentials.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Name and version of the server, such as `FMS/3,5,7,7009`.
    pub fms_ver: Option<String>,
    /// 0 for AMF0, 3 where the server can do AMF3 too.
    pub object_encoding: f64,
    /// What the server can do beyond RTMP 1.0.
    pub capabilities: Capabilities,
    /// The properties of the answer as they came, in order.
    pub properties: Object,
    /// What followed them: first the information object, with its `code` and `description`.
    pub arguments: Vec<Value>,
}

impl ServerInfo {
    pub(super) fn parse(command: Command) -> Self {
        let properties = command.object.as_object().cloned().unwrap_or_default();
        let information = command.arguments.first().and_then(Value::as_object);
        // E-RTMP v2 leaves open in which of the two objects servers say it.
        let mut capabilities = Capabilities::of(&properties);
        if capabilities == Capabilities::default()
            && let Some(information) = information
        {
            capabilities = Capabilities::of(information);
        }
        Self {
            fms_ver: text(&properties, "fmsVer"),
            object_encoding: information.map(object_encoding).unwrap_or_default(),
            capabilities,
            properties,
            arguments: command.arguments,
        }
    }
}

impl fmt::Debug for ServerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerInfo")
            .field("fms_ver", &self.fms_ver)
            .field("object_encoding", &self.object_encoding)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

fn text(object: &Object, name: &str) -> Option<String> {
    object
        .property(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// What a player says in `connect` that wants [`ConnectInfo::wants_publish_notify`]: a name of this library's own.
pub(super) const WANTS_PUBLISH_NOTIFY: &str = "wantsPublishNotify";

/// OBS writes a truth value, the paper has a number.
fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_number().is_some_and(|number| number != 0.0)
}

fn object_encoding(object: &Object) -> f64 {
    let number = object.property("objectEncoding").and_then(Value::as_number);
    number.unwrap_or_default()
}
