use bytes::Bytes;

use super::*;
use crate::message::{MessageType, UserControl};

fn promises() -> Vec<Promise> {
    let promise = |transaction_id, kind| Promise {
        transaction_id,
        kind,
    };
    vec![
        promise(1.0, PromiseKind::Connected),
        promise(2.0, PromiseKind::Courtesy),
        promise(4.0, PromiseKind::Stream(1.0)),
    ]
}

fn connected(name: &str, id: f64) -> Command {
    let information = Object::new().with("code", "NetConnection.Connect.Success");
    Command::new(name, id).argument(information)
}

fn stream(id: f64, number: f64) -> Command {
    Command::new("_result", id).argument(number)
}

fn start() -> Command {
    let information = Object::new()
        .with("level", "status")
        .with("code", "NetStream.Publish.Start");
    Command::new("onStatus", 0.0).argument(information)
}

/// What a back end sends with `encoder`.
fn wire(messages: &[Message]) -> BytesMut {
    let (mut encoder, mut wire) = (chunk::Encoder::new(), BytesMut::new());
    for message in messages {
        encoder.write(message, &mut wire).unwrap();
    }
    wire
}

/// What a client understands of `output`, with the size of the last chunks.
fn heard(mut output: BytesMut) -> (Vec<Message>, usize) {
    let mut decoder = chunk::Decoder::new(&Limits::default());
    let messages = std::iter::from_fn(|| decoder.next(&mut output).unwrap()).collect();
    (messages, decoder.chunk_size())
}

#[test]
fn answers_that_the_client_has_had_are_dropped() {
    let ping = Control::UserControl(UserControl::PingRequest(5)).encode();
    let all = [
        Control::WindowAcknowledgementSize(2_500_000).encode(),
        connected("_result", 1.0).encode(0),
        Command::new("onBWDone", 0.0).encode(0),
        Command::new("_error", 2.0).encode(0),
        stream(4.0, 1.0).encode(0),
        ping,
        start().encode(1),
        // The number of an earlier call, used again by the client.
        Command::new("_result", 4.0).encode(0),
    ];
    let mut continuation = Continuation::new(Purpose::Publish, promises());
    let mut output = BytesMut::new();
    continuation.pass(&mut wire(&all), &mut output).unwrap();
    let kept: Vec<Message> = [0, 2, 5, 6, 7].map(|index| all[index].clone()).to_vec();
    assert_eq!(heard(output).0, kept);
}

#[test]
fn the_stream_that_starts_settles_what_was_never_answered() {
    let mut continuation = Continuation::new(Purpose::Publish, promises());
    let mut output = BytesMut::new();
    let late = Command::new("_result", 2.0).encode(0);
    let messages = [start().encode(1), late.clone()];
    continuation
        .pass(&mut wire(&messages), &mut output)
        .unwrap();
    assert_eq!(heard(output).0, messages);
}

#[test]
fn chunk_sizes_and_headers_become_the_clients() {
    let media = |timestamp, length: usize| Message {
        chunk_stream_id: 6,
        timestamp,
        type_id: MessageType::VIDEO,
        stream_id: 1,
        payload: Bytes::from(vec![0x27; length]),
    };
    let mut from_back_end = wire(&[
        media(0xFFFF_FFF0, 500),
        Control::SetChunkSize(60_000).encode(),
        media(0xFFFF_FFF8, 70_000),
    ]);
    // A type-1 and a type-3 header refer to what stands before; a client that lacks it would be lost.
    from_back_end.extend_from_slice(&[0x46, 0, 0, 8, 0, 0, 1, 9, 0xAA, 0xC6, 0xBB]);
    let mut whole = BytesMut::new();
    let mut continuation = Continuation::new(Purpose::Play, Vec::new());
    continuation
        .pass(&mut from_back_end.clone(), &mut whole)
        .unwrap();
    // Never less than the back end has sent, so that what it has to have acknowledged is.
    assert!(whole.len() >= from_back_end.len());
    let mut piecewise = BytesMut::new();
    let mut continuation = Continuation::new(Purpose::Play, Vec::new());
    let mut input = BytesMut::new();
    for byte in from_back_end {
        input.extend_from_slice(&[byte]);
        continuation.pass(&mut input, &mut piecewise).unwrap();
    }
    assert_eq!(piecewise, whole);
    let (messages, chunk_size) = heard(whole);
    assert_eq!(chunk_size, 60_000);
    let seen: Vec<_> = messages
        .iter()
        .map(|m| (m.timestamp, m.payload.len()))
        .collect();
    assert_eq!(
        seen,
        [(0xFFFF_FFF0, 500), (0xFFFF_FFF8, 70_000), (0, 1), (8, 1)]
    );
    assert_eq!(&messages[3].payload[..], [0xBB]);
}

#[track_caller]
fn fails(answers: &[Command], purpose: Purpose, expected: BackEndFault, code: &str) {
    let messages: Vec<Message> = answers.iter().map(|answer| answer.encode(0)).collect();
    let mut continuation = Continuation::new(purpose, promises());
    let mut output = BytesMut::new();
    let outcome = continuation.pass(&mut wire(&messages), &mut output);
    let (told, _) = heard(output);
    let told = told.last().expect("the client is told");
    assert_eq!(told.stream_id, 1);
    let status = Command::decode(told, &Limits::default()).unwrap().unwrap();
    assert!(is_level_error(&status));
    assert_eq!(text(&status, "code"), Some(code));
    assert_eq!(text(&status, "description"), Some(&*expected.to_string()));
    assert_eq!(outcome, Err(expected));
}

#[test]
fn a_back_end_that_breaks_a_promise_ends_the_session() {
    let rejected = Object::new()
        .with("code", "NetConnection.Connect.Rejected")
        .with("description", "no such application");
    fails(
        &[Command::new("_error", 1.0).argument(rejected)],
        Purpose::Publish,
        BackEndFault::Refused("no such application".to_owned()),
        "NetStream.Publish.Denied",
    );
    fails(
        &[connected("_result", 1.0), Command::new("_error", 4.0)],
        Purpose::Play,
        BackEndFault::Refused("no reason given".to_owned()),
        "NetStream.Play.Failed",
    );
    fails(
        &[connected("_result", 1.0), stream(4.0, 5.0)],
        Purpose::Publish,
        BackEndFault::StreamNumber {
            promised: 1.0,
            given: 5.0,
        },
        "NetStream.Publish.Denied",
    );
}

#[test]
fn broken_bytes_of_a_back_end_end_the_session() {
    let mut continuation = Continuation::new(Purpose::Play, Vec::new());
    let mut output = BytesMut::new();
    let mut input = BytesMut::from(&[0xC7, 0, 0][..]);
    let fault = continuation.pass(&mut input, &mut output).unwrap_err();
    assert!(matches!(fault, BackEndFault::Session(_)));
    assert_eq!(heard(output).0.len(), 1);
}
