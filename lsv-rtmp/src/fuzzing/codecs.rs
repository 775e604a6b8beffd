//! The layers below the sessions: chunks, AMF, messages, handshakes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Pieces, alike, feed, feed_once, small_limits};
use crate::{
    Limits,
    amf0::{self, Decoder, Value},
    amf3, chunk,
    error::Error,
    handshake,
    message::{Aggregate, Command, Control, Message, MessageType, SET_DATA_FRAME, data_body},
};

/// Any bytes as chunks: the same messages however they are cut, within the limits, and the same
/// again after encoding.
pub fn chunk(data: &[u8]) {
    let limits = small_limits();
    let decode = |pieces: Pieces<'_>| {
        let mut decoder = chunk::Decoder::new(&limits);
        feed(pieces, |input| {
            let message = decoder.next(input);
            assert!(decoder.partial_bytes() <= limits.partial_bytes);
            message
        })
    };
    let (messages, _) = alike(data, decode);
    let mut encoder = chunk::Encoder::new();
    let mut wire = BytesMut::new();
    for message in &messages {
        encoder
            .write(message, &mut wire)
            .unwrap_or_else(|error| panic!("{message:?}: {error}"));
    }
    let roomy = Limits {
        chunk_streams: usize::MAX,
        ..Limits::default()
    };
    let mut decoder = chunk::Decoder::new(&roomy);
    let again: Vec<Message> =
        std::iter::from_fn(|| decoder.next(&mut wire).ok().flatten()).collect();
    assert_eq!(again, messages);
}

/// Any bytes as AMF0: values that are written and read back the same, or an error.
pub fn amf0(data: &[u8]) {
    let mut limits = Limits::default();
    let Ok(values) = amf0::decode_all(cut(data), &limits) else {
        return;
    };
    let mut written = BytesMut::new();
    amf0::encode_all(&values, &mut written);
    // Bytes that are not UTF-8 become longer, and may need the long form.
    limits.amf_string_bytes = usize::MAX;
    let mut decoder = Decoder::new(&written, &limits);
    for value in &values {
        let again = decoder.next();
        assert_alike(&again, &Ok::<_, Error>(Some(value.clone())));
    }
    assert!(decoder.rest().is_empty());
}

/// Any bytes as AMF3: values within the limits that AMF0 can carry, or an error.
pub fn amf3(data: &[u8]) {
    let mut limits = Limits::default();
    let Ok(values) = amf3::decode_all(cut(data), &limits) else {
        return;
    };
    let mut written = BytesMut::new();
    amf0::encode_all(&values, &mut written);
    // References do not multiply: a value takes 40 bytes at most beside its text and bytes, and those are counted.
    let most = 40 * limits.amf_values + 8 * (data.len() + limits.amf_string_bytes);
    assert!(written.len() <= most, "{} bytes", written.len());
    limits.amf_string_bytes = usize::MAX;
    let again = amf0::decode_all(&written, &limits);
    assert_alike(&again, &Ok(values));
}

/// Any bytes as the other side of a handshake, for both ends.
pub fn handshake(data: &[u8]) {
    let serve = |pieces: Pieces<'_>| {
        let mut server = handshake::Server::new([0; 32]);
        let mut output = BytesMut::new();
        let outcome = feed_once(pieces, |input| server.next(input, &mut output));
        (outcome, output)
    };
    let (_, output) = alike(data, serve);
    assert!(output.is_empty() || output.len() == 3073);
    let greet = |pieces: Pieces<'_>| {
        let mut client = handshake::Client::new([0; 32]);
        let mut output = BytesMut::new();
        let outcome = feed_once(pieces, |input| client.next(input, &mut output));
        (outcome, output)
    };
    let (_, output) = alike(data, greet);
    assert!(output.len() <= 3073);
}

/// A type and any bytes as a message: what is read from it is written and read back the same, and is not more than it.
pub fn message(data: &[u8]) {
    let Some((type_id, payload)) = cut(data).split_first() else {
        return;
    };
    let message = Message {
        chunk_stream_id: 5,
        timestamp: 1000,
        type_id: MessageType(*type_id),
        stream_id: 1,
        payload: Bytes::copy_from_slice(payload),
    };
    control(&message);
    command(&message);
    data_message(&message);
    if message.type_id == MessageType::AGGREGATE {
        aggregate(message);
    }
}

fn control(message: &Message) {
    if let Ok(Some(control)) = Control::decode(message) {
        assert_eq!(Control::decode(&control.encode()), Ok(Some(control)));
    }
}

fn command(message: &Message) {
    let mut limits = Limits::default();
    let Ok(Some(command)) = Command::decode(message, &limits) else {
        return;
    };
    (limits.amf_string_bytes, limits.command_bytes) = (usize::MAX, usize::MAX);
    let again = Command::decode(&command.encode(1), &limits);
    let fields = |command: &Command| -> Vec<Value> {
        let mut fields = vec![
            command.name.as_str().into(),
            command.transaction_id.into(),
            command.object.clone(),
        ];
        fields.extend_from_slice(&command.arguments);
        fields
    };
    let again = again.map(|again| again.as_ref().map(fields));
    assert_alike(&again, &Ok(Some(fields(&command))));
}

fn data_message(message: &Message) {
    let limits = Limits::default();
    let Ok(Some(body)) = data_body(message, &limits) else {
        return;
    };
    let wrapped = Message {
        type_id: MessageType::DATA,
        payload: [SET_DATA_FRAME, &body].concat().into(),
        ..message.clone()
    };
    assert_eq!(data_body(&wrapped, &limits), Ok(Some(body)));
}

fn aggregate(outer: Message) {
    let length = outer.payload.len();
    let start = outer.timestamp;
    let mut aggregate = Aggregate::new(outer.clone());
    let mut inside = Vec::new();
    while let Ok(Some(message)) = aggregate.next() {
        assert_ne!(message.type_id, MessageType::AGGREGATE);
        inside.push(message);
    }
    let total: usize = inside
        .iter()
        .map(|message| message.payload.len() + 11)
        .sum();
    assert!(total <= length, "{total} bytes out of {length}");
    assert!(inside.first().is_none_or(|first| first.timestamp == start));
    let mut written = BytesMut::new();
    for message in &inside {
        let [t3, t2, t1, t0] = message.timestamp.to_be_bytes();
        written.put_u8(message.type_id.0);
        written.put_uint(message.payload.len() as u64, 3);
        written.put_slice(&[t2, t1, t0, t3, 0, 0, 0]);
        written.put_slice(&message.payload);
        written.put_u32(0);
    }
    let payload = written.freeze();
    let mut again = Aggregate::new(Message { payload, ..outer });
    for message in inside {
        assert_eq!(again.next(), Ok(Some(message)));
    }
    assert_eq!(again.next(), Ok(None));
}

/// As much as surely has no name that becomes too long to be written once what is not UTF-8 in it is replaced.
fn cut(data: &[u8]) -> &[u8] {
    data.get(..0xFFFF / 3).unwrap_or(data)
}

/// Compares by text, because NaN is not equal to itself.
fn assert_alike<T: std::fmt::Debug>(left: &T, right: &T) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}
