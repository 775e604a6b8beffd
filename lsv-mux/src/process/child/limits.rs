//! How a child is held to the size of its task: from outside, as nothing runs in it before ffmpeg does.

use lsv_core::channel::TaskSize;
use rustix::io;
use rustix::process::{Pid, Resource, Rlimit, prlimit, setpriority_process};

use super::cgroup::Cgroup;

/// What holds a child.
#[derive(Debug)]
pub(super) enum Limits {
    /// A control group of its own, removed with this.
    Group(#[expect(dead_code, reason = "it is held, and shown in logs")] Cgroup),
    /// Limits of the process alone.
    Process,
    /// Nothing: it has ended already, or the system does not allow it.
    None,
}

impl Limits {
    /// Holds the process `id`, which has just been started.
    pub(super) fn hold(id: Option<u32>, size: TaskSize) -> Self {
        let Some(pid) = id.and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return Self::None;
        };
        // A core dump has the size of the process, and somebody's pictures in it.
        let held = bound(pid, Resource::Core, 0);
        if let Some(group) = Cgroup::of(pid, size) {
            return Self::Group(group);
        }
        let bytes = u64::from(size.memory_mib()) << 20;
        let held = held
            .and_then(|()| bound(pid, Resource::Data, bytes))
            .and_then(|()| match niceness(size) {
                0 => Ok(()),
                nice => setpriority_process(Some(pid), nice),
            });
        match held {
            Ok(()) => Self::Process,
            Err(error) => {
                tracing::warn!(%error, %size, "a child process cannot be held to its size");
                Self::None
            }
        }
    }
}

/// How many threads a task of `size` runs in one decoder or encoder: its processors, at least one.
pub const fn threads(size: TaskSize) -> u32 {
    size.cpu().div_ceil(1_024)
}

fn bound(pid: Pid, resource: Resource, most: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    prlimit(Some(pid), resource, limit).map(drop)
}

/// Five steps are a third of the share of a process of ordinary priority, ten a tenth.
const fn niceness(size: TaskSize) -> i32 {
    match size.cpu() {
        ..=256 => 10,
        257..1_024 => 5,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_priorities_of_sizes() {
        use TaskSize::{Large, Medium, Micro, Small, Xlarge};
        let of = [Micro, Small, Medium, Large, Xlarge].map(|size| (threads(size), niceness(size)));
        assert_eq!(of, [(1, 10), (1, 5), (1, 0), (2, 0), (4, 0)]);
    }
}
