//! `Published`: a value that threads read without a write to anything they share, and that is
//! replaced now and then.
//!
//! # Protocol
//! A thread that reads says at its own **reader** that it is inside, and only then loads the
//! pointer. When it is done with the value it says that it is outside. Between its entry and its
//! load stands a light fence.
//!
//! The thread that replaces the value stores the new pointer and puts the old value aside. The
//! thread that **collects** the values put aside passes a heavy fence and then looks at every
//! reader. A reader at which nobody is inside stands for one of two things:
//! - Its thread has left. It was done with the value then, and release and acquire at the reader
//!   put its uses before the look.
//! - Its thread has entered, and that cannot be seen yet. Then its load comes after the heavy
//!   fence, by the pair of fences, and finds the new pointer.
//!
//! Either way it has none of the values put aside before the fence. If nobody is inside at any
//! reader, they are dropped. If somebody is, they stay for the next collection: a reader may call
//! user code, which may take its time.
//!
//! Reads nest: a reader counts how deep its thread is inside. The collector's own read would never
//! end, so it does not wait for that.
//!
//! This is read-copy-update, with readers in place of a scheduler's quiescent states.

mod readers;

use std::fmt;
use std::sync::Arc;

use crate::sys::sync::{AtomicPtr, LockExt, Mutex, Ordering};
#[cfg(all(target_os = "linux", not(pool_loom), not(miri)))]
pub(crate) use readers::open_after_a_fork;
use readers::{MAX_LOOKS, Reader, Readers};

/// A value that is read at the cost of a few instructions, and replaced at some more.
///
/// Reading writes only to the thread's own reader and takes no lock, so it is for a value that
/// every submission reads and an operator replaces: the current generation of a pool.
pub struct Published<T> {
    /// The current value. Owned, as by an `Arc`.
    current: AtomicPtr<T>,
    /// Values that were replaced, and that somebody may still read.
    replaced: Mutex<Vec<Arc<T>>>,
}

impl<T: Send + Sync> Published<T> {
    /// Publishes the first value.
    pub fn new(value: Arc<T>) -> Self {
        Self {
            current: AtomicPtr::new(Arc::into_raw(value).cast_mut()),
            replaced: Mutex::new(Vec::new()),
        }
    }

    /// Puts another value in place of the current one, which is dropped by a later
    /// [`collect`](Self::collect).
    ///
    /// A read that has begun before goes on with the former value; each that begins after this call
    /// has returned finds the new one. Does not wait for readers.
    pub fn replace(&self, value: Arc<T>) {
        let value = Arc::into_raw(value).cast_mut();
        // ORDERING: Release publishes the value; Acquire takes the former one over from its
        // publisher. Readers: see the module.
        let former = self.current.swap(value, Ordering::AcqRel);
        // SAFETY: the pointer came from an `Arc`, and the swap took it out: nobody else makes an
        // `Arc` of it.
        let former = unsafe { Arc::from_raw(former) };
        self.replaced.lock_unpoisoned().push(former);
    }

    /// Reads the current value with the calling thread inside at `reader`.
    #[inline(always)]
    fn read_at<R>(&self, reader: &Reader, read: impl FnOnce(&T) -> R) -> R {
        let _inside = reader.enter();
        // SAFETY: this thread is inside.
        read(unsafe { self.current() })
    }

    /// The current value.
    ///
    /// # Safety
    /// The calling thread is inside at a reader until it is done with the value.
    #[inline(always)]
    unsafe fn current(&self) -> &T {
        // ORDERING: Acquire pairs with the Release in `replace`, and with the owner's making of the
        // first value.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: the pointer is one of an `Arc` that is dropped only after it was replaced and
        // nobody is inside: see the module.
        unsafe { &*current }
    }

    /// Drops the values put aside, if no thread is inside at any of `readers` except the caller's
    /// `own`, by the last of `most` looks; otherwise keeps them.
    fn collect_at(&self, readers: &Readers, own: Option<&Reader>, most: usize) {
        let replaced = std::mem::take(&mut *self.replaced.lock_unpoisoned());
        if replaced.is_empty() {
            return;
        }
        if !readers.are_left(own, most) {
            self.replaced.lock_unpoisoned().extend(replaced);
        }
        // Otherwise they are dropped here, with the lock free: that may be the end of a pool.
    }
}

#[cfg(not(pool_loom))]
impl<T: Send + Sync> Published<T> {
    /// Calls `read` with the current value. The value is alive until `read` returns, even if it is
    /// replaced meanwhile. `read` may read and replace this value itself.
    #[inline(always)]
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        match readers::known() {
            Some(reader) => self.read_at(reader, read),
            None => self.read_first(read),
        }
    }

    /// The first read of a thread, or one among its last acts.
    #[cold]
    fn read_first<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        if let Some(reader) = readers::of_this_thread() {
            return self.read_at(reader, read);
        }
        let _inside = readers::ALL.enter_crowd();
        // SAFETY: this thread is inside.
        read(unsafe { self.current() })
    }

    /// Drops the values that were replaced, unless a thread is still reading. It waits for a short
    /// time for readers to leave; what cannot be dropped stays for the next call. Within a read on
    /// the same thread nothing is dropped.
    pub fn collect(&self) {
        self.collect_at(&readers::ALL, readers::known(), MAX_LOOKS);
    }

    /// Does the same, and waits for nobody.
    pub fn collect_at_once(&self) {
        self.collect_at(&readers::ALL, readers::known(), 1);
    }
}

/// Drops the current value. What was put aside is dropped with the list.
impl<T> Drop for Published<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: the owner is alone.
        let current = self.current.load(Ordering::Relaxed);
        // SAFETY: as in `replace`; and a reader borrows `self`, so there is none.
        drop(unsafe { Arc::from_raw(current) });
    }
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}

#[cfg(all(test, pool_loom))]
pub(crate) mod models {
    //! Models of values that are replaced while they are read.

    use std::sync::Arc as StdArc;

    use loom::sync::Arc;
    use loom::thread;

    use super::readers::Readers;
    use super::*;
    use crate::sys::sync::UnsafeCell;
    use crate::testing::models::model;

    /// A value whose drop writes to it: loom reports a read at the same time, and one that is not
    /// behind or before it.
    struct Value(UnsafeCell<usize>);

    // SAFETY: loom checks each access.
    unsafe impl Sync for Value {}

    impl Value {
        fn new(number: usize) -> StdArc<Self> {
            StdArc::new(Self(UnsafeCell::new(number)))
        }

        fn number(&self) -> usize {
            // SAFETY: loom reports a concurrent write.
            self.0.with(|number| unsafe { *number })
        }
    }

    impl Drop for Value {
        fn drop(&mut self) {
            // SAFETY: loom reports a concurrent read.
            self.0.with_mut(|number| unsafe { *number = usize::MAX });
        }
    }

    /// A value is read while another one takes its place and it is dropped: the reader has one of
    /// the two, whole.
    #[test]
    fn a_value_is_not_dropped_under_its_reader() {
        model(|| {
            let shared = Arc::new((Published::new(Value::new(1)), Readers::new()));
            let reader = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (published, readers) = &*shared;
                    let reader = readers.take();
                    for _ in 0..2 {
                        let number = published.read_at(reader, |value| value.number());
                        assert!(number == 1 || number == 2);
                    }
                })
            };
            let (published, readers) = &*shared;
            published.replace(Value::new(2));
            published.collect_at(readers, None, MAX_LOOKS);
            reader.join().unwrap();
        });
    }
}
