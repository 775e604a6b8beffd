//! AWS on this machine: a moto server as a child process, with the tables and the bucket of the platform.
//!
//! Another machine's moto is taken where `.ci/run` has not put one into `target/moto`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Process, eventually};

/// A moto server that has nothing but what the platform needs; ends when dropped.
#[derive(Debug)]
pub struct Moto {
    process: Process,
    endpoint: String,
    client: reqwest::Client,
}

impl Moto {
    /// The table of channels.
    pub const CHANNELS: &str = "video-metadata";
    /// The table of live sessions.
    pub const SESSIONS: &str = "video-streaming";
    /// The bucket.
    pub const BUCKET: &str = "lsv-recordings";
    /// The region.
    pub const REGION: &str = "eu-central-1";

    /// Starts it, and makes the tables and the bucket.
    ///
    /// # Panics
    /// If moto is not installed, or does not do it.
    pub async fn start() -> Self {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/moto");
        let mut command = Command::new("python3");
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/moto.py");
        command
            .arg(server)
            .args(["-H", "127.0.0.1", "-p", "0"])
            // The script is not to be taken for the package.
            .env("PYTHONSAFEPATH", "1");
        if installed.is_dir() {
            command.env("PYTHONPATH", installed);
        }
        let mut process = Process::run(command);
        let is_gone = AtomicBool::new(false);
        let endpoint = eventually("moto says where it listens", async || {
            if !process.runs() {
                is_gone.store(true, Ordering::Relaxed);
                return Some(String::new());
            }
            let said = process.stderr();
            let (_, after) = said.split_once("Running on ")?;
            Some(after.lines().next()?.trim().to_owned())
        })
        .await;
        assert!(
            !is_gone.load(Ordering::Relaxed),
            "moto ended: {}",
            process.stderr()
        );
        let moto = Self {
            process,
            endpoint,
            client: reqwest::Client::new(),
        };
        moto.make_table(Self::CHANNELS, "id").await;
        moto.make_table(Self::SESSIONS, "UUID").await;
        moto.make_bucket(Self::BUCKET).await;
        moto
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The environment that leads a process here.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        Self::environment_at(&self.endpoint)
    }

    /// The environment that leads a process to an AWS at `endpoint`.
    #[must_use]
    pub fn environment_at(endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_REGION", Self::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Calls DynamoDB as somebody else would, such as the older product.
    ///
    /// # Panics
    /// If that fails.
    pub async fn dynamodb(&self, action: &str, input: &Value) -> Value {
        let target = format!("DynamoDB_20120810.{action}");
        let answer = self
            .client
            .post(&self.endpoint)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", authorization("dynamodb"))
            .body(input.to_string())
            .send()
            .await
            .expect("moto answers");
        let status = answer.status();
        let text = answer.text().await.expect("moto answers whole");
        assert!(status.is_success(), "{action}: {status} {text}");
        serde_json::from_str(&text).expect("DynamoDB answers JSON")
    }

    /// The item of `key`, whose value is `value`, as DynamoDB writes it; `Null` if there is none.
    pub async fn item(&self, table: &str, key: &str, value: &str) -> Value {
        let input = json!({"TableName": table, "Key": {key: {"S": value}}, "ConsistentRead": true});
        self.dynamodb("GetItem", &input).await["Item"].take()
    }

    /// Whether the bucket has an object of that key that ends with these bytes.
    ///
    /// # Panics
    /// If it does not say.
    pub async fn holds(&self, key: &str, end: &[u8]) -> bool {
        let answer = self
            .client
            .get(format!("{}/{}/{key}", self.endpoint, Self::BUCKET))
            .header("authorization", authorization("s3"))
            .send()
            .await
            .expect("moto answers");
        let is_there = answer.status().is_success();
        let bytes = answer.bytes().await.expect("moto answers whole");
        is_there && bytes.ends_with(end)
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.process.signal(crate::Signal::KILL);
    }

    /// Stops it, so that it takes connections and answers none, or lets it go on.
    pub fn pause(&self, is_paused: bool) {
        self.process.signal(match is_paused {
            true => crate::Signal::STOP,
            false => crate::Signal::CONT,
        });
    }

    async fn make_table(&self, name: &str, key: &str) {
        let input = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        });
        self.dynamodb("CreateTable", &input).await;
    }

    async fn make_bucket(&self, name: &str) {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            Self::REGION
        );
        let answer = self
            .client
            .put(format!("{}/{name}", self.endpoint))
            .header("authorization", authorization("s3"))
            .body(place)
            .send()
            .await
            .expect("moto answers");
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

/// Enough for moto to tell services and regions apart; it checks no signature.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=0",
        Moto::REGION
    )
}
