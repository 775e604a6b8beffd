//! The commands that a server answers with, as encoders and players have come to expect them.

use super::{connect::ConnectInfo, server::ServerConfig};
use crate::{
    amf0::{Object, Value},
    message::Command,
};

/// `_result` of `connect` (RTMP 1.0 §7.2.1.1).
pub(super) fn connected(
    transaction_id: f64,
    connect: &ConnectInfo,
    config: &ServerConfig,
) -> Command {
    let properties = Object::new()
        .with("fmsVer", FMS_VERSION)
        .with("capabilities", CAPABILITIES)
        .with("mode", 1.0)
        .and(&config.connect_properties);
    // Capabilities beside objectEncoding, because this object is the one that a player's script gets to see.
    let information = information(
        "status",
        "NetConnection.Connect.Success",
        "Connection succeeded.",
    )
    .with("objectEncoding", connect.object_encoding)
    .and(&config.capabilities.properties())
    .and(&config.connect_information);
    Command::new("_result", transaction_id)
        .object(properties)
        .argument(information)
}

/// `_result` of a command that answers with one value.
pub(super) fn result(transaction_id: f64, value: impl Into<Value>) -> Command {
    Command::new("_result", transaction_id).argument(value)
}

/// `onStatus` of a message stream (RTMP 1.0 §7.2.2), or of the connection.
pub(super) fn on_status(level: &str, code: &str, description: &str, further: &Object) -> Command {
    let information = information(level, code, description).and(further);
    Command::new("onStatus", 0.0).argument(information)
}

/// `onFCPublish` and its relatives: what Flash Media Live Encoder and its imitators wait for.
pub(super) fn on_fc(name: &str, code: &str, description: &str) -> Command {
    Command::new(name, 0.0).argument(information("status", code, description))
}

fn information(level: &str, code: &str, description: &str) -> Object {
    Object::new()
        .with("level", level)
        .with("code", code)
        .with("description", description)
}

/// What players are told where another publisher begins; Flash Media Server, Wowza and nginx-rtmp say it too.
pub(super) const PUBLISH_NOTIFY: &str = "NetStream.Play.PublishNotify";

/// A version that clients compare with to know whether H.264 and AAC are understood.
const FMS_VERSION: &str = "FMS/3,5,7,7009";

/// The set of abilities that Flash Media Server of that version reports.
const CAPABILITIES: f64 = 31.0;
