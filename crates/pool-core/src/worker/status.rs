//! One worker's seat as other threads see it: what it runs, since when, and how to resume it.
//!
//! The holder of the seat alone writes its frames; reports read them. A frame is one job that
//! started here and is not over; there is more than one where a job runs another in place. An
//! unnamed job of the first few levels costs two plain stores; a named or deeper one goes through a
//! lock that is held for a push or a copy, never by user code.
//!
//! A reader sees each frame whole, but not all of them at one moment: a job may begin or end while
//! it reads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::job::id::JobId;
use crate::pool::ledger::{Column, WorkerStripe};
use crate::sys::machine::{self, Thread};
use crate::sys::sync::{LockExt, Mutex};

/// How many levels of jobs within jobs are noted without a lock.
const PLAIN_LEVELS: usize = 16;

/// Where in a frame's number the column stands in which its job is on record already: it takes the
/// bits from this one on.
const RECORD_SHIFT: u32 = 60;
/// The bits of a frame's number that are the job's id.
const ID: u64 = (1 << RECORD_SHIFT) - 1;

/// The state of one seat. It lives as long as the pool, while the holders of the seat may change.
pub(crate) struct Status {
    /// The seat's stripe in the pool's books, which its holder writes.
    pub(super) stripe: WorkerStripe,
    /// How many jobs are on the stack of the seat's holder, listed ones included.
    depth: AtomicUsize,
    /// The frames of the first levels whose jobs have no name.
    plain: [PlainFrame; PLAIN_LEVELS],
    /// The frames of named jobs, and of deeper levels, the innermost last.
    listed: Mutex<Vec<FrameNote>>,
    /// Whether the worker was resumed since it last returned from its park. Set with Release, and
    /// taken with Acquire.
    is_resumed: AtomicBool,
    /// The thread that parks here. None where threads are borrowed.
    thread: OnceLock<Thread>,
    /// Whether the worker has left for good.
    has_left: AtomicBool,
    /// How many times the workers in this seat have looked for a task, up to the last that left it.
    looks: AtomicU32,
}

/// A frame that is noted without a lock.
#[derive(Default)]
struct PlainFrame {
    /// Zero: nothing runs at this level, or it is listed. Above `RECORD_SHIFT` the column of the
    /// job's record, plus one; zero before that.
    id: AtomicU64,
    /// When the job started, in nanoseconds of the pool's age. Written before the id, and valid
    /// while the id is not zero.
    since: AtomicU64,
}

/// A copy of one frame, for a report.
#[derive(Debug, Clone)]
pub(crate) struct FrameNote {
    /// The job's id.
    pub(crate) id: JobId,
    /// The job's name, if it has one.
    pub(crate) name: Option<Box<str>>,
    /// When the job started, in nanoseconds of the pool's age.
    pub(crate) since: u64,
    /// At which level of the stack it is, from 0.
    level: usize,
    /// Its end is on record in this column; what runs still is user code that it left: a hook, a
    /// waker, a drop.
    pub(crate) record: Option<Column>,
    /// Whether its end is known to be on record. One without a column is found by the counts
    /// (`pool/running.rs`).
    pub(crate) is_ending: bool,
}

impl FrameNote {
    fn new(id: JobId, name: Option<Box<str>>, since: u64, level: usize) -> Self {
        Self {
            id,
            name,
            since,
            level,
            record: None,
            is_ending: false,
        }
    }

    /// Notes the column in which the job's end is on record, if it is in one.
    fn with_record(mut self, record: Option<Column>) -> Self {
        self.record = record;
        self.is_ending = record.is_some();
        self
    }

    /// Whether the job's end is noted, and counted in the seat's stripe of the books. A job that
    /// was given up is counted elsewhere.
    pub(crate) fn is_counted(&self) -> bool {
        self.record
            .is_some_and(|column| column != Column::UNSTARTED)
    }
}

/// Where a frame is noted: at one of the plain levels, or in the list under the lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotedAt(usize);

impl NotedAt {
    /// No plain level has this number.
    const LISTED: Self = Self(usize::MAX);
}

impl Status {
    /// A seat where nobody has sat yet.
    pub(crate) fn new(stripe: WorkerStripe) -> Self {
        Self {
            stripe,
            depth: AtomicUsize::new(0),
            plain: Default::default(),
            listed: Mutex::default(),
            is_resumed: AtomicBool::new(false),
            thread: OnceLock::new(),
            has_left: AtomicBool::new(false),
            looks: AtomicU32::new(0),
        }
    }

    /// Returns how many times workers have looked for a task here. The next one counts on: which
    /// source comes first depends on the count, and a worker on a borrowed thread may stay for a
    /// few looks only (`R206`).
    pub(crate) fn looks(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Keeps the count of a worker that leaves the seat.
    pub(crate) fn keep_looks(&self, looks: u32) {
        self.looks.store(looks, Ordering::Relaxed);
    }

    /// Notes that the seat's holder starts a job. Returns where, which [`end`](Self::end) must know.
    /// Called by the holder alone, as `end` is; the jobs of a seat end in the opposite order.
    #[inline]
    pub(crate) fn begin(&self, id: JobId, name: Option<&str>, since: u64) -> NotedAt {
        let level = self.depth.load(Ordering::Relaxed);
        self.depth.store(level + 1, Ordering::Relaxed);
        match self.plain.get(level) {
            Some(frame) if name.is_none() => {
                frame.since.store(since, Ordering::Relaxed);
                // ORDERING: Release pairs with the Acquire in `frames`: a reader that sees the id
                // sees its time.
                frame.id.store(id.as_u64(), Ordering::Release);
                NotedAt(level)
            }
            _ => {
                self.list(id, name, since, level);
                NotedAt::LISTED
            }
        }
    }

    /// Notes a job in the list: it has a name, or its level is beyond the plain ones.
    #[cold]
    fn list(&self, id: JobId, name: Option<&str>, since: u64, level: usize) {
        let frame = FrameNote::new(id, name.map(Into::into), since, level);
        self.listed.lock_unpoisoned().push(frame);
    }

    /// Notes that the end of the job begun last is on record in this column.
    #[cold]
    pub(crate) fn note_record(&self, at: NotedAt, column: Column) {
        let Some(frame) = self.plain.get(at.0) else {
            if let Some(frame) = self.listed.lock_unpoisoned().last_mut() {
                frame.record = Some(column);
                frame.is_ending = true;
            }
            return;
        };
        let frame = &frame.id;
        let id = frame.load(Ordering::Relaxed) & ID;
        let record = column.as_number() << RECORD_SHIFT;
        // ORDERING: Release, as in `begin`.
        frame.store(id | record, Ordering::Release);
    }

    /// Removes the innermost listed frame.
    #[cold]
    fn unlist(&self) {
        let level = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(level, Ordering::Relaxed);
        drop(self.listed.lock_unpoisoned().pop());
    }

    /// Removes the frame of the job begun last, which is suspended or over, and was noted at this
    /// place.
    #[inline]
    pub(crate) fn end(&self, at: NotedAt) {
        let Some(frame) = self.plain.get(at.0) else {
            return self.unlist();
        };
        // The level is the depth before it: all that began after it have ended.
        self.depth.store(at.0, Ordering::Relaxed);
        // ORDERING: Release orders the end behind the job's own writes for the one that reads the
        // frames.
        frame.id.store(0, Ordering::Release);
    }

    /// Returns how many jobs are on the stack of the seat's holder. Exact for the holder; out of
    /// date at once for others.
    #[inline]
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Returns copies of the frames, the outermost first.
    pub(crate) fn frames(&self) -> Vec<FrameNote> {
        let plain = self.plain.iter().enumerate().filter_map(|(level, frame)| {
            // ORDERING: see `begin`.
            let number = frame.id.load(Ordering::Acquire);
            let id = JobId::from_u64(number & ID)?;
            let since = frame.since.load(Ordering::Relaxed);
            let note = FrameNote::new(id, None, since, level);
            Some(note.with_record(Column::from_number(number >> RECORD_SHIFT)))
        });
        let mut frames: Vec<FrameNote> = plain.collect();
        frames.extend(self.listed.lock_unpoisoned().iter().cloned());
        frames.sort_by_key(|frame| frame.level);
        frames
    }

    /// Returns how many jobs have their end on record in the seat's stripe.
    pub(crate) fn recorded(&self) -> u64 {
        self.stripe.recorded()
    }

    /// Returns how many of those are over, so that nothing is left of them.
    pub(crate) fn over(&self) -> u64 {
        self.stripe.ended()
    }

    /// Lets the seat's worker be resumed on this thread.
    pub(crate) fn set_thread(&self, thread: Thread) {
        // Set once, by the worker's own thread, before it first sleeps.
        let _first = self.thread.set(thread);
    }

    /// Ends the worker's park, now or the next time. A worker without a thread of its own sees
    /// nothing of it.
    pub(crate) fn resume(&self) {
        // ORDERING: Release pairs with the Acquire in `park`.
        self.is_resumed.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Notes that the worker has left for good. Called by its own thread, as one of its last acts.
    pub(crate) fn leave(&self) {
        // ORDERING: Release pairs with the Acquire in `has_left`: the worker's last acts are
        // visible to the thread that joins it.
        self.has_left.store(true, Ordering::Release);
    }

    /// Returns whether the worker has left for good: then joining its thread takes no longer than
    /// the thread's own end.
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
