//! Data messages: metadata and cue points in AMF0 (RTMP 1.0 §7.1.2).

use bytes::{Bytes, BytesMut};

use super::{Message, MessageType, check_length};
use crate::{
    Limits,
    amf0::{self, Decoder},
    error::Error,
};

/// The AMF0 that players are to get: without the framing of type 15, without AMF3 inside, and without the
/// `@setDataFrame` wrapper that encoders put around `onMetaData`. `None` where `message` is no data message or only
/// clears metadata.
///
/// # Errors
/// Those of [`amf0::Decoder::next`] where values are in AMF3, and
/// [`Limit::CommandBytes`](crate::error::Limit::CommandBytes) in the framing of type 15. AMF0 is not looked into.
pub fn data_body(message: &Message, limits: &Limits) -> Result<Option<Bytes>, Error> {
    let body = match message.type_id {
        MessageType::DATA => message.amf(),
        MessageType::DATA_AMF3 => without_amf3(message.amf(), limits)?,
        _ => return Ok(None),
    };
    if body.starts_with(CLEAR_DATA_FRAME) {
        return Ok(None);
    }
    Ok(Some(if body.starts_with(SET_DATA_FRAME) {
        body.slice(SET_DATA_FRAME.len()..)
    } else {
        body
    }))
}

/// The same values in AMF0; `body` itself where it holds no others, or is broken before the first other one.
fn without_amf3(body: Bytes, limits: &Limits) -> Result<Bytes, Error> {
    check_length(&body, limits)?;
    let mut decoder = Decoder::new(&body, limits);
    let mut written = BytesMut::new();
    loop {
        match decoder.next() {
            Ok(Some(value)) => amf0::encode(&value, &mut written),
            Err(error) if decoder.met_amf3() => return Err(error),
            Ok(None) if decoder.met_amf3() => return Ok(written.freeze()),
            _ => break,
        }
    }
    Ok(body)
}

/// The AMF0 string `@setDataFrame`, which asks a server to keep what follows for later players.
pub(crate) const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// The AMF0 string `@clearDataFrame`.
const CLEAR_DATA_FRAME: &[u8] = b"\x02\x00\x0f@clearDataFrame";
