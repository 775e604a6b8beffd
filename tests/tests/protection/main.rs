//! Who may watch: every kind of protection, by those whom it lets in and those whom it does not, on every way out of a
//! real process. `--nocapture` prints the table.

mod asking;
mod caps;
mod kinds;
mod players;
mod ways;

use lsv_tests::{PLAYBACK_SECRET, Picture, Process, Server, eventually};
use serde_json::json;

use asking::{Asker, Told};
use kinds::{Case, kinds};
use ways::ways;

/// A channel that is live and recorded, in every form.
struct Live {
    server: Server,
    _publisher: Process,
}

impl Live {
    /// Behind a proxy on this machine, which tells where viewers are.
    async fn start() -> Self {
        let keys = format!("{}={}", kinds::KEY_PAIR, kinds::public_key());
        let signs = format!("{}={}", kinds::KEY_PAIR, kinds::private_key());
        let flags = [
            "--trusted-proxies",
            "127.0.0.1",
            "--cloudfront-keys",
            &keys,
            "--cloudfront-hosts",
            "127.0.0.1",
            "--cloudfront-sign",
            &signs,
        ];
        Self::start_with(&flags).await
    }

    async fn start_with(flags: &[&str]) -> Self {
        let server = Server::start(flags).await;
        let channel = json!({
            "id": "cam", "isCMAF": true, "hls_time": 1, "hls_list_size": 20,
            "isVideo": true, "video_time": 5, "isOnDemand": true, "ondemand_time": 2,
        });
        let channel = server.api().create(&channel).await;
        let publisher = Picture::default().push(&server.rtmp(&lsv_tests::stream_key(&channel)));
        Self {
            server,
            _publisher: publisher,
        }
    }
}

#[tokio::test]
async fn every_kind_on_every_way_out() {
    let live = Live::start().await;
    let asker = Asker::new(&live.server);
    println!("{:<12} {:<34} answers", "kind", "who");
    let mut wrong = Vec::new();
    for kind in kinds(live.server.base()) {
        live.server.api().change("cam", &kind.settings).await;
        // With the credential of a node, so that what there is can be found out under any protection.
        let ways = ways(&asker).await;
        for case in &kind.cases {
            asker.in_force(case).await;
            let answers =
                futures::future::join_all(ways.iter().map(|way| asker.ask(way, case))).await;
            let mut shown = Vec::new();
            for (way, answer) in ways.iter().zip(answers) {
                let expected = match case.is_let_in(way) {
                    true => way.allowed,
                    false => 403,
                };
                shown.push(format!("{} {}", way.label, answer.status));
                if answer.status != expected {
                    wrong.push(format!(
                        "{} / {} / {}: {} instead of {expected}",
                        kind.name, case.who, way.label, answer.status
                    ));
                }
                if expected == 403 {
                    wrong.extend(answer.leaks(way, case));
                }
            }
            println!("{:<12} {:<34} {}", kind.name, case.who, shown.join(", "));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    addresses_of_the_api_let_in(&live.server).await;
    let log = live.server.log();
    for secret in ["token=", "Signature=", PLAYBACK_SECRET] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
    let metrics = live.server.api().read("/metrics").await.text;
    for reason in [
        "missing",
        "mismatch",
        "expired",
        "malformed",
        "network",
        "referer",
    ] {
        let counted = format!("reason=\"{reason}\"");
        assert!(
            metrics
                .lines()
                .any(|line| line.starts_with("lsv_refused_total") && line.contains(&counted)),
            "{reason} is not counted"
        );
    }
}

/// What is printed at the start is good for whoever typed it.
#[tokio::test]
async fn the_printed_address_lets_in() {
    for rule in ["off", "on", "ip"] {
        let server = Server::start(&["--play-token", rule]).await;
        let printed = server.printed("Watch");
        assert_eq!(status(printed).await, 200, "{rule}");
        let bare = printed.split('?').next().expect("an address");
        assert_eq!(printed == bare, rule == "off", "{printed}");
        let expected = if rule == "off" { 200 } else { 403 };
        assert_eq!(status(bare).await, expected, "{rule}");
        assert!(!server.log().contains("token="), "{rule}");
    }
}

async fn status(url: &str) -> u16 {
    reqwest::get(url)
        .await
        .expect("an answer")
        .status()
        .as_u16()
}

/// What the API gives out of a channel that takes CloudFront alone is signed, but for RTMP.
async fn addresses_of_the_api_let_in(server: &Server) {
    let settings = json!({
        "playToken": "off", "playCloudFront": "on", "playHosts": "", "playAllow": "", "playDeny": "",
    });
    server.api().change("cam", &settings).await;
    let urls = server
        .api()
        .read("/videostream/cam/urls?ttl=60")
        .await
        .json();
    let play = &urls["play"];
    assert!(!play["rtmp"].as_str().expect("an address").contains('?'));
    for output in ["flv", "hls", "cmaf", "dash"] {
        let url = play[output].as_str().expect("an address");
        let bare = url.split_once('?').expect("a credential").0;
        eventually(output, async || {
            let let_in = reqwest::get(url).await.ok()?.status() == 200;
            (let_in && reqwest::get(bare).await.ok()?.status() == 403).then_some(())
        })
        .await;
    }
}

impl Case {
    fn told(&self) -> Told {
        self.told.clone()
    }
}
