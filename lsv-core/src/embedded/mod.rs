//! The ports of one machine: channels in one redb file, objects in a directory, sessions in memory, tasks in this process.

mod channels;
mod class;
mod objects;
mod sessions;
mod tasks;

pub use channels::Channels;
pub use objects::Objects;
pub use sessions::Sessions;
pub use tasks::Tasks;

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> crate::ports::Result<T> + Send + 'static,
) -> crate::ports::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(crate::ports::Error::unavailable(format_args!(
                "the store's worker ended: {error}"
            )))
        })
}
