//! Why a watermark, or the picture of one, cannot be drawn.

use std::time::Duration;

/// Why nothing of a watermark can be drawn. The messages name the field of the channel record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no font at all.
    #[error(
        "`WaterMarkText` cannot be drawn: there is no font on this machine; install one, such as Debian's \
         fonts-dejavu-core, and fonts-wqy-microhei for Chinese, then start again"
    )]
    NoFonts,
    /// The picture.
    #[error("`ImageURL` {0}")]
    Picture(#[from] PictureError),
    /// What is visible of the watermark has more pixels than an overlay may have.
    #[error("the watermark covers {width} x {height} pixels; it can have {most} in all")]
    Size {
        /// How wide it is.
        width: u32,
        /// How high it is.
        height: u32,
        /// Most pixels.
        most: u64,
    },
    /// Drawing ended in its midst.
    #[error("the watermark could not be drawn: {0}")]
    Drawing(String),
}

impl Error {
    /// Whether the same may do better some time later: somebody else was out of reach or not willing.
    pub fn may_pass(&self) -> bool {
        use PictureError::{Answer, Connect, Lookup, Status, TimedOut};
        matches!(
            self,
            Self::Picture(
                Lookup { .. } | Connect { .. } | Answer { .. } | Status { .. } | TimedOut(_)
            )
        )
    }
}

/// Why a picture cannot be used, in words that go on after the field's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// It is no address that pictures are fetched from.
    #[error(
        "must be an http:// or https:// address without a user's name, and lead to no other kind of address"
    )]
    Address,
    /// The name is not known.
    #[error("leads to {host}, which cannot be looked up: {source}")]
    Lookup {
        /// The host.
        host: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// Every address of the host is out of reach.
    #[error(
        "leads to {host}, which is at a loopback, private or link-local address; that is only allowed where the \
         operator says so (allow-private-targets)"
    )]
    OutOfReach {
        /// The host.
        host: String,
    },
    /// There is no connection.
    #[error("leads to {host}, which cannot be connected to: {source}")]
    Connect {
        /// The host.
        host: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// There is no TLS in this process.
    #[error("is an https:// address, and this server has no TLS for outgoing connections")]
    NoTls,
    /// The answer is no HTTP, or ends too early.
    #[error("leads to {host}, whose answer cannot be read: {source}")]
    Answer {
        /// The host.
        host: String,
        /// What went wrong.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("could not be fetched within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// There is nothing, or the server is not willing.
    #[error("leads to {host}, which answers with status {status}; it must be 200 with a picture")]
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// One server leads to the next, and so on.
    #[error("is redirected more than {0} times")]
    Redirects(usize),
    /// More bytes than a picture may have.
    #[error("leads to more than the {0} bytes that a picture may have")]
    Bytes(usize),
    /// It is something else.
    #[error("must lead to a PNG, JPEG, WebP or GIF picture; what is there {0}")]
    Format(&'static str),
    /// More pixels than a picture may have.
    #[error(
        "leads to a picture of {width} x {height} pixels; it can have {side} a side and {most} in all, and is \
         drawn at ImageWidth x ImageHeight"
    )]
    Pixels {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// Most pixels a side.
        side: u32,
        /// Most pixels in all.
        most: u64,
    },
    /// It is damaged.
    #[error("leads to a picture that cannot be decoded: {0}")]
    Damaged(String),
    /// Checking ended in its midst.
    #[error("could not be checked; try again")]
    Unchecked,
}
