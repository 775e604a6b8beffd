//! How much storage the recordings of a channel take, by kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::body::Id;
use super::problem::{Answer, ProblemDocument};
use super::recordings::prefix;
use crate::ports::{ObjectStore, PageRequest, Result};
use crate::recording::Kind;

/// Adds up what was recorded of a channel. It looks at each object, at most 100,000 of them: ask now and then, not each second.
#[utoipa::path(
    get, path = "/videostream/{id}/usage", tag = "recordings", params(("id" = String, Path)),
    responses(
        (status = 200, description = "Bytes and objects, in all and by kind", body = Usage),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
    ),
)]
pub(super) async fn usage(State(api): State<Arc<Api>>, Id(id): Id) -> Answer<Json<Usage>> {
    api.channels.get(&id).await?;
    let usage = Usage::of(&*api.objects, &prefix(&id), PageRequest::default()).await?;
    Ok(Json(usage))
}

/// What is stored of a channel.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Usage {
    #[serde(flatten)]
    all: Stored,
    /// Whether all of it was looked at; otherwise there is more.
    complete: bool,
    /// By kind. Segments and thumbnails count for `on-demand`.
    #[schema(value_type = BTreeMap<String, Stored>)]
    kinds: BTreeMap<&'static str, Stored>,
}

/// Objects in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Stored {
    /// Their bytes together.
    bytes: u64,
    /// How many there are.
    objects: u64,
}

impl Usage {
    /// What has `prefix` in front of its name, as far as [`MAX_PAGES`] go from `page` on.
    async fn of(objects: &dyn ObjectStore, prefix: &str, mut page: PageRequest) -> Result<Self> {
        let mut usage = Self::new();
        for _ in 0..MAX_PAGES {
            let found = objects.list(prefix, &page).await?;
            for object in &found.items {
                let name = object.name.as_str().strip_prefix(prefix);
                usage.add(name.unwrap_or_default(), object.size);
            }
            page.cursor = found.next;
            if page.cursor.is_none() {
                usage.complete = true;
                break;
            }
        }
        Ok(usage)
    }

    fn new() -> Self {
        let none = Stored::default();
        Self {
            all: none,
            complete: false,
            kinds: Kind::ALL.map(|kind| (kind.as_str(), none)).into(),
        }
    }

    /// Counts the object `name`, below the channel's folder.
    fn add(&mut self, name: &str, size: u64) {
        let kind = Kind::holding(name).and_then(|kind| self.kinds.get_mut(kind.as_str()));
        for stored in [Some(&mut self.all), kind].into_iter().flatten() {
            stored.bytes = stored.bytes.saturating_add(size);
            stored.objects += 1;
        }
    }
}

/// Most pages that are read for one answer: bounds its time.
const MAX_PAGES: usize = 100;

#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests {
    use super::*;
    use crate::embedded::Objects;
    use crate::ports::ObjectName;

    #[tokio::test]
    async fn it_ends_and_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let objects = Objects::open(directory.path()).expect("a store");
        let put = async |number: usize| {
            let name = format!("record/cam/mp4/2032/12/09/{number}.mp4");
            let name = ObjectName::parse(&name).expect("a name");
            objects.put(&name, "12".into()).await.expect("is put");
        };
        for number in 0..MAX_PAGES {
            put(number).await;
        }
        let one_by_one = || Usage::of(&objects, "record/cam/", PageRequest::first(1));
        let whole = one_by_one().await.expect("usage");
        assert_eq!((whole.all.objects, whole.complete), (100, true));
        put(MAX_PAGES).await;
        let partly = one_by_one().await.expect("usage");
        assert_eq!((partly.all.objects, partly.all.bytes), (100, 200));
        assert_eq!((partly.kinds["file"], partly.complete), (partly.all, false));
    }
}
