//! An operator signs in to the console as a browser does: by the link that `lsv` prints, or by name and password.

use std::process::Stdio;

use lsv_tests::{Server, binary};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What a browser keeps of a sign-in.
struct Browser {
    client: Client,
    base: String,
    cookie: String,
    said: Value,
}

impl Browser {
    async fn sign_in(base: &str, shown: &Value) -> Self {
        let client = Client::new();
        let answer = client.post(format!("{base}/console/session"));
        let answer = answer.json(shown).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().expect("text");
        assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"));
        let (cookie, _) = cookie.split_once(';').expect("attributes");
        Self {
            client,
            base: base.to_owned(),
            cookie: cookie.to_owned(),
            said: answer.json().await.expect("JSON"),
        }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        request.header("cookie", &self.cookie)
    }

    /// The same from the platform's own page.
    fn own(&self, method: Method, path: &str) -> RequestBuilder {
        let csrf = self.said["csrf"].as_str().expect("a value");
        self.ask(method, path).header("x-csrf-token", csrf)
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("an answer").status().as_u16()
}

/// What `lsv hash-password` says of a password: whether it took it, and what it printed.
async fn hash(password: &str) -> (bool, String) {
    let mut command = Command::new(binary("lsv"));
    command
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("lsv starts");
    let mut input = child.stdin.take().expect("a pipe");
    let line = format!("{password}\n");
    input.write_all(line.as_bytes()).await.expect("it reads");
    drop(input);
    let output = child.wait_with_output().await.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    (output.status.success(), said.trim().to_owned())
}

#[tokio::test]
async fn the_printed_link_and_a_password_sign_in() {
    let password = "a good password";
    let (is_taken, hash_of_it) = hash(password).await;
    assert!(is_taken, "{hash_of_it}");
    let (is_taken, complaint) = hash("short").await;
    assert!(
        !is_taken && complaint.contains("8 characters"),
        "{complaint}"
    );

    let folder = TempDir::new().unwrap();
    let arguments = ["--console-user", "ann", "--console-password", &hash_of_it];
    let mut server = Server::start_bare(folder.path(), &arguments).await;
    let link = server.printed("Console").to_owned();
    let (page, token) = link.split_once("#token=").unwrap();
    assert_eq!(page, server.http("/console/"));
    let base = server.base();
    let by_link = Browser::sign_in(base, &json!({"token": token})).await;
    let by_name = json!({"user": "ann", "password": password});
    let by_name = Browser::sign_in(base, &by_name).await;
    assert_eq!(by_name.said["user"], "ann");

    let channel = || json!({"id": "cam"});
    let foreign = by_name.ask(Method::POST, "/videostream").json(&channel());
    assert_eq!(status(foreign).await, 403);
    let own = by_name.own(Method::POST, "/videostream").json(&channel());
    assert_eq!(status(own).await, 201);
    let read = || by_link.ask(Method::GET, "/videostream/cam");
    assert_eq!(status(read()).await, 200);
    for path in ["/videostream/cam/stored", "/node/channels"] {
        let refused = status(by_link.own(Method::GET, path)).await;
        assert_eq!(refused, 401, "{path}");
    }
    let out = by_link.own(Method::DELETE, "/console/session");
    assert_eq!(status(out).await, 204);
    assert_eq!(status(read()).await, 401);
    assert_eq!(status(by_name.ask(Method::GET, "/videostream")).await, 200);

    for shown in ["wrong"; 10].into_iter().chain([token]) {
        let attempt = by_link.client.post(format!("{base}/console/session"));
        let attempt = attempt.json(&json!({"token": shown}));
        let expected = if shown == token { 429 } else { 401 };
        assert_eq!(status(attempt).await, expected);
    }
    let log = server.log();
    for secret in [
        token,
        password,
        &hash_of_it,
        &by_name.cookie,
        &by_link.cookie,
    ] {
        assert!(!log.contains(secret), "{log}");
    }
    server.stop().await;
    let again = Server::start_bare(folder.path(), &[]).await;
    assert_eq!(again.printed("Console"), again.http("/console/"));
}
