//! How AWS is reached: where, as whom, and how long an answer may take.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};

/// Region, credentials and endpoint by the SDK's own chain: environment (`AWS_REGION`, `AWS_ENDPOINT_URL`, ...), profile,
/// the role of a task or a machine; see [`defaults`].
pub async fn load() -> SdkConfig {
    defaults().load().await
}

/// What [`load`] starts from: a call is tried a few times, with growing pauses and jitter between the tries, and is
/// over within ten seconds: who waits for it, such as an encoder that wants to publish, is told soon.
pub fn defaults() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(retries)
}

/// The longest that a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// The longest that one try may take.
const ATTEMPT: Duration = Duration::from_secs(4);
/// The longest that a call may take, with all its tries.
const CALL: Duration = Duration::from_secs(10);
/// Most tries of a call.
const ATTEMPTS: u32 = 4;
/// The pause behind the first try, at most; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
