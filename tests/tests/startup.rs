//! Start and stop: what cannot start says why in one line and ends with 1; what runs ends with 0 when asked.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use lsv_tests::{Api, Client, Picture, Server, Signal, TOKEN, eventually, lsv};
use tempfile::TempDir;

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--rtmp"] {
        let line = fails(TempDir::new().unwrap().path(), &[flag, &address]).await;
        assert!(line.contains(&address), "{flag}: {line}");
        assert_eq!(line.matches("in use").count(), 1, "{flag}: {line}");
    }
}

#[tokio::test]
async fn a_damaged_store_is_named_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::start_in(folder.path(), &[]).await;
    server.api().channel("kept").await;
    server.stop().await;
    let store = files_of(folder.path())
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "redb"))
        .expect("a store file");
    let damage = vec![0xA5; 64 * 1024];
    fs::write(&store, &damage).unwrap();
    let line = fails(folder.path(), &[]).await;
    let name = store.file_name().unwrap().to_str().unwrap();
    assert!(line.contains(name), "{line}");
    assert_eq!(fs::read(&store).unwrap(), damage);
}

#[tokio::test]
async fn an_unreadable_certificate_is_named() {
    let folder = TempDir::new().unwrap();
    let garbage = folder.path().join("garbage.pem");
    fs::write(&garbage, "not a certificate").unwrap();
    let missing = folder.path().join("missing.pem");
    for file in [garbage, missing] {
        let file = file.to_str().unwrap();
        let arguments = [
            "--tls-cert",
            file,
            "--tls-key",
            file,
            "--rtmps",
            "127.0.0.1:0",
        ];
        let line = fails(&folder.path().join("data"), &arguments).await;
        assert!(line.contains(file), "{line}");
    }
}

#[tokio::test]
async fn an_unknown_configuration_key_is_named_with_its_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lsv.toml");
    fs::write(&file, "grace = \"5s\"\ncolour = \"red\"\n").unwrap();
    let file = file.to_str().unwrap();
    let line = fails(&folder.path().join("data"), &["--config", file]).await;
    for part in [file, "colour", "2"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

#[tokio::test]
async fn values_out_of_range_are_named() {
    for (arguments, part) in [
        (["--push-sign", "sha1"], "sha1"),
        (["--grace", "soon"], "soon"),
        (["--http", "nowhere"], "nowhere"),
        (["--htp", "127.0.0.1:0"], "--htp"),
    ] {
        let line = fails(TempDir::new().unwrap().path(), &arguments).await;
        assert!(line.contains(part), "{line}");
    }
}

#[tokio::test]
async fn an_empty_token_is_refused_in_one_line() {
    let (status, said) = lsv(TempDir::new().unwrap().path(), &["--api-token", ""]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains("--api-token"), "{said}");
}

#[tokio::test]
async fn what_is_stored_is_the_owners_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let _server = Server::start_in(&data, &[]).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in files_of(&data) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn token_and_secret_are_made_once_and_are_the_owners_alone() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::start_bare(folder.path(), &[]).await;
    let secrets: Vec<String> = files_of(folder.path())
        .iter()
        .filter(|file| file.extension().is_none_or(|end| end != "redb"))
        .filter(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            name.contains("token") || name.contains("secret")
        })
        .map(|file| {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
            fs::read_to_string(file).unwrap().trim().to_owned()
        })
        .collect();
    assert_eq!(secrets.len(), 3, "{:?}", files_of(folder.path()));
    let banner = server.banner().to_owned();
    let token = secrets.iter().find(|secret| banner.contains(*secret));
    let token = token.expect("the token is printed once, on the first start");
    let http = server.printed("HTTP").to_owned();
    let list = Api::new(&http, Some(token)).read("/videostream").await;
    assert_eq!(list.status.as_u16(), 200, "{}", list.text);
    assert!(!server.log().contains(token.as_str()), "{}", server.log());
    server.stop().await;

    let again = Server::start_bare(folder.path(), &[]).await;
    let http = again.printed("HTTP");
    let list = Api::new(http, Some(token)).read("/videostream").await;
    assert_eq!(list.status.as_u16(), 200, "the token stays the same");
    assert!(
        !again.banner().contains(token.as_str()),
        "the token is printed only once"
    );
}

#[tokio::test]
async fn a_start_that_fails_does_not_use_the_token_up() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, said) = lsv(folder.path(), &["--http", &address]).await;
    assert_eq!(status.code(), Some(1), "{said}");

    let server = Server::start_bare(folder.path(), &[]).await;
    let token = server.printed("API token");
    let list = Api::new(server.printed("HTTP"), Some(token));
    let list = list.read("/videostream").await;
    assert_eq!(list.status.as_u16(), 200, "{}", list.text);
}

#[tokio::test]
async fn sigterm_ends_with_0_while_somebody_publishes_and_watches() {
    let mut server = Server::start(&["--grace", "10s"]).await;
    let key = server.api().channel("live-one").await;
    let mut publisher = Picture::default().push(&server.rtmp(&key));
    let address = server.http("/live-one/live.flv");
    let mut viewer = eventually("a viewer gets in", async || {
        let response = reqwest::get(&address).await.ok()?;
        response.status().is_success().then_some(response)
    })
    .await;
    viewer.chunk().await.unwrap().unwrap();
    let status = server.stop().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    // A clean end: the body is finished, not broken off.
    while viewer.chunk().await.unwrap().is_some() {}
    publisher.ended().await;
}

#[tokio::test]
async fn sighup_applies_what_can_change_and_ends_no_session() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lsv.toml");
    fs::write(&file, "on-busy = \"take-over\"\n").unwrap();
    let mut server = Server::start(&["--config", file.to_str().unwrap()]).await;
    let key = server.api().channel("gate").await;
    let mut publisher = Client::connect(server.rtmp_address()).await;
    publisher.publish(&key).await.unwrap();

    fs::write(&file, "on-busy = \"reject\"\nlog = \"json\"\n").unwrap();
    server.process().signal(Signal::HUP);
    server.logged(&["need a restart", "log"]).await;
    let mut newcomer = Client::connect(server.rtmp_address()).await;
    newcomer.publish(&key).await.unwrap_err();
    let session = server.api().read("/videostream/gate/session").await;
    assert_eq!(session.status.as_u16(), 200, "{}", session.text);

    fs::write(&file, "on-busy = \"perhaps\"\n").unwrap();
    server.process().signal(Signal::HUP);
    server
        .logged(&["the old configuration stays", "on-busy"])
        .await;
}

#[tokio::test]
async fn channels_outlive_a_restart_and_a_power_cut() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::start_in(folder.path(), &[]).await;
    let key = server.api().channel("kept").await;
    server.kill().await;
    let server = Server::start_in(folder.path(), &[]).await;
    let record = server.api().read("/videostream/kept").await.json();
    assert_eq!(lsv_tests::stream_key(&record), key);
}

#[tokio::test]
async fn health_readiness_metrics_and_description_are_there() {
    let server = Server::start(&[]).await;
    let api = server.api().with_token(None);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        let answer = api.read(path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
        assert!(!answer.text.contains(TOKEN), "{path}");
    }
    let described = api.read("/openapi.json").await.json();
    assert!(
        described["paths"]["/videostream"].is_object(),
        "{described}"
    );
}

#[tokio::test]
async fn an_empty_store_gets_a_channel_whose_printed_address_works() {
    let server = Server::start(&[]).await;
    let banner = server.banner();
    let word = banner
        .split([' ', '\'', '\n'])
        .find(|word| word.starts_with("rtmp://") && word.contains("?sign="));
    let push = word.unwrap_or_else(|| panic!("no push address in {banner}"));
    let _publisher = Picture::default().push(push);
    eventually("the printed address goes live", async || {
        let answer = reqwest::get(server.http("/live/live.flv")).await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

/// Runs what must fail at start and answers the one line that it says.
async fn fails(data: &Path, arguments: &[&str]) -> String {
    let standard = ["--api-token", TOKEN, "--secret", lsv_tests::SECRET];
    let (status, said) = lsv(data, &[&standard, arguments].concat()).await;
    println!("{said}");
    assert_eq!(status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(said.trim().lines().count(), 1, "{arguments:?}: {said}");
    said.trim().to_owned()
}

fn files_of(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_file()).collect()
}
