//! What an error of AWS means to the caller of a port.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lsv_core::ports::Error;

/// The code that the service names, such as `ConditionalCheckFailedException`; empty where there was no answer.
pub(crate) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error
        .as_service_error()
        .and_then(|error| error.code())
        .unwrap_or_default()
}

/// The status of the answer; 0 where there was none.
pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> u16 {
    error
        .raw_response()
        .map_or(0, |response| response.status().as_u16())
}

/// Whether the call may have been carried out although it failed.
#[cfg(any(feature = "dynamodb", feature = "s3"))]
pub(crate) fn is_ambiguous<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        // An answer that cannot be read tells of a success, too.
        SdkError::ServiceError(_) => !(300..500).contains(&status(error)),
        _ => true,
    }
}

/// The error of a port for a call about `what` that failed. That there is no such thing, or that a condition did not hold,
/// only the caller can tell; everything else is told here.
pub(crate) fn failed<E>(what: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let detail = detail(what, error);
    match class(code(error), status(error)) {
        Class::Denied => Error::Denied(detail),
        Class::Missing => Error::Damaged {
            what: what.to_owned(),
            detail,
            advice: "make it, or name the right one".to_owned(),
        },
        Class::Refused => Error::Invalid(detail),
        Class::Away => Error::unavailable(detail),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Denied,
    Missing,
    Refused,
    Away,
}

fn class(code: &str, status: u16) -> Class {
    match code {
        // New credentials are fetched by the next call, and the SDK learns by how much its clock is off.
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired"
        | "RequestTimeTooSkewed" => Class::Away,
        "ResourceNotFoundException" | "NoSuchBucket" => Class::Missing,
        // Of DynamoDB, which answers throttling with status 400.
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "LimitExceededException"
        | "InternalServerError"
        // Of S3: an upload that was broken off, by length or checksum.
        | "RequestTimeout"
        | "IncompleteBody"
        | "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "XAmzContentChecksumMismatch"
        | "OperationAborted"
        | "SlowDown" => Class::Away,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "InvalidClientTokenId"
        | "NotAuthorized"
        | "OptInRequired"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "KMS.DisabledException"
        | "KMS.NotFoundException"
        | "KMS.KMSInvalidStateException" => Class::Denied,
        _ => match status {
            401 | 403 => Class::Denied,
            // No answer, or one that says try again.
            ..=399 | 408 | 425 | 429 | 500.. => Class::Away,
            _ => Class::Refused,
        },
    }
}

/// What went wrong, for the operator: the service's code and message, else the causes one behind the other. Neither holds
/// credentials.
fn detail<E>(what: &str, error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let mut detail = what.to_owned();
    let mut add = |part: &str| {
        detail.push_str(": ");
        detail.push_str(part);
    };
    let service = error.as_service_error();
    if let Some(code) = service.and_then(ProvideErrorMetadata::code) {
        add(code);
        add(service
            .and_then(ProvideErrorMetadata::message)
            .unwrap_or_default());
        return detail;
    }
    // Nothing came, or nothing that can be read.
    if service.is_some() {
        add(&format!("status {}", status(error)));
    }
    let mut cause: Option<&dyn StdError> = Some(error);
    while let Some(next) = cause {
        add(&next.to_string());
        cause = next.source();
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_act_is_told() {
        for (code, status, expected) in [
            ("ThrottlingException", 400, Class::Away),
            ("SlowDown", 503, Class::Away),
            ("", 500, Class::Away),
            ("", 0, Class::Away),
            ("ExpiredTokenException", 400, Class::Away),
            ("RequestTimeTooSkewed", 403, Class::Away),
            ("AccessDeniedException", 400, Class::Denied),
            ("", 403, Class::Denied),
            ("ResourceNotFoundException", 400, Class::Missing),
            ("ValidationException", 400, Class::Refused),
            ("EntityTooLarge", 400, Class::Refused),
        ] {
            assert_eq!(class(code, status), expected, "{code} {status}");
        }
    }
}
