//! The rest of an object whose beginning is given out already.

use std::sync::Arc;

use lsv_core::cache::Life;

use super::body::{Arrival, Body};
use super::client::{Ask, Reply, Rest};
use super::failure::Failure;
use super::fetch::Job;
use super::find::now;
use super::object::{Content, Object};
use super::upstream::Upstream;

impl Job {
    /// Takes the rest of an object, from others if one breaks off.
    pub(super) async fn receive(
        self,
        object: Arc<Object>,
        mut arrival: Arrival,
        mut rest: Rest,
        upstreams: Vec<Upstream>,
    ) {
        let mut others = upstreams.iter().cycle().skip(1).take(upstreams.len());
        let failure = loop {
            let failure = match drain(&mut arrival, &mut rest).await {
                Ok(()) => match arrival.finish() {
                    Ok(()) => return self.keep(&object),
                    Err(failure) => return self.forget(&object, &failure),
                },
                Err(failure) => failure,
            };
            let Some(upstream) = others.next().filter(|_| failure.is_fault()) else {
                break failure;
            };
            match self.go_on(upstream, &object, arrival.length()).await {
                Ok(next) => rest = next,
                Err(_) => break failure,
            }
        };
        self.forget(&object, &failure);
        arrival.fail(failure);
    }

    /// The rest of the very same object from another upstream.
    async fn go_on(
        &self,
        upstream: &Upstream,
        object: &Object,
        arrived: u64,
    ) -> Result<Rest, Failure> {
        let (Some(tag), Content::Body(body)) = (object.head.strong_tag(), &object.content) else {
            return Err(Failure::Replaced);
        };
        let length = body.length().ok_or(Failure::Replaced)?;
        let (start, total) = match &self.wish.part {
            Some(part) => (part.range.start, part.total),
            None => (0, length),
        };
        let ask = Ask {
            wish: &self.wish,
            way: &self.way,
            known: None,
            range: Some((start + arrived, start + length - 1)),
        };
        let patience = self.wish.patience(&self.edge.limits);
        match self.ask(upstream, &ask, patience).await? {
            Reply::Part { head, range, rest }
                if head.strong_tag() == Some(tag) && range.total == total =>
            {
                Ok(rest)
            }
            _ => Err(Failure::Replaced),
        }
    }

    /// All of `object` is there.
    fn keep(&self, object: &Arc<Object>) {
        let memory = &self.edge.memory;
        let life = object.head.life(self.wish.kind, &self.edge.limits);
        if memory
            .spare(&self.key, now())
            .is_some_and(|kept| Arc::ptr_eq(&kept.value, object))
        {
            // Once more: what it weighs is known by now.
            memory.insert(Arc::clone(&self.key), Arc::clone(object), life, now());
        }
        self.edge.gauge();
        self.write_disk(object, life);
    }

    /// No more of `object` will come.
    fn forget(&self, object: &Arc<Object>, failure: &Failure) {
        let (channel, path) = (&self.wish.channel, &self.wish.path);
        tracing::warn!(%channel, %path, %failure, "an object broke off on its way from upstream");
        let memory = &self.edge.memory;
        if memory
            .spare(&self.key, now())
            .is_some_and(|kept| Arc::ptr_eq(&kept.value, object))
        {
            memory.remove(&self.key);
        }
    }

    pub(super) async fn read_disk(&self) -> Option<(Object, Life)> {
        let disk = self.edge.disk.as_ref();
        let disk = disk.filter(|_| self.wish.kind.is_recorded())?;
        let (head, bytes, life) = disk.read(&self.key).await?;
        let body = Arc::new(Body::whole(bytes));
        Some((Object::new(head, Content::Body(body)), life))
    }

    pub(super) fn write_disk(&self, object: &Object, life: Life) {
        let Some(disk) = self
            .edge
            .disk
            .as_ref()
            .filter(|_| self.wish.kind.is_recorded())
        else {
            return;
        };
        if let Content::Body(body) = &object.content
            && let Some(bytes) = body.get()
        {
            disk.keep(&self.key, &object.head, bytes.clone(), life);
        }
    }
}

async fn drain(arrival: &mut Arrival, rest: &mut Rest) -> Result<(), Failure> {
    while let Some(bytes) = rest.next().await? {
        arrival.push(&bytes)?;
    }
    Ok(())
}
