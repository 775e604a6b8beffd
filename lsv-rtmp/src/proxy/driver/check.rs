//! Checking a back end, again and again.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Error, Shared, dial};
use crate::proxy::Check;
use crate::proxy_protocol::Header;

/// Tells the pool how `back_end` does, until it is dropped.
pub(super) async fn check(shared: Arc<Shared>, back_end: SocketAddr) {
    let every = shared.config.check_interval;
    let up = metrics::gauge!("lsv_proxy_back_end_up", "back_end" => back_end.to_string());
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let outcome = timeout(every, probe(&shared, back_end))
            .await
            .unwrap_or(Err(Error::Stalled(every)));
        if matches!(&outcome, Err(Error::Io(error)) if dial::is_own_fault(error)) {
            continue;
        }
        let changed = shared.pool().checked(back_end, outcome.is_ok());
        match (changed, outcome) {
            (Some(true), _) => {
                up.set(1);
                tracing::info!(%back_end, "the back end is up");
            }
            (Some(false), Err(error)) => {
                up.set(0);
                tracing::warn!(%back_end, %error, "the back end is down");
            }
            _ => {}
        }
    }
}

async fn probe(shared: &Shared, back_end: SocketAddr) -> Result<(), Error> {
    let mut tcp = TcpStream::connect(back_end).await?;
    if shared.config.check == Check::Rtmp {
        if shared.config.proxy_protocol {
            dial::introduce(&mut tcp, Header::Local).await?;
        }
        dial::shake_hands(&mut tcp).await?;
    }
    Ok(())
}
