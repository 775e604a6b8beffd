//! A node that stops: publishers that can go elsewhere have time to, and their viewers see them until they do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lsv_rtmp::{
    net::{
        Client,
        client::{Error, Notice, Publishing},
    },
    session::Media,
};
use lsv_tests::{PATIENCE, Server, Signal, Viewer, eventually};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{interval, timeout},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_can_go_elsewhere_is_waited_for() {
    // Longer than the test waits for anything: the node stops when the publisher has left, not when the grace is over.
    let mut server = Server::start(&["--grace", "5m"]).await;
    let mut publisher = Publisher::start(&server).await;
    let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
    viewer.goes_on(4 * 1024).await;

    server.process().signal(Signal::TERM);
    publisher.is_asked().await;
    viewer.goes_on(64 * 1024).await;
    assert!(server.process().runs());
    publisher.leave.notify_one();
    publisher.task.await.unwrap().unwrap();
    let status = server.process().ended().await;
    assert!(status.success(), "{status}: {}", server.log());
    let end = eventually("the viewer's end", async || viewer.got().ended).await;
    assert_eq!(end, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_stays_is_closed_in_order_before_the_grace_is_over() {
    let mut server = Server::start(&["--grace", "8s"]).await;
    let mut publisher = Publisher::start(&server).await;
    let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
    viewer.goes_on(4 * 1024).await;

    server.process().signal(Signal::TERM);
    publisher.is_asked().await;
    let end = eventually("the viewer's end", async || viewer.got().ended).await;
    assert_eq!(end, Ok(()));
    assert!(publisher.task.await.unwrap().is_err());
    let status = server.process().ended().await;
    assert!(status.success(), "{status}: {}", server.log());
}

/// Our client, which sends sound until it is told to leave.
struct Publisher {
    leave: Arc<Notify>,
    notices: mpsc::UnboundedReceiver<Notice>,
    task: JoinHandle<Result<(), Error>>,
}

impl Publisher {
    async fn start(server: &Server) -> Self {
        let key = server.api().channel("gate").await;
        let address = server.rtmp(&key).parse().expect("an address");
        let publishing = Client::default().publish(&address).await;
        let publishing = publishing.expect("it is let in");
        let leave = Arc::new(Notify::new());
        let (sender, notices) = mpsc::unbounded_channel();
        Self {
            task: tokio::spawn(publish(publishing, Arc::clone(&leave), sender)),
            leave,
            notices,
        }
    }

    /// Waits for the request, and until the client has found nothing to go to: it leads to the same address.
    async fn is_asked(&mut self) {
        let next = timeout(PATIENCE, self.notices.recv());
        let asked = next.await.expect("it is asked");
        assert!(
            matches!(asked, Some(Notice::ReconnectRequested { .. })),
            "{asked:?}"
        );
        let next = timeout(PATIENCE, self.notices.recv());
        let stayed = next.await.expect("it stays");
        assert!(matches!(stayed, Some(Notice::Stayed(_))), "{stayed:?}");
    }
}

async fn publish(
    mut publishing: Publishing,
    leave: Arc<Notify>,
    notices: mpsc::UnboundedSender<Notice>,
) -> Result<(), Error> {
    let sound = |timestamp, body: Vec<u8>| Media::Audio {
        timestamp,
        payload: Bytes::from(body),
    };
    let header = sound(0, b"\xAF\x00\x12\x10".to_vec());
    publishing.send_media(&header).await?;
    let mut tick = interval(EVERY);
    for timestamp in (0..).step_by(EVERY.as_millis() as usize) {
        let mut frame = b"\xAF\x01".to_vec();
        frame.resize(500, 7);
        publishing.send_media(&sound(timestamp, frame)).await?;
        loop {
            tokio::select! {
                _ = tick.tick() => break,
                notice = publishing.event() => drop(notices.send(notice?)),
                () = leave.notified() => return publishing.finish().await,
            }
        }
    }
    Ok(())
}

/// From one sound to the next.
const EVERY: Duration = Duration::from_millis(20);
