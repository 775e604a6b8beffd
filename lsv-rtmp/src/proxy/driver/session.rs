//! One client, from its first byte to the last.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};
use tracing::Instrument;

use super::dial::{self, BackEnd};
use super::door::{Arrival, Door, Guest};
use super::splice::{self, Splice};
use super::{Error, Shared};
use crate::net::{Io, now};
use crate::proxy::{Continuation, Handover, Mode, Sniffer, Wish};
use crate::proxy_protocol::Header;

/// Serves a client to its end, and tells the log and the metrics how that came.
pub(super) async fn serve(shared: &Arc<Shared>, arrival: Arrival, door: &Door) {
    let span = tracing::info_span!("client", peer = %arrival.peer, client = tracing::field::Empty);
    let served = admit(shared, arrival, door).instrument(span.clone()).await;
    let _entered = span.enter();
    match served {
        Ok(()) => {}
        Err(Error::Refused(refusal)) => {
            metrics::counter!("lsv_proxy_refused_total", "reason" => refusal.code()).increment(1);
            tracing::info!(reason = refusal.code(), "refused: {refusal}");
        }
        Err(error @ Error::BackEnd(_)) => tracing::warn!(%error, "the session broke"),
        Err(error) => tracing::debug!(%error, "the session broke"),
    }
}

async fn admit(shared: &Arc<Shared>, arrival: Arrival, door: &Door) -> Result<(), Error> {
    let peer = arrival.peer;
    let guest = door.enter(arrival, shared).await?;
    if let Header::Proxied { source, .. } = guest.header
        && source != peer
    {
        tracing::Span::current().record("client", tracing::field::display(source));
    }
    match shared.config.mode {
        Mode::Tcp => carry(shared, guest).await,
        Mode::Rtmp => receive(shared, guest).await,
    }
}

/// Layer 4: whatever it is, it goes to a back end.
async fn carry(shared: &Arc<Shared>, guest: Guest) -> Result<(), Error> {
    let back_end = dial::open(shared, None, guest.header).await?;
    tracing::info!(back_end = %back_end.counted.address(), "carrying");
    let Guest {
        io, input, place, ..
    } = guest;
    let ended = splice(shared, io, back_end, input, None).await;
    drop(place);
    ended
}

/// RTMP: the client says what it wants before a back end is chosen.
async fn receive(shared: &Arc<Shared>, guest: Guest) -> Result<(), Error> {
    let Guest {
        io: mut client,
        mut input,
        header,
        place,
    } = guest;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
    let mut sniffer = Sniffer::new(&shared.config, seed, now());
    let sniffed = sniff(shared, &mut client, &mut sniffer, &mut input).await;
    let wish = match sniffed {
        Ok(Some(wish)) => wish,
        Ok(None) => return Ok(()),
        Err(error) => {
            say_goodbye(client, &mut sniffer).await;
            return Err(error);
        }
    };
    let opened = dial::open(shared, Some(&wish), header).await;
    let back_end = match opened {
        Ok(back_end) => back_end,
        Err(error) => {
            if let Error::Refused(refusal) = &error {
                sniffer.refuse(&refusal.to_string())?;
            }
            say_goodbye(client, &mut sniffer).await;
            return Err(error);
        }
    };
    let address = back_end.counted.address();
    tracing::info!(back_end = %address, channel = ?wish.channel(), purpose = ?wish.purpose, "carrying");
    let Handover {
        replay,
        continuation,
    } = sniffer.hand_over()?;
    drop(sniffer);
    let mut first = BytesMut::from(replay);
    first.unsplit(input);
    let ended = splice(shared, client, back_end, first, Some(continuation)).await;
    drop(place);
    ended
}

/// Talks to the client until it has said what it wants; `None` where it leaves before.
async fn sniff(
    shared: &Shared,
    client: &mut Box<dyn Io>,
    sniffer: &mut Sniffer,
    input: &mut BytesMut,
) -> Result<Option<Wish>, Error> {
    loop {
        let wish = sniffer.next(input, now())?;
        write(client, sniffer, shared.config.stall_timeout).await?;
        if wish.is_some() || sniffer.is_closing() {
            return Ok(wish);
        }
        let deadline = sniffer.timeout().unwrap_or_else(now);
        tokio::select! {
            read = client.read_buf(input) => if read? == 0 {
                return Ok(None);
            },
            () = sleep_until(deadline.into()) => sniffer.handle_timeout(now())?,
        }
    }
}

async fn write(
    client: &mut Box<dyn Io>,
    sniffer: &mut Sniffer,
    patience: Duration,
) -> Result<(), Error> {
    let output = sniffer.take_output();
    let write = async {
        client.write_all(&output).await?;
        client.flush().await
    };
    Ok(timeout(patience, write)
        .await
        .map_err(|_| Error::Stalled(patience))??)
}

/// Says what is left to say and closes, without waiting long for a client that does not listen.
async fn say_goodbye(mut client: Box<dyn Io>, sniffer: &mut Sniffer) {
    let goodbye = async {
        write(&mut client, sniffer, splice::GOODBYE).await?;
        splice::hang_up(client).await
    };
    // However it goes, the connection is over.
    drop(timeout(splice::GOODBYE, goodbye).await);
}

async fn splice(
    shared: &Shared,
    client: Box<dyn Io>,
    back_end: BackEnd,
    first: BytesMut,
    continuation: Option<Continuation>,
) -> Result<(), Error> {
    let BackEnd {
        tcp,
        input,
        counted,
    } = back_end;
    let splice = Splice {
        patience: shared.config.stall_timeout,
        to_back_end: first,
        from_back_end: input,
        continuation,
    };
    let started = now();
    let address = counted.address();
    let moved = splice.run(client, tcp, counted).await?;
    let seconds = now().saturating_duration_since(started).as_secs();
    tracing::info!(
        back_end = %address, seconds, bytes_in = moved.to_back_end, bytes_out = moved.to_client,
        "the session is over"
    );
    Ok(())
}
