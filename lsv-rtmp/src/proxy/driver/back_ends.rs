//! Following the list of back ends: names are looked up again and again, what is new is checked.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{Shared, check};
use crate::net::now;
use crate::proxy::{BackEnds, Endpoint, Known};

/// Keeps the pool's list up to date until it is dropped.
pub(super) async fn follow(shared: Arc<Shared>, mut list: watch::Receiver<BackEnds>) {
    let (sender, mut answers) = mpsc::channel(16);
    let mut names: HashMap<Endpoint, Name> = HashMap::new();
    let mut checks: HashMap<SocketAddr, AbortOnDropHandle<()>> = HashMap::new();
    loop {
        let back_ends = list.borrow_and_update().clone();
        names.retain(|name, _| back_ends.endpoints.contains(name));
        for endpoint in back_ends.endpoints.iter().filter(|e| e.name().is_some()) {
            names
                .entry(endpoint.clone())
                .or_insert_with(|| Name::follow(&shared, endpoint, sender.clone()));
        }
        let fixed = back_ends.endpoints.iter().filter_map(Endpoint::address);
        let looked_up = names.values().flat_map(|name| name.known.addresses());
        let addresses = fixed.chain(looked_up).collect();
        apply(&shared, &mut checks, &addresses, back_ends.connections_each);
        tokio::select! {
            // Once nobody can replace the list any more it stays; names are followed all the same.
            Ok(()) = list.changed() => {}
            Some((name, addresses)) = answers.recv() => {
                if let Some(name) = names.get_mut(&name) {
                    name.known.answered(addresses, now());
                }
            }
        }
    }
}

/// A name that is looked up by a task of its own, so that a slow one holds up no other.
struct Name {
    known: Known,
    _looking_up: AbortOnDropHandle<()>,
}

type Answer = (Endpoint, Vec<SocketAddr>);

impl Name {
    fn follow(shared: &Arc<Shared>, endpoint: &Endpoint, answers: mpsc::Sender<Answer>) -> Self {
        let task = look_up(Arc::clone(shared), endpoint.clone(), answers);
        Self {
            known: Known::new(shared.config.forget_after),
            _looking_up: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }
}

async fn look_up(shared: Arc<Shared>, endpoint: Endpoint, answers: mpsc::Sender<Answer>) {
    let Some(name) = endpoint.name() else {
        return;
    };
    let mut failing = false;
    loop {
        match tokio::net::lookup_host(name).await {
            Ok(addresses) => {
                failing = false;
                let answer = (endpoint.clone(), addresses.collect());
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%endpoint, %error, "the name cannot be looked up; its last addresses stay");
            }
            Err(_) => {}
        }
        tokio::time::sleep(shared.config.resolve_interval).await;
    }
}

fn apply(
    shared: &Arc<Shared>,
    checks: &mut HashMap<SocketAddr, AbortOnDropHandle<()>>,
    addresses: &BTreeSet<SocketAddr>,
    connections_each: Option<usize>,
) {
    let changes = shared.pool().replace(addresses, connections_each);
    for back_end in changes.removed {
        tracing::info!(%back_end, "the back end is gone from the list; its sessions go on");
        checks.remove(&back_end);
        // A series cannot be taken back, and what is gone on purpose must not look as if it were down.
        metrics::gauge!("lsv_proxy_back_end_up", "back_end" => back_end.to_string()).set(-1);
    }
    for back_end in changes.added {
        tracing::info!(%back_end, "a new back end");
        let task = tokio::spawn(check::check(Arc::clone(shared), back_end));
        checks.insert(back_end, AbortOnDropHandle::new(task));
    }
}
