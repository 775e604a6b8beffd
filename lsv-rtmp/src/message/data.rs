//! Data messages: metadata and cue points in AMF0 (RTMP 1.0 §7.1.2).

use bytes::Bytes;

use super::{Message, MessageType, without_format_byte};

/// The AMF0 that players are to get: without the framing of type 15 and without the `@setDataFrame` wrapper that
/// encoders put around `onMetaData`. `None` where `message` is no data message or only clears metadata.
pub fn data_body(message: &Message) -> Option<Bytes> {
    let body = match message.type_id {
        MessageType::DATA => message.payload.clone(),
        MessageType::DATA_AMF3 => without_format_byte(&message.payload),
        _ => return None,
    };
    if body.starts_with(CLEAR_DATA_FRAME) {
        return None;
    }
    Some(if body.starts_with(SET_DATA_FRAME) {
        body.slice(SET_DATA_FRAME.len()..)
    } else {
        body
    })
}

/// The AMF0 string `@setDataFrame`, which asks a server to keep what follows for later players.
pub(crate) const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// The AMF0 string `@clearDataFrame`.
const CLEAR_DATA_FRAME: &[u8] = b"\x02\x00\x0f@clearDataFrame";
