//! What the process itself takes of the machine, under the names that Prometheus' own libraries use.

use std::fs;
use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

/// This process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    begun: SystemTime,
}

impl Process {
    /// The process, which has just begun.
    pub(super) fn beginning_at(begun: SystemTime) -> Self {
        Self { begun }
    }

    /// Sets its metrics to what they are now. What the system does not tell, as those without `/proc` do not, is left out.
    pub(super) fn measure(self) {
        let begun = self.begun.duration_since(SystemTime::UNIX_EPOCH);
        let begun = begun.unwrap_or_default().as_secs_f64();
        metrics::gauge!("process_start_time_seconds").set(begun);
        // A counter has whole numbers here, and a busy second would be seen as two or none.
        metrics::gauge!("process_cpu_seconds_total").set(processor_seconds());
        if let Some(bytes) = resident_bytes() {
            metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
        }
        if let Some(open) = open_descriptors() {
            metrics::gauge!("process_open_fds").set(open as f64);
        }
    }
}

/// Of all threads, for the program and for what the system did for it.
fn processor_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes << 10)
}

fn open_descriptors() -> Option<usize> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them reads the folder.
    Some(open.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_what_it_takes() {
        let before = processor_seconds();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let resident = resident_bytes().unwrap();
        assert!(resident >= 64 << 20, "{resident} with {} held", held.len());
        let after = processor_seconds();
        assert!(after > before && after < before + 600.0, "{before} {after}");
        let files: Vec<_> = (0..200)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        assert!(open_descriptors().unwrap() >= files.len());
    }
}
