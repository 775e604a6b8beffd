//! The handshake: three packets each way that open a connection (RTMP 1.0 §5.2).
//!
//! Two forms are spoken. The *simple* one is the standard's. The *digest* one is what Flash Player 9 and later do, and
//! FFmpeg, librtmp and hardware encoders after them: C1 and S1 hide an HMAC-SHA256 keyed with a well-known constant,
//! C2 and S2 end with one over the other's digest. It proves nothing about the peer; some clients play H.264 only after
//! it, so the server answers in the form that the client chose. It needs the feature `digest`; without it the simple form
//! is the answer to both.
//!
//! Nothing here draws random numbers: the caller gives 32 bytes that differ per connection.

#[cfg(feature = "digest")]
mod digest;

use bytes::{Buf, BufMut, BytesMut};

use crate::error::{Error, PeerMisbehaved, Unsupported};

/// C1, S1, C2 or S2.
type Packet = [u8; PACKET];

/// The server's half of a handshake.
#[derive(Debug)]
pub struct Server {
    seed: [u8; 32],
    stage: ServerStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerStage {
    /// Waits for C0 and C1.
    Hello,
    /// Waits for C2.
    Echo,
    Done,
}

impl Server {
    /// Waits for a client's first byte. `seed` fills what the standard calls random data; it need not be secret.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            stage: ServerStage::Hello,
        }
    }

    /// Takes what it can from `input`, appends answers to `output`; true once the client's part is complete. Bytes that
    /// follow the handshake stay in `input`.
    ///
    /// # Errors
    /// [`PeerMisbehaved::NotRtmp`] and [`Unsupported::Version`], both on the very first byte.
    pub fn next(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<bool, Error> {
        if self.stage == ServerStage::Hello {
            if let Some(version) = input.first() {
                check_version(*version)?;
            }
            let Some((_, c1)) = input.split_first_chunk::<1>() else {
                return Ok(false);
            };
            let Some(c1) = c1.first_chunk::<PACKET>() else {
                return Ok(false);
            };
            output.put_u8(VERSION);
            self.answer(c1, output);
            input.advance(1 + PACKET);
            self.stage = ServerStage::Echo;
        }
        // C2 is not compared: some clients fill it with zeros, and it protects nothing.
        if self.stage == ServerStage::Echo && input.len() >= PACKET {
            input.advance(PACKET);
            self.stage = ServerStage::Done;
        }
        Ok(self.stage == ServerStage::Done)
    }

    #[cfg(feature = "digest")]
    fn answer(&self, c1: &Packet, output: &mut BytesMut) {
        match digest::find(c1, &digest::CLIENT_KEY) {
            Some(client) => self.answer_digest(&client, output),
            None => self.answer_simple(c1, output),
        }
    }

    #[cfg(not(feature = "digest"))]
    fn answer(&self, c1: &Packet, output: &mut BytesMut) {
        self.answer_simple(c1, output);
    }

    fn answer_simple(&self, c1: &Packet, output: &mut BytesMut) {
        output.put_slice(&random_packet(&self.seed, 0, [0; 4]));
        output.put_slice(c1);
    }

    #[cfg(feature = "digest")]
    fn answer_digest(&self, client: &digest::Found, output: &mut BytesMut) {
        let mut s1 = random_packet(&self.seed, 0, SERVER_VERSION);
        digest::imprint(&mut s1, client.scheme, &digest::SERVER_KEY);
        output.put_slice(&s1);
        let mut s2 = random_packet(&self.seed, 1, [0; 4]);
        digest::sign(&mut s2, &client.digest, &digest::SERVER_KEY);
        output.put_slice(&s2);
    }
}

/// The client's half of a handshake, in the simple form, which every server accepts, unless it is told otherwise.
#[derive(Debug)]
pub struct Client {
    seed: [u8; 32],
    #[cfg(feature = "digest")]
    digest: bool,
    stage: ClientStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientStage {
    /// C0 and C1 are to be sent.
    Start,
    /// Waits for S0 and S1.
    Hello,
    /// Waits for S2.
    Echo,
    Done,
}

impl Client {
    /// A client that has sent nothing yet. `seed` fills what the standard calls random data.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            #[cfg(feature = "digest")]
            digest: false,
            stage: ClientStage::Start,
        }
    }

    /// A client that opens with the digest form, and goes on in the simple one with a server that answers so.
    #[cfg(feature = "digest")]
    pub fn with_digest(seed: [u8; 32]) -> Self {
        Self {
            digest: true,
            ..Self::new(seed)
        }
    }

    /// Takes what it can from `input`, appends what is to be sent to `output`; true once the server's part is complete.
    /// The first call, with whatever input, writes C0 and C1.
    ///
    /// # Errors
    /// As [`Server::next`].
    pub fn next(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<bool, Error> {
        if self.stage == ClientStage::Start {
            output.put_u8(VERSION);
            output.put_slice(&self.c1());
            self.stage = ClientStage::Hello;
        }
        if self.stage == ClientStage::Hello {
            if let Some(version) = input.first() {
                check_version(*version)?;
            }
            let Some((_, s1)) = input.split_first_chunk::<1>() else {
                return Ok(false);
            };
            let Some(s1) = s1.first_chunk::<PACKET>() else {
                return Ok(false);
            };
            output.put_slice(&self.c2(s1));
            input.advance(1 + PACKET);
            self.stage = ClientStage::Echo;
        }
        // S2 is not compared: it proves nothing, and servers differ in what they put there.
        if self.stage == ClientStage::Echo && input.len() >= PACKET {
            input.advance(PACKET);
            self.stage = ClientStage::Done;
        }
        Ok(self.stage == ClientStage::Done)
    }

    #[cfg(feature = "digest")]
    fn c1(&self) -> Packet {
        if !self.digest {
            return random_packet(&self.seed, 0, [0; 4]);
        }
        let mut c1 = random_packet(&self.seed, 0, CLIENT_VERSION);
        digest::imprint(&mut c1, digest::Scheme::FirstHalf, &digest::CLIENT_KEY);
        c1
    }

    #[cfg(not(feature = "digest"))]
    fn c1(&self) -> Packet {
        random_packet(&self.seed, 0, [0; 4])
    }

    #[cfg(feature = "digest")]
    fn c2(&self, s1: &Packet) -> Packet {
        let server = self.digest.then(|| digest::find(s1, &digest::SERVER_KEY));
        let Some(server) = server.flatten() else {
            return *s1;
        };
        let mut c2 = random_packet(&self.seed, 1, [0; 4]);
        digest::sign(&mut c2, &server.digest, &digest::CLIENT_KEY);
        c2
    }

    #[cfg(not(feature = "digest"))]
    fn c2(&self, s1: &Packet) -> Packet {
        *s1
    }
}

fn check_version(version: u8) -> Result<(), Error> {
    match version {
        VERSION => Ok(()),
        6 | 8 | 9 => Err(Unsupported::Version(version).into()),
        other => Err(PeerMisbehaved::NotRtmp(other).into()),
    }
}

/// Time 0, `version`, and bytes drawn from `seed` by SplitMix64; `number` makes packets of one connection differ.
fn random_packet(seed: &[u8; 32], number: u8, version: [u8; 4]) -> Packet {
    let mut state = seed.iter().fold(u64::from(number), |state, byte| {
        state.rotate_left(8).wrapping_mul(GOLDEN_GAMMA) ^ u64::from(*byte)
    });
    let mut packet = [0; PACKET];
    for block in packet.chunks_exact_mut(8) {
        state = state.wrapping_add(GOLDEN_GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        block.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    for (byte, value) in packet.iter_mut().zip([0; 4].into_iter().chain(version)) {
        *byte = value;
    }
    packet
}

/// The step of SplitMix64: 2^64 divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Bytes of one direction of a handshake: a version and two packets.
pub(crate) const BYTES: u64 = 1 + 2 * PACKET as u64;

/// The only version of RTMP without encryption (RTMP 1.0 §5.2.2).
const VERSION: u8 = 3;

/// Length of C1, S1, C2 and S2, in bytes (RTMP 1.0 §5.2.3).
const PACKET: usize = 1536;

/// What a client sends: C0, C1 and C2, in bytes.
#[cfg(feature = "proxy")]
pub(crate) const CLIENT_BYTES: usize = 1 + 2 * PACKET;

/// What a server sends: S0, S1 and S2, in bytes.
#[cfg(feature = "proxy")]
pub(crate) const SERVER_BYTES: usize = 1 + 2 * PACKET;

/// What S1 says of the server in the digest form. The first byte must be 3 or more for FFmpeg to check the digest, and
/// clients take S1 for the simple form where all four are zero.
#[cfg(feature = "digest")]
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];

/// What C1 says of the client in the digest form: the Flash Player that FFmpeg says it is.
#[cfg(feature = "digest")]
const CLIENT_VERSION: [u8; 4] = [9, 0, 124, 2];

#[cfg(all(test, feature = "digest"))]
mod tests;
