//! The platform's secrets, in Secrets Manager.

use lsv_aws::secrets::{self, Error};
use lsv_core::ports;
use lsv_tests::Moto;
use serde_json::json;

use super::{raw, reach};

#[tokio::test]
async fn secrets_are_read_and_what_is_missing_is_named() {
    let moto = Moto::start().await;
    let sdk = reach::sdk(moto.endpoint()).await;
    let keep = async |name: &str, text: &str| {
        let input =
            json!({"Name": name, "SecretString": text, "ClientRequestToken": "a".repeat(32)});
        raw::json_call(
            &moto,
            "secretsmanager",
            "secretsmanager.CreateSecret",
            &input,
        )
        .await
    };
    let whole =
        r#"{"secret":"one","playback-secret":"two","api-token":"three","node-token":"four"}"#;
    let kept = keep("lsv/main", whole).await;
    // By name and by ARN, as CloudFormation gives it.
    for id in ["lsv/main", kept["ARN"].as_str().expect("an ARN")] {
        let secrets = secrets::read(&sdk, id).await.expect("they are there");
        assert!(secrets.secret.matches(b"one") && secrets.playback_secret.matches(b"two"));
        assert!(secrets.api_token.matches(b"three") && secrets.node_token.matches(b"four"));
    }
    keep("lsv/some", r#"{"secret":"one"}"#).await;
    let missing = secrets::read(&sdk, "lsv/some")
        .await
        .expect_err("some are missing");
    let said = "the secret `lsv/some` lacks `playback-secret` and `api-token`";
    assert_eq!(missing.to_string(), said);
    let none = secrets::read(&sdk, "lsv/none")
        .await
        .expect_err("there is none");
    assert!(none.to_string().contains("`lsv/none`"), "{none}");
    // An operator must act; trying again does not help.
    assert!(
        !matches!(none, Error::Store(ports::Error::Unavailable { .. })),
        "{none}"
    );
}
