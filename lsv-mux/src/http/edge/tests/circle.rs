//! Ways of requests: what is made up about them, and nodes that are each other's upstreams.

use lsv_core::channel::Channel;
use lsv_core::ports::{AccessRequest, Authorizer, Denied, Grant};

use super::*;

/// Lets everybody in, and takes who shows `node=secret` for a node.
#[derive(Debug)]
struct NodesByName;

#[async_trait]
impl Authorizer for NodesByName {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        let channel = Channel::new(request.path.channel.clone(), request.now);
        let mut grant = Grant::new(Arc::new(channel), None);
        grant.of_node = request.query.is_some_and(|query| query.contains(NODE));
        Ok(grant)
    }
}

/// Edges in a ring: each asks the next, and after that `gateway`, which all of them have.
async fn ring(edges: usize, gateway: &Node, do_know: bool) -> Vec<Front> {
    let mut listeners = Vec::new();
    for _ in 0..edges {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    let mut fronts = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let next = Upstream::new(base(addresses[(index + 1) % edges])).with_credential(NODE);
        let mut front = Front::with(vec![next, gateway.upstream()], |config, limits| {
            config.name = NodeName::parse(&format!("edge-{index}")).unwrap();
            limits.head = FOR_EVER;
            limits.playlist = FOR_EVER;
        });
        if do_know {
            let mut state = state(&Hub::default()).with_edge(front.edge.clone());
            state.authorizer = Arc::new(NodesByName);
            front.router = router(state);
        }
        let service = front.router.clone();
        drop(tokio::spawn(
            async move { axum::serve(listener, service).await },
        ));
        fronts.push(front);
    }
    fronts
}

/// All of them are asked for the same cold object at the same moment. None waits for another that waits for it: what ends
/// here would end after an hour.
#[tokio::test]
async fn edges_that_are_each_others_upstreams_do_not_wait_for_each_other() {
    for (edges, do_know) in [(2, true), (3, true), (2, false), (3, false)] {
        let gateway = Node::start(async |parts: Parts| match parts.uri.path() {
            path if path.contains("none") => StatusCode::NOT_FOUND.into_response(),
            path if path.ends_with(".m3u8") => playlist("#EXTM3U\n", "\"p\"", "no-cache"),
            _ => media(counted(100_000)),
        })
        .await;
        let fronts = ring(edges, &gateway, do_know).await;
        for (path, expected) in [
            (SEGMENT, StatusCode::OK),
            ("/cam/live.m3u8", StatusCode::OK),
            ("/cam/vod/20261123T000000Z/segment-1.m4s", StatusCode::OK),
            ("/cam/ts/none.ts", StatusCode::NOT_FOUND),
            ("/cam/vod/20261123T000000Z/none.m4s", StatusCode::NOT_FOUND),
        ] {
            let asked = gateway.count();
            let answers = join_all(fronts.iter().map(|front| front.get(path)));
            let answers = tokio::time::timeout(CAP, answers).await;
            let what = format!("{path} of {edges} edges that tell nodes: {do_know}");
            for answer in answers.unwrap_or_else(|_| panic!("{what}: no answer")) {
                assert_eq!(answer.status(), expected, "{what}");
                body(answer).await;
            }
            let most = edges * lsv_core::via::MAX_NODES;
            let asked = gateway.count() - asked;
            assert!((1..=most).contains(&asked), "{what}: {asked} asked");
            for front in &fronts {
                let held = front.edge.held();
                assert_eq!((held.fetches, held.waiting), (0, 0), "{what}");
            }
        }
    }
}

/// Each node that a request has passed is believed by the next: it ends where it would come around.
#[tokio::test]
async fn a_circle_of_nodes_that_know_each_other_asks_each_of_them_once() {
    let gateway = Node::start(async |_| StatusCode::NOT_FOUND.into_response()).await;
    let fronts = ring(3, &gateway, true).await;
    let answer = tokio::time::timeout(CAP, fronts[0].get(SEGMENT)).await;
    assert_eq!(answer.unwrap().status(), StatusCode::NOT_FOUND);
    let mut ways: Vec<String> = gateway.asked.lock().unwrap().iter().map(via).collect();
    ways.sort_unstable();
    let all = [
        "1.1 edge-0",
        "1.1 edge-0, 1.1 edge-1",
        "1.1 edge-0, 1.1 edge-1, 1.1 edge-2",
    ];
    assert_eq!(ways, all);
}

/// Whatever a viewer says of the way, those who wait for the same object get it.
#[tokio::test]
async fn a_made_up_way_harms_nobody_else() {
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&go);
    let node = Node::start(move |parts: Parts| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            // As nodes of another tier do.
            let way = via(&parts);
            match way.contains("node-x") || way.split(',').count() >= 8 {
                true => StatusCode::LOOP_DETECTED.into_response(),
                false => media(counted(1000)),
            }
        }
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    let eight = ["1.1 x"; 8].join(", ");
    let seven = ["1.1 x"; 7].join(", ");
    let long = "x".repeat(2000);
    // Each makes a fetch of its own begin, before anybody else asks.
    let liars = [seven.as_str(), "1.1 node-x"].map(|said| {
        let (router, said) = (front.router.clone(), said.to_owned());
        tokio::spawn(async move { get(&router, SEGMENT, &[("via", &said)]).await })
    });
    until(|| node.count() == 2).await;
    // These are refused at once.
    for said in [&eight, &long, "1.1 a, 1.1 edge-1"] {
        let refused = front.ask(SEGMENT, &[("via", said)]).await;
        assert_eq!(refused.status(), StatusCode::LOOP_DETECTED, "{said}");
    }
    let viewers = (0..10).map(|_| {
        let router = front.router.clone();
        tokio::spawn(async move { get(&router, SEGMENT, &[]).await })
    });
    let viewers: Vec<_> = viewers.collect();
    until(|| front.edge.held().waiting == 9).await;
    assert_eq!(front.edge.held().fetches, 3);
    go.add_permits(3);
    for viewer in join_all(viewers).await {
        assert_eq!(viewer.unwrap().status(), StatusCode::OK);
    }
    // A refusal, or what others have got meanwhile.
    for liar in join_all(liars).await {
        let status = liar.unwrap().status();
        assert!(matches!(status.as_u16(), 200 | 508), "{status}");
    }
    assert_eq!(node.count(), 3);
}

/// A way that leads nowhere is no reason to answer others with what is old.
#[tokio::test]
async fn a_made_up_way_holds_up_no_playlist() {
    let node = Node::start(async |parts: Parts| match via(&parts).as_str() {
        "1.1 edge-1" => playlist("#EXTM3U\n", "\"p\"", "no-cache"),
        _ => StatusCode::LOOP_DETECTED.into_response(),
    })
    .await;
    // It fails, too, where nobody else asks it.
    let broken = Node::start(async |_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let front = Front::of(vec![node.upstream(), broken.upstream()]);
    for _ in 0..3 {
        let response = front.get("/cam/live.m3u8").await;
        assert_eq!(field(&response, "x-cache"), "MISS");
        let liar = front.ask("/cam/live.m3u8", &[("via", "1.1 x")]).await;
        assert_eq!(field(&liar, "x-cache"), "STALE");
    }
}

/// What a node finds nowhere but on the way of a request may still be had on another way: it says so to nodes, which then
/// remember no absence.
#[tokio::test]
async fn an_absence_of_one_way_is_told_as_none() {
    let passed = Node::start(async |_| StatusCode::LOOP_DETECTED.into_response()).await;
    let empty = Node::start(async |_| StatusCode::NOT_FOUND.into_response()).await;
    let mut front = Front::of(vec![passed.upstream(), empty.upstream()]);
    let mut state = state(&Hub::default()).with_edge(front.edge.clone());
    state.authorizer = Arc::new(NodesByName);
    front.router = router(state);
    let way = [("via", "1.1 x")];
    for (address, status) in [
        (format!("{SEGMENT}?{NODE}"), StatusCode::LOOP_DETECTED),
        (SEGMENT.to_owned(), StatusCode::NOT_FOUND),
    ] {
        for asked in 1..=2 {
            assert_eq!(front.ask(&address, &way).await.status(), status);
            // Nothing is remembered of it.
            assert_eq!(empty.count(), asked, "{address}");
        }
        empty.asked.lock().unwrap().clear();
    }
    for _ in 0..2 {
        assert_eq!(front.get(SEGMENT).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(empty.count(), 1);
}

async fn until(holds: impl Fn() -> bool) {
    let look = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(CAP, look).await.expect("it happens");
}

fn via(parts: &Parts) -> String {
    let via = parts.headers[header::VIA].to_str();
    via.unwrap().to_owned()
}

const NODE: &str = "node=secret";
const FOR_EVER: Duration = Duration::from_secs(3600);
/// Generous: all of it takes some milliseconds.
const CAP: Duration = Duration::from_secs(60);
