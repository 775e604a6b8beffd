//! What a client session is told before it begins.

use std::fmt;

use crate::{
    Budget, Limits,
    amf0::{Object, Value},
    message::Command,
    session::{
        Capabilities, ConnectInfo, PlayRequest, PublishRequest, ServerConfig, VideoFunction,
        connect::WANTS_PUBLISH_NOTIFY, target::Public,
    },
};

/// What a client connects to, and how.
///
/// [`fmt::Debug`] leaves out queries, and the properties and arguments that the caller adds: they carry credentials.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What the peer may take.
    pub limits: Limits,
    /// What all connections of the process may hold together; default none, which bounds each session alone.
    pub budget: Option<Budget>,
    /// Publish or play.
    pub purpose: Purpose,
    /// Application, such as `stream`.
    pub app: String,
    /// Name of the stream with its query, such as `cam?sign=1-a`.
    pub stream_name: String,
    /// The address up to the application, such as `rtmp://host/stream`.
    pub tc_url: String,
    /// What the client calls itself; default `FMLE/3.0 (compatible; lsv)`, whose beginning some
    /// servers look for.
    pub flash_ver: String,
    /// What the client says that it can do; default [`Capabilities::forwarder`].
    pub capabilities: Capabilities,
    /// What it says that it can do with pictures; default HDR and `VideoPacketType.Metadata`, which are passed on.
    pub video_function: VideoFunction,
    /// Further properties of `connect`, after those above; default none.
    pub properties: Object,
    /// All properties of `connect`, instead of those made from the fields above; default none. For a relay that says
    /// what its own client said: [`ConnectInfo::properties`].
    pub all_properties: Option<Object>,
    /// What follows the properties of `connect`; default nothing.
    pub arguments: Vec<Value>,
    /// What follows the stream name in `publish` or `play`; default `live` to publish, and -1000 to play: a live stream
    /// or nothing (RTMP 1.0 §7.2.2.1, in milliseconds as servers have come to expect).
    pub request_arguments: Vec<Value>,
    /// Bytes per chunk that are sent; default 60,000.
    pub chunk_size: u32,
    /// Whether to open with the digest form of the handshake, which some servers insist on before they play H.264;
    /// default the simple form. See [`handshake`](crate::handshake).
    #[cfg(feature = "digest")]
    pub digest_handshake: bool,
    /// Fills the handshake's random bytes; draw it anew for each connection.
    pub seed: [u8; 32],
}

/// What a client wants of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Send it.
    Publish,
    /// Receive it.
    Play,
}

impl ClientConfig {
    /// The defaults, for the stream `stream_name` of the application `app` on `host` (with its port
    /// where that is not 1935).
    pub fn new(purpose: Purpose, host: &str, app: &str, stream_name: &str, seed: [u8; 32]) -> Self {
        Self {
            limits: Limits::default(),
            budget: None,
            purpose,
            app: app.to_owned(),
            stream_name: stream_name.to_owned(),
            tc_url: format!("rtmp://{host}/{app}"),
            flash_ver: "FMLE/3.0 (compatible; lsv)".to_owned(),
            capabilities: Capabilities::forwarder(),
            video_function: VideoFunction::HDR | VideoFunction::PACKET_TYPE_METADATA,
            properties: Object::new(),
            all_properties: None,
            arguments: Vec::new(),
            request_arguments: match purpose {
                Purpose::Publish => vec!["live".into()],
                Purpose::Play => vec![LIVE.into()],
            },
            chunk_size: ServerConfig::CHUNK_SIZE,
            #[cfg(feature = "digest")]
            digest_handshake: false,
            seed,
        }
    }

    /// Asks a server for just what a client asked this side for, every field in its order and as it was, but for text
    /// that is not UTF-8 and the class of the command object: [`PublishRequest::raw`] and [`ConnectInfo::raw`] have both.
    pub fn forward_publish(request: &PublishRequest, seed: [u8; 32]) -> Self {
        Self::forward(Purpose::Publish, &request.connect, &request.command, seed)
    }

    /// The same for a player.
    pub fn forward_play(request: &PlayRequest, seed: [u8; 32]) -> Self {
        Self::forward(Purpose::Play, &request.connect, &request.command, seed)
    }

    fn forward(purpose: Purpose, connect: &ConnectInfo, command: &Command, seed: [u8; 32]) -> Self {
        let stream_name = command.arguments.first().and_then(Value::as_str);
        Self {
            tc_url: connect.tc_url.clone().unwrap_or_default(),
            capabilities: connect.capabilities.clone(),
            video_function: connect.video_function,
            all_properties: Some(connect.properties.clone()),
            arguments: connect.arguments.clone(),
            request_arguments: command.arguments.get(1..).unwrap_or_default().to_vec(),
            ..Self::new(
                purpose,
                "",
                &connect.app,
                stream_name.unwrap_or_default(),
                seed,
            )
        }
    }

    /// `connect` (RTMP 1.0 §7.2.1.1).
    pub(super) fn connect(&self, transaction_id: f64) -> Command {
        let object = match &self.all_properties {
            Some(all) => all.clone(),
            None => Object::new()
                .with("app", self.app.as_str())
                .with("type", "nonprivate")
                .with("supportsGoAway", true)
                .with("flashVer", self.flash_ver.as_str())
                .with("tcUrl", self.tc_url.as_str())
                .with("videoFunction", f64::from(self.video_function.0))
                .and(&self.capabilities.properties())
                .and(&self.wishes())
                .and(&self.properties),
        };
        Command {
            arguments: self.arguments.clone(),
            ..Command::new("connect", transaction_id).object(object)
        }
    }

    /// What a player wants that no paper has a name for.
    fn wishes(&self) -> Object {
        match self.purpose {
            Purpose::Publish => Object::new(),
            Purpose::Play => Object::new().with(WANTS_PUBLISH_NOTIFY, true),
        }
    }

    /// `publish` or `play` (RTMP 1.0 §7.2.2.6, §7.2.2.1).
    pub(super) fn request(&self, transaction_id: f64) -> Command {
        let name = match self.purpose {
            Purpose::Publish => "publish",
            Purpose::Play => "play",
        };
        let mut command = Command::new(name, transaction_id).argument(self.stream_name.as_str());
        command.arguments.extend_from_slice(&self.request_arguments);
        command
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("purpose", &self.purpose)
            .field("tc_url", &Public(&self.tc_url))
            .field("stream_name", &Public(&self.stream_name))
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// `play`'s start for a stream that is live or nothing, in milliseconds.
const LIVE: f64 = -1000.0;
