//! From where children are started: one thread, which lasts as long as this process.
//!
//! The system counts the thread that started a process as its parent when it looks for who is to get its parent-death
//! signal: started from a thread of a runtime, a child would die with that thread, which may end long before the node.
//! It is one thread also because, while one child's pipes can be inherited, no other may start, which would hold them open.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, SendError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::io::{FdFlags, fcntl_setfd};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

/// Starts `command`, which inherits `pipes`; here they are closed once it has them.
pub(super) fn start(command: Command, pipes: Vec<OwnedFd>) -> io::Result<Child> {
    let runtime = Handle::try_current().map_err(io::Error::other)?;
    let (answer, answered) = mpsc::channel();
    order(Order {
        command,
        pipes,
        runtime,
        answer,
    })?;
    answered.recv().map_err(io::Error::other)?
}

struct Order {
    command: Command,
    pipes: Vec<OwnedFd>,
    /// What serves the child's streams.
    runtime: Handle,
    answer: Sender<io::Result<Child>>,
}

impl Order {
    fn carry_out(self) {
        let _entered = self.runtime.enter();
        let (pipes, mut command) = (self.pipes, self.command);
        let start = AssertUnwindSafe(|| {
            for pipe in &pipes {
                fcntl_setfd(pipe, FdFlags::empty())?;
            }
            command.spawn()
        });
        // Such as of a runtime without I/O: all other children would die with this thread.
        let started = catch_unwind(start)
            .unwrap_or_else(|_| Err(io::Error::other("the runtime cannot serve child processes")));
        drop(pipes);
        // Whoever asked for it waits.
        drop(self.answer.send(started));
    }
}

/// Hands `order` to the thread, which is begun where there is none.
fn order(mut order: Order) -> io::Result<()> {
    static STARTER: Mutex<Option<Sender<Order>>> = Mutex::new(None);
    let mut starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(orders) = &*starter {
        match orders.send(order) {
            Ok(()) => return Ok(()),
            Err(SendError(unsent)) => order = unsent,
        }
    }
    let (orders, taken) = mpsc::channel::<Order>();
    let work = move || taken.into_iter().for_each(Order::carry_out);
    thread::Builder::new()
        .name("lsv-children".to_owned())
        .spawn(work)?;
    drop(orders.send(order));
    *starter = Some(orders);
    Ok(())
}
