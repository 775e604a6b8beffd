//! A small RTMP client of the tests' own, so that the server is not judged by the code it is made of; it sends whatever
//! it is told to.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use rml_amf0::{Amf0Value, deserialize, serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// Message types (RTMP 1.0 §5.4, §7.1).
pub mod kind {
    /// Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Audio.
    pub const AUDIO: u8 = 8;
    /// Video.
    pub const VIDEO: u8 = 9;
    /// Data in AMF0.
    pub const DATA: u8 = 18;
    /// Command in AMF0.
    pub const COMMAND: u8 = 20;
}

/// A connection past its handshake.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    unread: Vec<u8>,
    chunk_size: usize,
    chunk_streams: BTreeMap<u32, ChunkStream>,
    statuses: Vec<String>,
    page: Option<String>,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its type, one of [`kind`].
    pub kind: u8,
    /// Milliseconds.
    pub timestamp: u32,
    /// Its body.
    pub payload: Vec<u8>,
}

/// Why a server would not let somebody publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code, such as `NetStream.Publish.Denied`; empty when the connection was closed without a word.
    pub code: String,
    /// What it says to people.
    pub description: String,
}

#[derive(Debug, Default)]
struct ChunkStream {
    kind: u8,
    timestamp: u32,
    delta: u32,
    length: usize,
    extended: bool,
    payload: Vec<u8>,
}

/// Performs the simple handshake (RTMP 1.0 §5.2).
///
/// # Errors
/// As the socket has it.
pub async fn handshake(socket: &mut TcpStream) -> io::Result<()> {
    let mut c0_c1 = vec![0x5A; 1 + HANDSHAKE];
    c0_c1[0] = 3;
    // The client's time and four zero bytes.
    c0_c1[1..9].fill(0);
    socket.write_all(&c0_c1).await?;
    let mut answer = vec![0; 1 + 2 * HANDSHAKE];
    socket.read_exact(&mut answer).await?;
    // C2 echoes S1.
    socket.write_all(&answer[1..=HANDSHAKE]).await
}

impl Client {
    /// Connects to `host:port` and performs the handshake.
    ///
    /// # Panics
    /// If the server does not go along.
    pub async fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a listener")).await
    }

    /// As [`Client::connect`], to a server that may not be there.
    ///
    /// # Errors
    /// As the socket has it.
    pub async fn try_connect(address: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        timeout(PATIENCE, handshake(&mut socket)).await??;
        Ok(Self::past_handshake(socket))
    }

    /// Performs the handshake on a connection.
    ///
    /// # Panics
    /// If the server does not go along.
    pub async fn over(mut socket: TcpStream) -> Self {
        let shaken = timeout(PATIENCE, handshake(&mut socket)).await;
        shaken.expect("a handshake in time").expect("a handshake");
        Self::past_handshake(socket)
    }

    fn past_handshake(socket: TcpStream) -> Self {
        Self {
            socket,
            unread: Vec::new(),
            chunk_size: 128,
            chunk_streams: BTreeMap::new(),
            statuses: Vec::new(),
            page: None,
        }
    }

    /// Says from here on that it is embedded in a page.
    pub fn comes_from(&mut self, page: &str) {
        self.page = Some(page.to_owned());
    }

    /// Asks to publish a stream key under `/stream`.
    ///
    /// # Errors
    /// What the server says when it refuses.
    pub async fn publish(&mut self, key: &str) -> Result<(), Refusal> {
        self.create_stream(HashMap::new()).await?;
        let publish = ["publish", "", key, "live"];
        let mut values: Vec<Amf0Value> = publish.map(text).to_vec();
        values[1] = number(3.0);
        values.insert(2, Amf0Value::Null);
        self.command(1, values).await?;
        self.answer_of("onStatus").await
    }

    /// Asks to play a stream under `/stream`, as a client that says it understands all of Enhanced RTMP v2.
    ///
    /// # Errors
    /// What the server says when it refuses.
    pub async fn play(&mut self, name: &str) -> Result<(), Refusal> {
        let any = vec![text("*")];
        let capabilities = [
            ("fourCcList", Amf0Value::StrictArray(any)),
            ("capsEx", number(ALL_OF_CAPS_EX)),
        ];
        let capabilities = capabilities.map(|(name, value)| (name.to_owned(), value));
        self.create_stream(HashMap::from(capabilities)).await?;
        let play = [text("play"), number(3.0), Amf0Value::Null, text(name)];
        self.command(1, play.to_vec()).await?;
        self.answer_of("onStatus").await
    }

    /// The codes of all statuses that came so far.
    #[must_use]
    pub fn statuses(&self) -> &[String] {
        &self.statuses
    }

    /// Sends a message on chunk stream 3.
    ///
    /// # Errors
    /// As the socket has it.
    pub async fn send(&mut self, kind: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut bytes = header(kind, stream, payload.len());
        for (index, chunk) in payload.chunks(128).enumerate() {
            if index > 0 {
                bytes.push(0xC3);
            }
            bytes.extend_from_slice(chunk);
        }
        self.send_bytes(&bytes).await
    }

    /// Sends only the head of a message that is to have `length` bytes.
    ///
    /// # Errors
    /// As the socket has it.
    pub async fn announce(&mut self, kind: u8, stream: u32, length: usize) -> io::Result<()> {
        self.send_bytes(&header(kind, stream, length)).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// As the socket has it.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// The next message, or none when the server has closed the connection.
    ///
    /// # Panics
    /// If neither comes in time.
    pub async fn receive(&mut self) -> Option<Message> {
        loop {
            while let Some((used, message)) = self.next_chunk() {
                self.unread.drain(..used);
                if let Some(message) = message {
                    self.note(&message);
                    return Some(message);
                }
            }
            let mut piece = [0; 16 * 1024];
            let read = timeout(PATIENCE, self.socket.read(&mut piece)).await;
            match read.expect("the server answers or closes in time") {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.unread.extend_from_slice(&piece[..length]),
            }
        }
    }

    /// Reads until the server closes.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn closed(&mut self) {
        let drained = timeout(PATIENCE, async { while self.receive().await.is_some() {} });
        drained.await.expect("the server closes the connection");
    }

    async fn create_stream(
        &mut self,
        mut properties: HashMap<String, Amf0Value>,
    ) -> Result<(), Refusal> {
        for (name, value) in [
            ("app", "stream"),
            ("type", "nonprivate"),
            ("tcUrl", "rtmp://localhost/stream"),
        ] {
            properties.insert(name.to_owned(), text(value));
        }
        if let Some(page) = &self.page {
            properties.insert("pageUrl".to_owned(), text(page));
        }
        let connect = [text("connect"), number(1.0), Amf0Value::Object(properties)];
        self.command(0, connect.to_vec()).await?;
        self.answer_of("_result").await?;
        let create = [text("createStream"), number(2.0), Amf0Value::Null];
        self.command(0, create.to_vec()).await?;
        self.answer_of("_result").await
    }

    async fn command(&mut self, stream: u32, values: Vec<Amf0Value>) -> Result<(), Refusal> {
        let payload = serialize(&values).expect("plain values");
        self.send(kind::COMMAND, stream, &payload)
            .await
            .map_err(|_| Refusal::silent())
    }

    async fn answer_of(&mut self, name: &str) -> Result<(), Refusal> {
        while let Some(message) = self.receive().await {
            let values = command_values(&message);
            let Some(Amf0Value::Utf8String(got)) = values.first() else {
                continue;
            };
            let refused =
                got == "_error" || matches!(property(&values, "level").as_deref(), Some("error"));
            if refused {
                return Err(Refusal {
                    code: property(&values, "code").unwrap_or_default(),
                    description: property(&values, "description").unwrap_or_default(),
                });
            }
            if got == name {
                return Ok(());
            }
        }
        Err(Refusal::silent())
    }

    fn note(&mut self, message: &Message) {
        match message.kind {
            kind::SET_CHUNK_SIZE => {
                let size = message.payload.first_chunk().expect("four bytes");
                self.chunk_size = u32::from_be_bytes(*size) as usize;
            }
            kind::COMMAND => {
                if let Some(code) = property(&command_values(message), "code") {
                    self.statuses.push(code);
                }
            }
            _ => {}
        }
    }

    /// One chunk (RTMP 1.0 §5.3.1), if it is there whole: its length and the message that it completes.
    fn next_chunk(&mut self) -> Option<(usize, Option<Message>)> {
        let mut rest = self.unread.as_slice();
        let first = take(&mut rest, 1)?[0];
        let id = match first & 0x3F {
            0 => 64 + u32::from(take(&mut rest, 1)?[0]),
            1 => 64 + u32::from(u16::from_le_bytes(take(&mut rest, 2)?.try_into().ok()?)),
            id => u32::from(id),
        };
        let fresh = ChunkStream::default();
        let known = self.chunk_streams.get(&id).unwrap_or(&fresh);
        let (mut kind, mut length, mut extended) = (known.kind, known.length, known.extended);
        let (form, mut time) = (first >> 6, known.delta);
        if form < 3 {
            let field = take(&mut rest, 3)?;
            time = u32::from_be_bytes([0, field[0], field[1], field[2]]);
            extended = field == [0xFF; 3];
        }
        if form < 2 {
            let field = take(&mut rest, 4)?;
            length = u32::from_be_bytes([0, field[0], field[1], field[2]]) as usize;
            kind = field[3];
        }
        if form == 0 {
            take(&mut rest, 4)?;
        }
        if extended {
            time = u32::from_be_bytes(take(&mut rest, 4)?.try_into().ok()?);
        }
        let timestamp = match (form, known.payload.is_empty()) {
            (0, _) => time,
            (_, true) => known.timestamp.wrapping_add(time),
            (_, false) => known.timestamp,
        };
        let missing = length - known.payload.len();
        let piece = take(&mut rest, missing.min(self.chunk_size))?;
        let used = self.unread.len() - rest.len();
        let state = self.chunk_streams.entry(id).or_default();
        (state.timestamp, state.delta) = (timestamp, time);
        state.payload.extend_from_slice(piece);
        (state.kind, state.length, state.extended) = (kind, length, extended);
        let whole = state.payload.len() == length;
        let message = whole.then(|| Message {
            kind,
            timestamp,
            payload: std::mem::take(&mut state.payload),
        });
        Some((used, message))
    }
}

impl Refusal {
    fn silent() -> Self {
        Self {
            code: String::new(),
            description: "closed without a word".to_owned(),
        }
    }
}

/// Host with port, and stream name, of an address under `/stream`.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("rtmp://").expect("an RTMP address");
    rest.split_once("/stream/").expect("the application stream")
}

/// A type-0 chunk header on chunk stream 3 with timestamp 0.
fn header(kind: u8, stream: u32, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("a length of 24 bits");
    let mut bytes = vec![3, 0, 0, 0];
    bytes.extend_from_slice(&length.to_be_bytes()[1..]);
    bytes.push(kind);
    bytes.extend_from_slice(&stream.to_le_bytes());
    bytes
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn command_values(message: &Message) -> Vec<Amf0Value> {
    if message.kind != kind::COMMAND {
        return Vec::new();
    }
    deserialize(&mut message.payload.as_slice()).expect("AMF0 from the server")
}

/// A text property of the last object in a command.
fn property(values: &[Amf0Value], name: &str) -> Option<String> {
    let object = values.iter().rev().find_map(|value| match value {
        Amf0Value::Object(properties) => Some(properties),
        _ => None,
    })?;
    object.get(name)?.clone().get_string()
}

fn text(value: &str) -> Amf0Value {
    Amf0Value::Utf8String(value.to_owned())
}

fn number(value: f64) -> Amf0Value {
    Amf0Value::Number(value)
}

/// Reconnect, multitrack, ModEx and timestamps in nanoseconds (E-RTMP v2 "Enhancing NetConnection connect Command").
const ALL_OF_CAPS_EX: f64 = 15.0;

/// Length of C1, C2, S1 and S2 (RTMP 1.0 §5.2.3).
const HANDSHAKE: usize = 1536;
