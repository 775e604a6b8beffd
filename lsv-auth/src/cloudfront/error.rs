use crate::playback;

/// Why a CloudFront credential does not let its holder in. No variant carries the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudFrontError {
    /// Neither the URL nor a cookie carries one.
    #[error("the request carries no CloudFront credential")]
    Missing,
    /// A field is missing, given twice, too long, or not written as CloudFront writes it.
    #[error("{0} of the CloudFront credential is missing, given twice or malformed")]
    Malformed(&'static str),
    /// The address of the request could be read in more than one way.
    #[error("the address of the request is not written plainly")]
    Address,
    /// Signed with a key pair that is not known here.
    #[error("the key pair of the CloudFront credential is not known here")]
    UnknownKey,
    /// The signature is not that of the key pair: for another URL or time, or forged.
    #[error(
        "the signature of the CloudFront credential is not of its key pair, or not for this URL"
    )]
    Signature,
    /// The policy is for another URL.
    #[error("the CloudFront policy is for another URL")]
    Resource,
    /// The policy is for another network of clients.
    #[error("the CloudFront policy is for another client address")]
    Network,
    /// The policy is not good yet.
    #[error("the CloudFront policy is not good yet")]
    NotYet,
    /// The policy's time is over.
    #[error("the CloudFront policy has expired")]
    Expired,
}

impl From<playback::Malformed> for CloudFrontError {
    fn from(_: playback::Malformed) -> Self {
        Self::Address
    }
}
