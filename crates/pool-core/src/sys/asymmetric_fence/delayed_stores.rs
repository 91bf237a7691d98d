//! The fences under loom: full ones, unless a model delays its stores.
//!
//! A store stays in the buffer of its core for a while, where only its own thread sees it. What a
//! light fence leaves out is to wait for that buffer, and a heavy fence waits for those of all
//! cores. Loom has no such fences. So a model of which side needs which one gives its stores to
//! [`Delayed`], which keeps them until their thread makes a full fence, any thread makes a heavy
//! one, or the model says that they come out. In such a model a light fence does nothing.

use std::cell::RefCell;
use std::mem;

use loom::sync::atomic::{Ordering, fence};
use loom::sync::{Arc, Mutex};
use loom::thread::{self, ThreadId};

type Store = Box<dyn FnOnce() + Send>;

/// The buffer for one thread's stores. A model has one of these at most.
pub(crate) struct Delayed(Arc<Buffer>);

struct Buffer {
    owner: ThreadId,
    stores: Mutex<Vec<Store>>,
}

thread_local! {
    /// The buffer of the model that is explored here: loom runs all threads of a model on one, and
    /// must not take this for something that they share.
    static OF_MODEL: RefCell<Option<Arc<Buffer>>> = const { RefCell::new(None) };
}

impl Delayed {
    /// Returns an empty buffer for the calling thread of a model.
    pub(crate) fn begin() -> Self {
        let buffer = Arc::new(Buffer {
            owner: thread::current().id(),
            stores: Mutex::new(Vec::new()),
        });
        OF_MODEL.set(Some(Arc::clone(&buffer)));
        Self(buffer)
    }

    /// Makes a store, which other threads see later. Called by the thread of the buffer.
    pub(crate) fn store(&self, store: impl FnOnce() + Send + 'static) {
        self.0.stores.lock().unwrap().push(Box::new(store));
    }

    /// Lets the stores come out, in order.
    pub(crate) fn come_out(&self) {
        self.0.come_out();
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        OF_MODEL.set(None);
    }
}

impl Buffer {
    fn come_out(&self) {
        let mut stores = self.stores.lock().unwrap();
        mem::take(&mut *stores)
            .into_iter()
            .for_each(|store| store());
    }

    fn of_model() -> Option<Arc<Self>> {
        OF_MODEL.with_borrow(Clone::clone)
    }
}

/// Does nothing: nothing is asked of the system.
pub(crate) fn prepare() {}

/// A full fence; nothing in a model that delays stores.
pub(crate) fn light() {
    if Buffer::of_model().is_none() {
        fence(Ordering::SeqCst);
    }
}

/// A full fence. It waits for the stores of its own thread.
pub(crate) fn full() {
    if let Some(buffer) = Buffer::of_model()
        && buffer.owner == thread::current().id()
    {
        buffer.come_out();
    }
    fence(Ordering::SeqCst);
}

/// A full fence. It waits for the stores of all threads.
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if let Some(buffer) = Buffer::of_model() {
        buffer.come_out();
    }
    fence(Ordering::SeqCst);
}
