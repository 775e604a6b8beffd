//! Pictures one after the other as ffmpeg's muxer `mpjpeg` frames them: each with a header of lines that tells its length.
//! Pure: bytes in, pictures out.

use bytes::{Buf as _, Bytes, BytesMut};

/// Reads pictures out of a stream of bytes, however that is cut.
#[derive(Debug)]
pub struct Multipart {
    buffer: BytesMut,
    /// The length of the picture whose header was read.
    length: Option<usize>,
    max_bytes: usize,
}

impl Multipart {
    /// A reader of pictures of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            length: None,
            max_bytes,
        }
    }

    /// Takes the bytes that come next. Read what is there with [`Multipart::next`] before more is pushed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next picture, if it is there whole.
    ///
    /// # Errors
    /// [`Malformed`] for what is no such stream; it cannot be read on.
    #[expect(
        clippy::should_implement_trait,
        reason = "it goes on after None, which an iterator seldom does"
    )]
    pub fn next(&mut self) -> Result<Option<Bytes>, Malformed> {
        let length = match self.length {
            Some(length) => length,
            None => match self.header()? {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        self.length = Some(length);
        if self.buffer.len() < length {
            self.buffer.reserve(length - self.buffer.len());
            return Ok(None);
        }
        self.length = None;
        let picture = self.buffer.split_to(length).freeze();
        match picture.starts_with(&JPEG_START) {
            true => Ok(Some(picture)),
            false => Err(Malformed::NotJpeg),
        }
    }

    /// Reads the header of a part, up to the empty line behind it, and tells the part's length.
    fn header(&mut self) -> Result<Option<usize>, Malformed> {
        // What follows the part before.
        while self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
        }
        let head = self.buffer.get(..MAX_HEADER_BYTES).unwrap_or(&self.buffer);
        let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match self.buffer.len() < MAX_HEADER_BYTES {
                true => Ok(None),
                false => Err(Malformed::Header),
            };
        };
        let header = self.buffer.split_to(end + 4);
        let text = std::str::from_utf8(&header).map_err(|_| Malformed::Header)?;
        let length = content_length(text).ok_or(Malformed::Header)?;
        match length <= self.max_bytes {
            true => Ok(Some(length)),
            false => Err(Malformed::TooLong {
                length,
                most: self.max_bytes,
            }),
        }
    }
}

/// Bytes that are no stream of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A header that does not end, or tells no length.
    #[error("a picture's header cannot be read")]
    Header,
    /// A picture that is larger than any should be.
    #[error("a picture has {length} bytes; at most {most} are taken")]
    TooLong {
        /// Its length.
        length: usize,
        /// What is taken.
        most: usize,
    },
    /// Something else than a picture.
    #[error("what should be a picture is no JPEG")]
    NotJpeg,
}

fn content_length(header: &str) -> Option<usize> {
    if !header.starts_with("--") {
        return None;
    }
    let mut fields = header.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

/// The start of image, and the first byte of the marker that follows it.
const JPEG_START: [u8; 3] = [0xFF, 0xD8, 0xFF];
/// ffmpeg's headers have some 70.
const MAX_HEADER_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(picture: &[u8]) -> Vec<u8> {
        let head = format!(
            "--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: {}\r\n\r\n",
            picture.len()
        );
        [head.as_bytes(), picture, b"\r\n"].concat()
    }

    fn read(reader: &mut Multipart, bytes: &[u8]) -> Result<Vec<Bytes>, Malformed> {
        reader.push(bytes);
        let mut found = Vec::new();
        while let Some(picture) = reader.next()? {
            found.push(picture);
        }
        Ok(found)
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let long = part(&[0xFF; 101]);
        let text = "--ffmpeg\r\nContent-type: text/html\r\n\r\n";
        let negative = "--ffmpeg\r\nContent-length: -5\r\n\r\n";
        let endless = [b'a'; MAX_HEADER_BYTES];
        let most = Malformed::TooLong {
            length: 101,
            most: 100,
        };
        for (bytes, expected) in [
            (&long[..], most),
            (text.as_bytes(), Malformed::Header),
            (negative.as_bytes(), Malformed::Header),
            (b"HTTP/1.1 200\r\n\r\n", Malformed::Header),
            (b"\xFF\xFE\r\n\r\n", Malformed::Header),
            (&endless[..], Malformed::Header),
            (&part(b"GIF89a")[..], Malformed::NotJpeg),
            (&part(b"")[..], Malformed::NotJpeg),
        ] {
            let found = read(&mut Multipart::new(100), bytes);
            assert_eq!(found, Err(expected), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut(
            pictures in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5),
            cuts in prop::collection::vec(1..100_usize, 1..20),
        ) {
            let pictures: Vec<Vec<u8>> = pictures.into_iter().map(|rest| [&JPEG_START[..], &rest].concat()).collect();
            let bytes: Vec<u8> = pictures.iter().flat_map(|picture| part(picture)).collect();
            let (mut reader, mut rest, mut found) = (Multipart::new(1_000), &bytes[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                found.extend(read(&mut reader, now).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, pictures);
        }

        #[test]
        fn it_holds_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            drop(read(&mut Multipart::new(100), &bytes));
        }
    }
}
