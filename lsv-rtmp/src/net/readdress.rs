//! For a player on another message stream than most: what was chunked for all, addressed to it.

use bytes::{Bytes, BytesMut};

use crate::chunk::{Decoder, Encoder, MAX_MESSAGE_BYTES};
use crate::message::Control;
use crate::play::CHUNK_SIZE;
use crate::{Error, Limits};

/// Takes apart what [`PlayPackage`](crate::play::PlayPackage) makes and chunks it for another message stream.
#[derive(Debug)]
pub(super) struct Readdress {
    decoder: Decoder,
    encoder: Encoder,
    stream_id: u32,
}

impl Readdress {
    /// For a player on message stream `stream_id`, with the chunk size that it was told.
    pub(super) fn new(stream_id: u32) -> Result<Self, Error> {
        let mut limits = Limits::default();
        (limits.message_bytes, limits.partial_bytes) = (MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES);
        let mut new = Self {
            decoder: Decoder::new(&limits),
            encoder: Encoder::new(),
            stream_id,
        };
        let mut announced = BytesMut::new();
        let chunk_size = Control::SetChunkSize(CHUNK_SIZE).encode();
        new.encoder.write(&chunk_size, &mut announced)?;
        new.decoder.next(&mut announced)?;
        Ok(new)
    }

    /// Replaces whole messages by the same ones on the other message stream.
    pub(super) fn rewrite(&mut self, batch: &mut Vec<Bytes>) -> Result<(), Error> {
        let mut out = BytesMut::new();
        for bytes in batch.drain(..) {
            let mut input = BytesMut::from(bytes);
            while let Some(mut message) = self.decoder.next(&mut input)? {
                message.stream_id = self.stream_id;
                self.encoder.write(&message, &mut out)?;
            }
        }
        batch.push(out.freeze());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, MessageType};

    #[test]
    fn only_the_message_stream_changes() {
        let message = |stream_id, timestamp, length| Message {
            chunk_stream_id: 6,
            timestamp,
            type_id: MessageType::VIDEO,
            stream_id,
            payload: Bytes::from(vec![0xC6; length]),
        };
        let chunked = |stream_id| {
            let mut encoder = Encoder::new();
            let chunk_size = Control::SetChunkSize(CHUNK_SIZE).encode();
            encoder.write(&chunk_size, &mut BytesMut::new()).unwrap();
            [(7, 10), (0x0100_0000, 150_000), (9, 0)].map(|(timestamp, length)| {
                let mut out = BytesMut::new();
                let message = message(stream_id, timestamp, length);
                encoder.write(&message, &mut out).unwrap();
                out.freeze()
            })
        };
        let mut readdress = Readdress::new(3).unwrap();
        let [first, second, third] = chunked(1);
        for mut batch in [vec![first, second], vec![third]] {
            let count = batch.len();
            readdress.rewrite(&mut batch).unwrap();
            let expected = chunked(3);
            let expected = if count == 2 {
                &expected[..2]
            } else {
                &expected[2..]
            };
            assert_eq!(batch.concat(), expected.concat());
        }
    }
}
