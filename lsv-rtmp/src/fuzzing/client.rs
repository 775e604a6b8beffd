//! Client sessions.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{
    Pieces, alike, feed,
    script::{Script, World},
    small_limits,
};
use crate::{
    amf0::Object,
    error::{Blame, Error},
    message::{Command, Message, MessageType},
    session::{Client, ClientConfig, ClientEvent, Media, Purpose},
};

/// Any bytes as what a server sends after its handshake: the same events however they are cut. Then the same bytes as a
/// script of what servers, callers and the clock do in any order.
pub fn client_session(data: &[u8]) {
    for purpose in [Purpose::Publish, Purpose::Play] {
        alike(data, |pieces| listen(purpose, pieces));
        drop(Play::new(purpose).act(Script(data)));
    }
}

fn listen(purpose: Purpose, pieces: Pieces<'_>) -> (Vec<ClientEvent>, Option<Error>) {
    let now = Instant::now();
    let mut config = ClientConfig::new(purpose, "h", "a", "n", [0; 32]);
    config.limits = small_limits();
    let mut client = Client::new(config, now);
    let mut hello = BytesMut::from(&[3][..]);
    hello.resize(1 + 2 * 1536, 0);
    assert_eq!(client.next(&mut hello, now), Ok(None));
    feed(pieces, |input| {
        let event = client.next(input, now);
        assert!(client.take_output().len() <= small_limits().output_bytes + ANSWER);
        event
    })
}

/// A session, and what is expected of it.
struct Play {
    client: Client,
    world: World,
    purpose: Purpose,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Opening,
    Streaming,
    Over,
}

impl Play {
    fn new(purpose: Purpose) -> Self {
        let mut world = World::new(small_limits());
        let mut config = ClientConfig::new(purpose, "h", "a", "n", [0; 32]);
        config.limits = small_limits();
        config.limits.play_idle = Some(Duration::from_secs(20));
        config.budget = Some(world.budget.clone());
        let client = Client::new(config, world.now);
        world.feed(&[3]);
        world.feed(&[0; 2 * 1536]);
        Self {
            client,
            world,
            purpose,
            state: State::Opening,
        }
    }

    /// Gives the states that the session went through.
    fn act(mut self, mut script: Script<'_>) -> Vec<State> {
        let mut states = vec![self.state];
        while !script.is_over() {
            self.step(&mut script);
            assert_eq!(self.client.is_closing(), self.state == State::Over);
            let waits = match self.state {
                State::Opening => true,
                State::Streaming => self.purpose == Purpose::Play,
                State::Over => false,
            };
            assert_eq!(self.client.timeout().is_some(), waits);
            self.world.check(self.client.position());
            if states.last() != Some(&self.state) {
                states.push(self.state);
            }
        }
        self.hear();
        let budget = self.world.budget.clone();
        drop(self);
        assert_eq!(budget.used(), 0);
        states
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.number() % 16 {
            0 => self.world.feed(script.bytes()),
            1..=4 => self.command(script),
            5 | 6 => self.world.feed_other(script),
            7 => self.world.feed_message(&GO_AWAY),
            8..=10 => self.drain(),
            11..=13 => self.send(script),
            14 => {
                self.world.pass(script.number());
                let due = self.client.timeout().is_some_and(|at| at <= self.world.now);
                let result = self.client.handle_timeout(self.world.now);
                assert_eq!(result.is_err(), due);
                if due {
                    self.state = State::Over;
                }
            }
            _ => {
                if script.number().is_multiple_of(8) {
                    let result = self.client.finish();
                    assert!(!matches!(result, Err(Error::Misuse(_))));
                    self.state = State::Over;
                }
            }
        }
    }

    /// Commands that make sense now and then.
    fn command(&mut self, script: &mut Script<'_>) {
        let id = f64::from(script.number() % 6);
        let stream_id = u32::from(script.number() % 3);
        let status = |level: &str, code: &str| {
            let information = Object::new().with("level", level).with("code", code);
            Command::new("onStatus", 0.0).argument(information)
        };
        let command = match script.number() % 12 {
            0 => Command::new("_result", 1.0).object(Object::new().with("capsEx", 3.0)),
            1 => Command::new("_result", 4.0).argument(f64::from(script.number())),
            2 => status("status", "NetStream.Publish.Start"),
            3 => status("status", "NetStream.Play.Start"),
            4 => status("status", "NetStream.Play.Stop"),
            5 => status("error", "NetStream.Publish.Denied"),
            6 => status("status", "NetConnection.Connect.ReconnectRequest"),
            7 => Command::new("_error", id),
            8 => Command::new("_result", id).argument("text"),
            9 => status("", &String::from_utf8_lossy(script.bytes())),
            10 => status("status", "NetStream.Play.PublishNotify"),
            _ => Command::new(&String::from_utf8_lossy(script.bytes()), id),
        };
        self.world.feed_command(stream_id, &command);
    }

    /// Follows the drain contract.
    fn drain(&mut self) {
        loop {
            let result = self.client.next(&mut self.world.input, self.world.now);
            let event = match result {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.blame(), Blame::Peer);
                    self.state = State::Over;
                    break;
                }
            };
            self.state = match (event, self.state) {
                (ClientEvent::Started, State::Opening) => State::Streaming,
                (ClientEvent::Refused { .. }, State::Opening | State::Streaming)
                | (ClientEvent::Ended, State::Streaming) => State::Over,
                (ClientEvent::ReconnectRequest { .. }, state) if state != State::Over => state,
                (ClientEvent::Media(_) | ClientEvent::PublishNotify { .. }, State::Streaming)
                    if self.purpose == Purpose::Play =>
                {
                    State::Streaming
                }
                (event, state) => panic!("{event:?} while {state:?}"),
            };
        }
        if self.state == State::Over {
            let before = self.world.input.len();
            let next = self.client.next(&mut self.world.input, self.world.now);
            assert_eq!((next, self.world.input.len()), (Ok(None), before));
        }
        self.hear();
    }

    /// Media is taken from a publisher while it streams, and from nobody else at no other time.
    fn send(&mut self, script: &mut Script<'_>) {
        let timestamp = u32::from(script.number()) << 18;
        let (head, body) = (script.bytes(), script.bytes());
        let result = match script.number() % 4 {
            0 => self.client.send_audio(timestamp, &[head, body]),
            1 => self
                .client
                .send_video(timestamp, &[head, &body.repeat(200)]),
            2 => self.client.send_data(timestamp, &[head, body]),
            _ => self.client.send(&Media::Video {
                timestamp,
                payload: Bytes::copy_from_slice(body),
            }),
        };
        let may = self.state == State::Streaming && self.purpose == Purpose::Publish;
        assert_eq!(!matches!(result, Err(Error::Misuse(_))), may, "{result:?}");
    }

    fn hear(&mut self) {
        let output = self.client.take_output();
        // One message more than the limit, which is at most two hundred times 255 bytes here.
        assert!(output.len() <= small_limits().output_bytes + ANSWER + 200 * 256);
        self.world.hear(&output);
        assert!(self.client.take_output().is_empty());
    }
}

/// What one call may write at most beside what waits already, media apart.
const ANSWER: usize = 4096;

const GO_AWAY: Message = Message {
    chunk_stream_id: 2,
    timestamp: 0,
    type_id: MessageType::GO_AWAY,
    stream_id: 0,
    payload: Bytes::new(),
};

/// A script that goes all the way, whether the client publishes or plays.
pub const CLIENT_SCRIPT: &[&[u8]] = &[
    // The handshake; answers to connect and createStream.
    &[8, 1, 0, 0, 0, 1, 0, 0, 1, 1, 8],
    // The stream starts, whichever it is.
    &[1, 0, 1, 2, 8, 1, 0, 1, 3, 8],
    // Media is sent, and comes.
    &[11, 9, 1, 0x17, 2, 1, 2, 1, 5, 4, 1, 1, 2, 0xAF, 1, 8],
    // Go Away, a reconnect request, a ping, a second.
    &[7, 1, 0, 0, 6, 5, 0, 8, 14, 10],
    // The stream stops; nothing more is taken.
    &[1, 0, 1, 4, 8, 11, 9, 1, 0x17, 2, 1, 2, 1, 15, 8, 14, 200],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_goes_all_the_way() {
        for purpose in [Purpose::Publish, Purpose::Play] {
            let states = Play::new(purpose).act(Script(&CLIENT_SCRIPT.concat()));
            assert_eq!(states, [State::Opening, State::Streaming, State::Over]);
        }
    }
}
