//! One worker's place as other threads see it: what it runs, since when, and how to resume it.
//!
//! The worker alone writes its frames; reports read them. A frame is one job that started here and
//! is not over; there is more than one where a job runs another in place. An unnamed job of the
//! first few levels costs two plain stores; a named or deeper one goes through a lock that is held
//! for a push or a copy, never by user code.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::job::id::JobId;
use crate::pool::ledger::Column;
use crate::sys::machine::{self, Thread};
use crate::sys::sync::{LockExt, Mutex};

/// Levels of jobs within jobs that are noted without a lock.
const PLAIN_LEVELS: usize = 16;

/// Where in a frame's number the column stands in which its job is on record already: what is above
/// this many bits.
const RECORD_SHIFT: u32 = 60;
const ID: u64 = (1 << RECORD_SHIFT) - 1;

#[derive(Default)]
pub(crate) struct Status {
    depth: AtomicUsize,
    plain: [PlainFrame; PLAIN_LEVELS],
    listed: Mutex<Vec<FrameNote>>,
    is_resumed: AtomicBool,
    thread: OnceLock<Thread>,
    has_left: AtomicBool,
    /// How often the workers in this seat have looked for a task, up to the last that left it.
    looks: AtomicU32,
}

#[derive(Default)]
struct PlainFrame {
    /// Zero: nothing runs at this level, or it is listed. Above `RECORD_SHIFT` the column of the
    /// job's record, plus one; zero before that.
    id: AtomicU64,
    since: AtomicU64,
}

/// A job that runs here, and when it started, in nanoseconds of the pool's age.
#[derive(Debug, Clone)]
pub(crate) struct FrameNote {
    pub(crate) id: JobId,
    pub(crate) name: Option<Box<str>>,
    pub(crate) since: u64,
    /// Its end is on record in this column; what runs still is user code that it left: a hook, a
    /// waker, a drop.
    pub(crate) record: Option<Column>,
}

impl Status {
    /// How often workers have looked for a task here. The next one counts on: which source comes
    /// first depends on the count, and a worker on a borrowed thread may stay for a few looks only
    /// (`R206`).
    pub(crate) fn looks(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    pub(crate) fn keep_looks(&self, looks: u32) {
        self.looks.store(looks, Ordering::Relaxed);
    }

    /// Notes that the worker starts a job. True if the note is listed, which `end` must know.
    #[inline]
    pub(crate) fn begin(&self, id: JobId, name: Option<&str>, since: u64) -> bool {
        let level = self.depth.load(Ordering::Relaxed);
        self.depth.store(level + 1, Ordering::Relaxed);
        match self.plain.get(level) {
            Some(frame) if name.is_none() => {
                frame.since.store(since, Ordering::Relaxed);
                // ORDERING: Release pairs with the Acquire in `frames`: who sees the id sees its
                // time.
                frame.id.store(id.as_u64(), Ordering::Release);
                false
            }
            _ => {
                self.list(id, name, since);
                true
            }
        }
    }

    #[cold]
    fn list(&self, id: JobId, name: Option<&str>, since: u64) {
        let name = name.map(Into::into);
        self.listed.lock_unpoisoned().push(FrameNote {
            id,
            name,
            since,
            record: None,
        });
    }

    /// Notes that the end of the job begun last is on record.
    #[cold]
    pub(crate) fn note_record(&self, is_listed: bool, column: Column) {
        if is_listed {
            if let Some(frame) = self.listed.lock_unpoisoned().last_mut() {
                frame.record = Some(column);
            }
            return;
        }
        let level = self.depth.load(Ordering::Relaxed) - 1;
        let frame = &self.plain[level].id;
        let id = frame.load(Ordering::Relaxed) & ID;
        let record = column.as_number() << RECORD_SHIFT;
        // ORDERING: Release, as in `begin`.
        frame.store(id | record, Ordering::Release);
    }

    #[cold]
    fn unlist(&self) {
        drop(self.listed.lock_unpoisoned().pop());
    }

    /// Notes that the job begun last is suspended or over.
    #[inline]
    pub(crate) fn end(&self, is_listed: bool) {
        let level = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(level, Ordering::Relaxed);
        if is_listed {
            self.unlist();
        } else {
            // ORDERING: Release orders the end behind the job's own writes for the one that reads
            // the frames.
            self.plain[level].id.store(0, Ordering::Release);
        }
    }

    #[inline]
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    pub(crate) fn frames(&self) -> Vec<FrameNote> {
        let plain = self.plain.iter().filter_map(|frame| {
            // ORDERING: see `begin`.
            let number = frame.id.load(Ordering::Acquire);
            Some(FrameNote {
                id: JobId::from_u64(number & ID)?,
                name: None,
                since: frame.since.load(Ordering::Relaxed),
                record: Column::from_number(number >> RECORD_SHIFT),
            })
        });
        plain
            .chain(self.listed.lock_unpoisoned().iter().cloned())
            .collect()
    }

    pub(crate) fn set_thread(&self, thread: Thread) {
        // Set once, by the worker's own thread, before it first sleeps.
        let _first = self.thread.set(thread);
    }

    pub(crate) fn resume(&self) {
        // ORDERING: Release pairs with the Acquire in `park`.
        self.is_resumed.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(crate) fn leave(&self) {
        // ORDERING: Release pairs with the Acquire in `has_left`: the worker's last acts are behind
        // who joins its thread.
        self.has_left.store(true, Ordering::Release);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }

    /// Sleeps until resumed. A stray unpark, by a job that plays with threads, is no resumption.
    pub(crate) fn park(&self) {
        while !self.is_resumed.swap(false, Ordering::Acquire) {
            machine::park(None);
        }
    }
}
