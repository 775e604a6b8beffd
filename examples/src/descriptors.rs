//! File descriptors: each connection takes one, and a process that has none left can do nothing at all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit as far as the system lets it, and gives how many connections each of `listeners` may
/// have at once so that descriptors are left for everything else.
pub fn connections_each(listeners: usize) -> usize {
    share(raise(), listeners)
}

/// The limit that now holds; `None` for none.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = ?limit.current, "the number of open files could not be raised");
            limit.current
        }
    }
}

fn share(limit: Option<u64>, listeners: usize) -> usize {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let free = limit.unwrap_or(usize::MAX).saturating_sub(RESERVE);
    (free / listeners.max(1)).max(1)
}

/// Descriptors that connections leave to stores, logs, listeners and what they open in turn.
const RESERVE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_reserve() {
        assert_eq!(share(Some(1_024), 2) * 2 + RESERVE, 1_024);
        assert_eq!(share(Some(10), 3), 1);
        assert!(share(None, 3) > 1_000_000);
    }

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        let limit = raise();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
        assert_eq!(limit, getrlimit(Resource::Nofile).current);
    }
}
