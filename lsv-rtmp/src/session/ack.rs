//! Counting what has come, and when to say so (RTMP 1.0 §5.4.3, §5.4.4).

/// Decides when an acknowledgement is due.
#[derive(Debug)]
pub(super) struct Acknowledger {
    window: u32,
    received: u32,
    acknowledged: u32,
}

impl Acknowledger {
    /// Counts from zero, with the window that holds until the peer announces its own.
    pub(super) fn new(window: u32) -> Self {
        Self {
            window,
            received: 0,
            acknowledged: 0,
        }
    }

    /// The peer wants an acknowledgement each `window` bytes; 0 keeps the window in force.
    pub(super) fn set_window(&mut self, window: u32) {
        if window > 0 {
            self.window = window;
        }
    }

    /// Adds `bytes`, and returns the number to acknowledge once a window is full. All counts are modulo 2^32, as the
    /// field is: a session of 4 GiB is an hour of a good camera.
    pub(super) fn receive(&mut self, bytes: usize) -> Option<u32> {
        // The remainder modulo 2^32 is what the wire wants.
        let bytes = u32::try_from(bytes & 0xFFFF_FFFF).unwrap_or_default();
        self.received = self.received.wrapping_add(bytes);
        let due = self.received.wrapping_sub(self.acknowledged) >= self.window;
        if due {
            self.acknowledged = self.received;
        }
        due.then_some(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_14_due_after_exactly_the_window() {
        let mut ack = Acknowledger::new(1000);
        assert_eq!(ack.receive(999), None);
        assert_eq!(ack.receive(1), Some(1000));
        assert_eq!(ack.receive(999), None);
        assert_eq!(ack.receive(1), Some(2000));
        assert_eq!(ack.receive(2500), Some(4500));
        assert_eq!(ack.receive(999), None);
    }

    #[test]
    fn vector_14_the_counter_wraps() {
        let mut ack = Acknowledger::new(u32::MAX);
        assert_eq!(ack.receive(0xFFFF_FFFE), None);
        assert_eq!(ack.receive(1), Some(u32::MAX));
        ack.set_window(10);
        assert_eq!(ack.receive(9), None);
        assert_eq!(ack.receive(1), Some(9));
    }

    #[test]
    fn zero_window_is_ignored() {
        let mut ack = Acknowledger::new(10);
        ack.set_window(0);
        assert_eq!(ack.receive(5), None);
        assert_eq!(ack.receive(5), Some(10));
    }
}
