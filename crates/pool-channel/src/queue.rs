//! The queue: an array while the capacity is modest, else a list under a count, so that no memory is taken for a bound alone.

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pool_core::{Places, Task};

/// The largest capacity whose array is allocated at build: 72 bytes a place, 4.5 MiB.
const LARGEST_ARRAY: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Queue {
    sender: Sender<Task>,
    receiver: Receiver<Task>,
    bound: Bound,
    /// Tasks handed over by another pool, past the bound; taken first.
    handed_over: (Sender<Task>, Receiver<Task>),
}

#[derive(Debug)]
enum Bound {
    /// The channel refuses by itself.
    Array,
    /// Places left in a list.
    List(Places),
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        let ((sender, receiver), bound) = if capacity <= LARGEST_ARRAY {
            (bounded(capacity), Bound::Array)
        } else {
            (unbounded(), Bound::List(Places::new(capacity)))
        };
        Self {
            sender,
            receiver,
            bound,
            handed_over: unbounded(),
        }
    }

    #[inline]
    pub(crate) fn push(&self, task: Task) -> Result<(), Task> {
        if let Bound::List(places) = &self.bound
            && !places.take()
        {
            return Err(task);
        }
        self.sender
            .try_send(task)
            .map_err(crossbeam_channel::TrySendError::into_inner)
    }

    pub(crate) fn push_unbounded(&self, task: Task) {
        self.handed_over
            .0
            .send(task)
            .expect("both ends of the channel are in `self`");
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Task> {
        if !self.handed_over.1.is_empty()
            && let Ok(task) = self.handed_over.1.try_recv()
        {
            return Some(task);
        }
        let task = self.receiver.try_recv().ok()?;
        if let Bound::List(places) = &self.bound {
            places.free();
        }
        Some(task)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty() && self.handed_over.1.is_empty()
    }
}
