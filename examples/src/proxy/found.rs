//! Back ends that are found while the proxy runs, beside those that are listed: the tasks of a service of ECS.

use std::str::FromStr;

use lsv_rtmp::proxy::BackEnds;
use tokio::sync::watch;

/// A service of ECS, and the port that its tasks listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The name of its cluster, or that one's ARN.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Where its tasks take RTMP.
    pub port: u16,
}

impl FromStr for Service {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (service, port) = text.trim().rsplit_once(':')?;
            let (cluster, name) = service.rsplit_once('/')?;
            let port = port.parse().ok().filter(|port| *port > 0)?;
            let is_named = !cluster.is_empty() && !name.is_empty();
            is_named.then(|| Self {
                cluster: cluster.to_owned(),
                name: name.to_owned(),
                port,
            })
        };
        parts().ok_or_else(|| {
            anyhow::anyhow!(
                "discover is a service of ECS, CLUSTER/SERVICE:PORT, such as live/gateway:1935, not {text:?}"
            )
        })
    }
}

/// What is listed, and behind it where the tasks of `service` are; both as they change.
///
/// # Errors
/// Where a service is named and this binary knows no AWS.
#[cfg(feature = "aws")]
pub(super) async fn beside(
    listed: watch::Receiver<BackEnds>,
    service: Option<&Service>,
) -> anyhow::Result<watch::Receiver<BackEnds>> {
    let Some(Service {
        cluster,
        name,
        port,
    }) = service
    else {
        return Ok(listed);
    };
    let sdk = lsv_aws::load().await;
    let discovery = lsv_aws::ecs::Discovery::new(&sdk, cluster, name, *port);
    let (tell_found, found) = watch::channel(Default::default());
    tokio::spawn(discovery.follow(tell_found));
    let (tell, all) = watch::channel(listed.borrow().clone());
    tokio::spawn(join(listed, found, tell));
    Ok(all)
}

/// As above; without AWS nothing is found.
#[cfg(not(feature = "aws"))]
pub(super) async fn beside(
    listed: watch::Receiver<BackEnds>,
    service: Option<&Service>,
) -> anyhow::Result<watch::Receiver<BackEnds>> {
    match service {
        Some(_) => anyhow::bail!(
            "discover asks AWS, which this binary was built without: build it with `--features aws`"
        ),
        None => Ok(listed),
    }
}

/// Tells both together whenever one changes, until nobody looks.
#[cfg(feature = "aws")]
async fn join(
    mut listed: watch::Receiver<BackEnds>,
    mut found: watch::Receiver<std::collections::BTreeSet<std::net::SocketAddr>>,
    all: watch::Sender<BackEnds>,
) {
    loop {
        tokio::select! {
            Ok(()) = listed.changed() => {}
            Ok(()) = found.changed() => tracing::info!(tasks = found.borrow().len(), "found the service's tasks"),
            () = all.closed() => return,
            else => return,
        }
        let mut joined = listed.borrow_and_update().clone();
        for address in found.borrow_and_update().iter() {
            let endpoint = (*address).into();
            if !joined.endpoints.contains(&endpoint) {
                joined.endpoints.push(endpoint);
            }
        }
        all.send_replace(joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_with_their_cluster_and_port() {
        let service = |cluster: &str, name: &str, port| Service {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            port,
        };
        let read = |text: &str| text.parse::<Service>().ok();
        assert_eq!(
            read("live/gateway:1935"),
            Some(service("live", "gateway", 1935))
        );
        let arn = "arn:aws:ecs:eu-central-1:1:cluster/live";
        assert_eq!(
            read(&format!("{arn}/gateway:1935")),
            Some(service(arn, "gateway", 1935))
        );
        for text in [
            "",
            "gateway:1935",
            "live/gateway",
            "live/gateway:0",
            "live/gateway:65536",
            "/gateway:1",
            "live/:1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[cfg(feature = "aws")]
    #[tokio::test]
    async fn what_is_found_stands_behind_what_is_listed() {
        let mut back_ends = BackEnds::default();
        back_ends.endpoints.push("10.0.0.1:1935".parse().unwrap());
        let (list, listed) = watch::channel(back_ends);
        let (find, found) = watch::channel(Default::default());
        let (tell, mut all) = watch::channel(BackEnds::default());
        let joining = tokio::spawn(join(listed, found, tell));
        let is = |expected: &[&str]| {
            let expected: Vec<String> = expected.iter().map(|&text| text.to_owned()).collect();
            move |all: &BackEnds| {
                let endpoints = all.endpoints.iter().map(ToString::to_string);
                endpoints.collect::<Vec<_>>() == expected
            }
        };
        let [one, two] = ["10.0.0.1:1935", "10.0.0.2:1935"];
        find.send_replace([one, two].map(|it| it.parse().unwrap()).into());
        all.wait_for(is(&[one, two])).await.unwrap();
        list.send_modify(|listed| listed.endpoints.clear());
        all.wait_for(is(&[one, two])).await.unwrap();
        find.send_replace([two.parse().unwrap()].into());
        all.wait_for(is(&[two])).await.unwrap();
        drop(all);
        joining.await.unwrap();
    }
}
