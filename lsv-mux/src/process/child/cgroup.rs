//! Control groups of Linux, version 2: one for each child, below the one that was delegated to the node.
//!
//! Only a delegated group is touched (systemd marks it with an extended attribute): elsewhere the hierarchy has another
//! master. A group has either processes or groups below it, so a node that is in the delegated group itself moves into
//! a group of its own first.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{fs, io, process};

use lsv_core::channel::TaskSize;
use rustix::process::Pid;

/// The control group of one child; removed when dropped, and what is left in it is killed.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// A group for the process `pid` alone; `None` where no group was delegated to this node.
    pub(super) fn of(pid: Pid, size: TaskSize) -> Option<Self> {
        static DELEGATED: OnceLock<Option<PathBuf>> = OnceLock::new();
        /// So that none is swept between its making and its first process.
        static MAKING: Mutex<()> = Mutex::new(());
        let delegated = DELEGATED.get_or_init(delegated).as_ref()?;
        let making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        sweep(delegated);
        let made = Self::make(delegated, pid, size);
        drop(making);
        made.inspect_err(|error| tracing::warn!(%error, "no control group for a child process"))
            .ok()
    }

    fn make(delegated: &Path, pid: Pid, size: TaskSize) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", process::id());
        let path = delegated.join(name);
        fs::create_dir(&path)?;
        let group = Self { path };
        group.set(
            "memory.max",
            (u64::from(size.memory_mib()) << 20).to_string(),
        )?;
        group.set("cpu.max", cpu_max(size))?;
        group.set("cgroup.procs", pid.as_raw_nonzero().to_string())?;
        Ok(group)
    }

    fn set(&self, file: &str, value: String) -> io::Result<()> {
        fs::write(self.path.join(file), value)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Systems before Linux 5.14 have no such file; the child is being killed anyway.
        drop(self.set("cgroup.kill", "1".to_owned()));
        // A child that is not quite gone keeps it; then the next one's start sweeps it.
        drop(fs::remove_dir(&self.path));
    }
}

/// The share of each 100 ms that a task of `size` gets.
fn cpu_max(size: TaskSize) -> String {
    let quota = u64::from(size.cpu()) * PERIOD / 1_024;
    format!("{quota} {PERIOD}")
}

/// The delegated group, ready for groups with both controllers below it.
fn delegated() -> Option<PathBuf> {
    let root = Path::new(ROOT);
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = root.join(own_path(&groups)?.trim_start_matches('/'));
    if own == root || !root.join("cgroup.controllers").exists() {
        return None;
    }
    let group = [own.as_path(), own.parent()?]
        .into_iter()
        .find(|group| is_delegated(group))?;
    let ready = match group == own {
        true => move_below(group).and_then(|()| enable(group)),
        false => enable(group),
    };
    match ready {
        Ok(()) => Some(group.to_owned()),
        Err(error) => {
            tracing::info!(%error, "the delegated control group cannot hold child processes");
            None
        }
    }
}

/// The path of version 2 in what `/proc/self/cgroup` says.
fn own_path(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

fn is_delegated(group: &Path) -> bool {
    let marked = |name: &str| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, name, &mut value[..])
            .is_ok_and(|length| value.get(..length) == Some(b"1"))
    };
    marked("user.delegate") || marked("trusted.delegate")
}

/// Moves this process into a group of its own below `group`.
fn move_below(group: &Path) -> io::Result<()> {
    let own = group.join(NODE);
    match fs::create_dir(&own) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::write(own.join("cgroup.procs"), "0"),
    }
}

fn enable(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.subtree_control"), "+cpu +memory")
}

/// Removes groups that nobody is in any more; the others refuse.
fn sweep(delegated: &Path) {
    let entries = fs::read_dir(delegated).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            drop(fs::remove_dir(entry.path()));
        }
    }
}

const ROOT: &str = "/sys/fs/cgroup";
/// The group of the node itself, where it may not stay in the delegated one.
const NODE: &str = "lsv-node";
const PREFIX: &str = "lsv-task-";
/// Microseconds.
const PERIOD: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_and_the_share() {
        assert_eq!(
            own_path("9:name=systemd:/\n0::/system.slice/lsv.service\n"),
            Some("/system.slice/lsv.service")
        );
        assert_eq!(own_path("4:memory:/x\n"), None);
        assert_eq!(cpu_max(TaskSize::Micro), "25000 100000");
        assert_eq!(cpu_max(TaskSize::Xlarge), "400000 100000");
    }

    /// In an ordinary folder, where files are made rather than found: what a group is told, and that it is left as it is
    /// when somebody is in it.
    #[test]
    fn a_group_is_told_its_bounds_before_its_process() {
        let folder = std::env::temp_dir().join(format!("lsv-cgroup-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        let pid = Pid::from_raw(4_711).unwrap();
        let group = Cgroup::make(&folder, pid, TaskSize::Small).unwrap();
        let path = group.path.clone();
        let told = |file: &str| fs::read_to_string(path.join(file)).unwrap();
        assert_eq!(told("memory.max"), "1073741824");
        assert_eq!(told("cpu.max"), "50000 100000");
        assert_eq!(told("cgroup.procs"), "4711");
        drop(group);
        assert_eq!(told("cgroup.kill"), "1");
        sweep(&folder);
        assert!(path.exists());
        for file in path.read_dir().unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        sweep(&folder);
        assert!(!path.exists());
        fs::remove_dir(&folder).unwrap();
    }
}
