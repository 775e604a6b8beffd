//! A stream to measure with: what an encoder sends in two seconds, made up but of true sizes and in true order.

use bytes::Bytes;
use lsv_rtmp::{
    chunk,
    message::{Message, MessageType},
};
use rml_rtmp::{chunk_io::ChunkSerializer, messages::MessagePayload, time::RtmpTimestamp};

/// One group of pictures: 60 video messages of 33 or 34 ms, and between them by time 86 audio messages of AAC.
///
/// `bits` is the rate of the video a second. The key frame is ten times as long as the mean of the others, whose lengths
/// differ by up to 30 %. Payloads hold noise, as compressed pictures do.
pub(crate) fn two_seconds(bits: usize) -> Vec<Message> {
    let mut noise = Noise(0x2545_F491_4F6C_DD1D);
    let inter = bits / 8 * SECONDS / (FRAMES + 9);
    let mut messages: Vec<_> = (0..FRAMES)
        .map(|n| {
            let length = match n {
                0 => inter * 10,
                _ => inter * (70 + noise.below(61)) / 100,
            };
            let payload = noise.bytes(length);
            message(
                chunk::id::VIDEO,
                MessageType::VIDEO,
                n * 1000 * SECONDS / FRAMES,
                payload,
            )
        })
        .collect();
    messages.extend((0..AUDIO_FRAMES).map(|n| {
        let payload = noise.bytes(AUDIO_BYTES);
        message(
            chunk::id::AUDIO,
            MessageType::AUDIO,
            n * 1000 * SECONDS / AUDIO_FRAMES,
            payload,
        )
    }));
    messages.sort_by_key(|message| message.timestamp);
    messages
}

/// The bytes of the messages in chunks of `chunk_size`, with Set Chunk Size before them.
///
/// rml_rtmp writes them: it compresses headers as encoders do, and it is not what is measured when they are read.
pub(crate) fn wire(messages: &[Message], chunk_size: u32) -> Vec<u8> {
    let (mut encoder, mut wire) = serializer(chunk_size);
    for message in messages {
        wire.extend(
            encoder
                .serialize(&payload_of(message), false, false)
                .expect("not too long")
                .bytes,
        );
    }
    wire
}

/// A serializer of rml_rtmp, and the bytes that announce its chunk size.
pub(crate) fn serializer(chunk_size: u32) -> (ChunkSerializer, Vec<u8>) {
    let mut encoder = ChunkSerializer::new();
    let announced = encoder
        .set_max_chunk_size(chunk_size, RtmpTimestamp::new(0))
        .expect("in range");
    (encoder, announced.bytes)
}

/// The same message for rml_rtmp.
pub(crate) fn payload_of(message: &Message) -> MessagePayload {
    MessagePayload {
        timestamp: RtmpTimestamp::new(message.timestamp),
        type_id: message.type_id.0,
        message_stream_id: message.stream_id,
        data: message.payload.clone(),
    }
}

fn message(chunk_stream_id: u32, type_id: MessageType, millis: usize, payload: Bytes) -> Message {
    Message {
        chunk_stream_id,
        timestamp: millis as u32,
        type_id,
        stream_id: 1,
        payload,
    }
}

/// Xorshift: the same bytes in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    fn bytes(&mut self, length: usize) -> Bytes {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

const SECONDS: usize = 2;
/// 30 a second.
const FRAMES: usize = 60;
/// 43 a second: AAC at 44.1 kHz has 1,024 samples in each.
const AUDIO_FRAMES: usize = 86;
/// 128 kbit/s.
const AUDIO_BYTES: usize = 371;
