//! Server sessions.

use std::time::Instant;

use bytes::BytesMut;

use super::{
    Pieces, alike, feed,
    script::{Script, World},
    small_limits,
};
use crate::{
    amf0::{Object, Value},
    error::{Blame, Error},
    message::Command,
    session::{Event, Reject, Server, ServerConfig},
};

/// Any bytes as what a client sends after its handshake, every request accepted: the same events however they are cut,
/// and memory within the limits. Then the same bytes as a script of what clients, callers and the clock do in any order.
pub fn server_session(data: &[u8]) {
    alike(data, serve);
    drop(Play::new().act(Script(data)));
}

fn serve(pieces: Pieces<'_>) -> (Vec<Event>, Option<Error>) {
    let now = Instant::now();
    let mut config = ServerConfig::new([0; 32]);
    config.limits = small_limits();
    let mut server = Server::new(config, now);
    let mut hello = BytesMut::from(&[3][..]);
    hello.resize(1 + 2 * 1536, 0);
    assert_eq!(server.next(&mut hello, now), Ok(None));
    feed(pieces, |input| {
        let event = server.next(input, now);
        match &event {
            Ok(Some(Event::Publish(_))) => server.accept_publish(now)?,
            Ok(Some(Event::Play(_))) => server.accept_play()?,
            _ => {}
        }
        assert!(server.take_output().len() <= small_limits().output_bytes + ANSWER);
        event
    })
}

/// A session, and what is expected of it.
struct Play {
    server: Server,
    world: World,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open,
    PublishAsked,
    Publishing,
    PlayAsked,
    Playing,
    Closed,
}

impl Play {
    fn new() -> Self {
        let mut world = World::new(small_limits());
        let mut config = ServerConfig::new([0; 32]);
        config.limits = small_limits();
        config.budget = Some(world.budget.clone());
        let server = Server::new(config, world.now);
        world.feed(&[3]);
        world.feed(&[0; 2 * 1536]);
        Self {
            server,
            world,
            state: State::Open,
        }
    }

    /// Gives the states that the session went through.
    fn act(mut self, mut script: Script<'_>) -> Vec<State> {
        let mut states = vec![self.state];
        while !script.is_over() {
            self.step(&mut script);
            assert_eq!(self.server.is_closing(), self.state == State::Closed);
            let waits = matches!(self.state, State::Open | State::Publishing);
            assert_eq!(self.server.timeout().is_some(), waits);
            self.world.check(self.server.position());
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
        let now = self.world.now;
        match script.number() % 16 {
            0 => self.world.feed(script.bytes()),
            1..=3 => self.command(script),
            4 | 5 => self.world.feed_other(script),
            6 | 7 => self.drain(),
            8 => {
                let result = self.server.accept_publish(now);
                self.answered(result, State::PublishAsked, State::Publishing);
            }
            9 => {
                let result = self.server.accept_play();
                self.answered(result, State::PlayAsked, State::Playing);
            }
            10 => {
                let reject = Reject::denied("no");
                let (result, asked) = match script.number() % 2 {
                    0 => (self.server.reject_publish(&reject), State::PublishAsked),
                    _ => (self.server.reject_play(&reject), State::PlayAsked),
                };
                self.answered(result, asked, State::Closed);
            }
            11 => {
                let result = self.server.end_play(now);
                self.answered(result, State::Playing, State::Open);
            }
            12 => {
                let result = self.server.close_publish("over");
                self.answered(result, State::Publishing, State::Closed);
            }
            13 => {
                let address = script
                    .number()
                    .is_multiple_of(2)
                    .then_some("rtmp://other/app");
                let asked = self.server.request_reconnect(address, "go");
                assert!(asked != Ok(true) || self.state != State::Closed);
                self.settle(asked.map(drop));
            }
            14 => self.wait(script.number()),
            _ => {
                let name = String::from_utf8_lossy(script.bytes()).into_owned();
                let properties = Object::new().with("details", name);
                self.server.set_status_properties(properties);
                let told = self.server.notify_publish(7);
                assert_eq!(told.is_ok(), self.state == State::Playing, "{told:?}");
                self.settle(told.map(drop));
            }
        }
    }

    /// Commands that make sense now and then.
    fn command(&mut self, script: &mut Script<'_>) {
        let id = f64::from(script.number() % 4);
        let stream_id = u32::from(script.number() % 3);
        let argument = Value::from(f64::from(script.number() % 3));
        let command = match script.number() % 12 {
            0 | 1 => {
                let object = Object::new()
                    .with("app", "stream")
                    .with("capsEx", f64::from(script.number()))
                    .with("supportsGoAway", true)
                    .with("wantsPublishNotify", true);
                Command::new("connect", id).object(object)
            }
            2 => Command::new("createStream", id),
            3 | 4 => Command::new("publish", id).argument("cam"),
            5 | 6 => Command::new("play", id).argument("cam").argument(argument),
            7 => Command::new("FCPublish", id).argument("cam"),
            8 => Command::new("FCUnpublish", id),
            9 => Command::new("deleteStream", id).argument(argument),
            10 => Command::new("closeStream", id),
            _ => Command::new(&String::from_utf8_lossy(script.bytes()), id),
        };
        self.world.feed_command(stream_id, &command);
    }

    /// Follows the drain contract.
    fn drain(&mut self) {
        loop {
            let before = self.world.input.len();
            let result = self.server.next(&mut self.world.input, self.world.now);
            let event = match result {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    self.settle(Err(error));
                    break;
                }
            };
            let waits = matches!(self.state, State::Open | State::Publishing | State::Playing);
            assert!(waits && self.world.input.len() < before, "{event:?}");
            self.state = match (event, self.state) {
                (Event::Publish(_), State::Open) => State::PublishAsked,
                (Event::Play(_), State::Open) => State::PlayAsked,
                (Event::Media(_), State::Publishing) => State::Publishing,
                (Event::Unpublished, State::Publishing) => State::Open,
                (Event::PlayEnded, State::Playing) => State::Open,
                (event, state) => panic!("{event:?} while {state:?}"),
            };
        }
        if let State::PublishAsked | State::PlayAsked | State::Closed = self.state {
            let before = self.world.input.len();
            let next = self.server.next(&mut self.world.input, self.world.now);
            assert_eq!((next, self.world.input.len()), (Ok(None), before));
        }
        self.hear();
    }

    /// An answer is right in one state and misuse, without consequence, in all others.
    fn answered(&mut self, result: Result<(), Error>, right: State, then: State) {
        if self.state == right {
            self.state = then;
            assert!(!matches!(result, Err(Error::Misuse(_))), "{result:?}");
        } else {
            assert!(matches!(result, Err(Error::Misuse(_))), "{result:?}");
        }
        self.settle(result);
    }

    fn settle(&mut self, result: Result<(), Error>) {
        if result.is_err_and(|error| error.blame() == Blame::Peer) {
            self.state = State::Closed;
        }
    }

    fn wait(&mut self, tenths: u8) {
        self.world.pass(tenths);
        let due = self.server.timeout().is_some_and(|at| at <= self.world.now);
        let result = self.server.handle_timeout(self.world.now);
        assert_eq!(result.is_err(), due);
        self.settle(result);
    }

    fn hear(&mut self) {
        let output = self.server.take_output();
        assert!(output.len() <= small_limits().output_bytes + ANSWER);
        self.world.hear(&output);
        assert!(self.server.take_output().is_empty());
    }
}

/// What one call may write at most beside what waits already.
const ANSWER: usize = 4096;

/// A script that goes all the way: a client that publishes, plays, and publishes again.
pub const SERVER_SCRIPT: &[&[u8]] = &[
    // connect, createStream, FCPublish, publish.
    &[
        1, 1, 0, 0, 0, 5, 6, 1, 2, 0, 0, 2, 1, 3, 0, 0, 7, 1, 1, 1, 0, 3, 6,
    ],
    // accept_play, which is wrong, and accept_publish.
    &[9, 8],
    // An audio message, an aggregate with another one, a ping.
    &[4, 4, 1, 2, 3, 0xAF, 1, 0x21],
    &[
        4, 7, 1, 0, 16, 8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 12,
    ],
    &[4, 0, 6],
    // A reconnect request, a second, FCUnpublish.
    &[13, 1, 14, 10, 1, 1, 0, 0, 8, 6],
    // play, accepted and ended with a property of our own.
    &[1, 1, 1, 1, 5, 6, 9, 15, 2, b'a', b'b', 11],
    // publish, accepted and closed; then much later.
    &[1, 1, 1, 0, 3, 6, 8, 12, 6, 14, 200],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_goes_all_the_way() {
        use State::{Closed, Open, PlayAsked, Playing, PublishAsked, Publishing};
        let states = Play::new().act(Script(&SERVER_SCRIPT.concat()));
        let first = [Open, PublishAsked, Publishing, Open, PlayAsked, Playing];
        let second = [Open, PublishAsked, Publishing, Closed];
        // Accepting takes one step, and what is between is seen.
        assert_eq!(states, [&first[..], &second].concat());
    }
}
