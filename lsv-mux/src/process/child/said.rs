//! What a child says on standard error: its last lines, however much it says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// The last lines of a child's standard error. Clones see the same lines.
#[derive(Debug, Clone, Default)]
pub struct Said {
    ring: Arc<Mutex<Ring>>,
}

impl Said {
    /// At most twenty lines of at most 400 bytes, oldest first, without control characters.
    pub fn last_lines(&self) -> Vec<String> {
        self.ring().lines.iter().cloned().collect()
    }

    /// The newest of them.
    pub fn last_line(&self) -> Option<String> {
        self.ring().lines.back().cloned()
    }

    /// Reads to the end what the child `name` says. Each line goes to the log, too.
    pub(super) fn listen(&self, mut stderr: ChildStderr, name: &'static str) -> JoinHandle<()> {
        let said = self.clone();
        let listening = async move {
            let mut piece = vec![0; PIECE];
            while let Ok(length @ 1..) = stderr.read(&mut piece).await {
                let read = piece.get(..length).unwrap_or_default();
                said.ring().hear(read, |line| {
                    tracing::debug!(name, line, "a child process says");
                });
            }
            said.ring().end_line(|_| {});
        };
        tokio::spawn(listening.in_current_span())
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
    /// The line that has not ended.
    open: Vec<u8>,
}

impl Ring {
    fn hear(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.end_line(&mut each),
                byte if self.open.len() < MAX_LINE => self.open.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self, mut each: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.open);
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        self.open.clear();
        if line.trim().is_empty() {
            return;
        }
        each(&line);
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

const MAX_LINES: usize = 20;
/// In bytes; what a line has more is passed over.
const MAX_LINE: usize = 400;
const PIECE: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pieces: &[&[u8]]) -> Vec<String> {
        let mut ring = Ring::default();
        for piece in pieces {
            ring.hear(piece, |_| {});
        }
        ring.end_line(|_| {});
        ring.lines.into()
    }

    #[test]
    fn lines_are_whole_and_clean() {
        let pieces: [&[u8]; 3] = [b"[warning] a\r\n\n  \n", b"b\x1b[31m\0", b"c\xFF\nlast"];
        assert_eq!(heard(&pieces), ["[warning] a", "b[31mc\u{FFFD}", "last"]);
    }

    #[test]
    fn a_child_that_shouts_fills_no_memory() {
        let line = [&[b'x'; 100_000][..], b"\n"].concat();
        let mut ring = Ring::default();
        let mut count = 0;
        for _ in 0..100 {
            ring.hear(&line, |_| count += 1);
        }
        assert_eq!((count, ring.lines.len()), (100, MAX_LINES));
        assert!(ring.lines.iter().all(|line| line.len() == MAX_LINE));
        assert!(ring.open.capacity() <= 2 * MAX_LINE);
    }
}
