//! FLV files, read and written by the tests' own code, so that the server is not judged by the code it is made of.

/// A tag (FLV 10.1 §E.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// 8 audio, 9 video, 18 script data.
    pub kind: u8,
    /// Milliseconds.
    pub timestamp: u32,
    /// The body, as RTMP messages carry it too.
    pub body: Vec<u8>,
}

/// The tags of a file that are there whole; a file still being written ends anywhere.
#[must_use]
pub fn tags(file: &[u8]) -> Vec<Tag> {
    let mut rest = file.get(FILE_HEADER.len()..).unwrap_or_default();
    let mut tags = Vec::new();
    while let Some((tag, length)) = tag(rest) {
        rest = &rest[length..];
        tags.push(tag);
    }
    tags
}

/// Reads tags as they come.
#[derive(Debug, Default)]
pub struct Reader {
    held: Vec<u8>,
}

impl Reader {
    /// Takes the next bytes and answers the tags that they make whole.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Tag> {
        self.held.extend_from_slice(bytes);
        let tags = tags(&self.held);
        let taken: usize = tags.iter().map(|tag| 11 + tag.body.len() + 4).sum();
        if taken > 0 {
            // The file header stays in front of what is left.
            self.held
                .drain(FILE_HEADER.len()..FILE_HEADER.len() + taken);
        }
        tags
    }
}

/// Whether the body of a video tag is coded frames (FLV 10.1 §E.4.3.1; Enhanced RTMP: a body that begins with 1 in its
/// highest bit).
#[must_use]
pub fn is_picture(body: &[u8]) -> bool {
    match body.first() {
        Some(head) if head & 0x80 != 0 => matches!(head & 0x0f, 1 | 3),
        _ => body.get(1) == Some(&1),
    }
}

/// A file of tags.
///
/// # Panics
/// If a body has more bytes than 24 bits can say.
#[must_use]
pub fn file(tags: &[Tag]) -> Vec<u8> {
    let mut file = FILE_HEADER.to_vec();
    for tag in tags {
        let length = u32::try_from(tag.body.len()).expect("a short body");
        let time = tag.timestamp.to_be_bytes();
        file.push(tag.kind);
        file.extend_from_slice(&length.to_be_bytes()[1..]);
        file.extend_from_slice(&[time[1], time[2], time[3], time[0], 0, 0, 0]);
        file.extend_from_slice(&tag.body);
        file.extend_from_slice(&(length + 11).to_be_bytes());
    }
    file
}

/// Packets of audio or of video, whichever has fewer; the two headers of codecs are no packets.
#[must_use]
pub fn packets(tags: &[Tag]) -> usize {
    let of = |kind: u8| tags.iter().filter(|tag| tag.kind == kind).count();
    of(8).min(of(9)).saturating_sub(2)
}

/// The first tag and how many bytes it takes with the size field behind it.
fn tag(bytes: &[u8]) -> Option<(Tag, usize)> {
    let &[kind, l2, l1, l0, t2, t1, t0, t3, _, _, _, ref rest @ ..] = bytes else {
        return None;
    };
    let length = u32::from_be_bytes([0, l2, l1, l0]) as usize;
    let body = rest.get(..length)?.to_vec();
    let whole = 11 + length + 4;
    let tag = Tag {
        kind,
        timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
        body,
    };
    (bytes.len() >= whole).then_some((tag, whole))
}

/// With audio and video, and the first size field.
const FILE_HEADER: [u8; 13] = *b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
