//! The jobs of a pool that have started and are in no worker's frame: futures that were suspended.
//! And how to wake the places whose futures a runtime hosts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::job::id::JobId;
use crate::job::outcome::wake_contained;
use crate::pool::running::RunningJob;
use crate::sys::sync::{AtomicU64, Guard, LockExt, Mutex};

/// Stripes of the notes: a future that suspends seldom meets another one there.
pub(crate) const STRIPES: usize = if cfg!(pool_loom) { 1 } else { 16 };

/// A future is noted here from the moment that it is suspended, or that its host gives its slot
/// away, until it has ended, or until its host has it in a frame again: so a report names it
/// throughout. Workers poll it meanwhile without a frame. A hosted future that keeps its slot keeps
/// its frame too.
pub(crate) struct OffWorker {
    /// By id, so that futures which suspend at once do not wait for each other.
    stripes: [CachePadded<Stripe>; STRIPES],
    /// For each place, the runtime's task that hosts futures there.
    hosts: Box<[Mutex<Option<Waker>>]>,
    /// How many jobs have gone back from a note to a frame.
    returns: AtomicU64,
}

/// The notes of some jobs, and how many there are, for a reader without the lock.
#[derive(Default)]
struct Stripe {
    notes: Mutex<Notes>,
    count: AtomicUsize,
}

type Notes = HashMap<JobId, Note, BuildHasherDefault<IdHasher>>;

/// What a report says of a job, and what wakes it.
struct Note {
    /// Shared, so that a copy under the lock is a count.
    name: Option<Arc<str>>,
    /// When it started, in nanoseconds of the pool's age.
    since: u64,
    /// Has it polled once more, as its pool is cancelled.
    waker: Option<Waker>,
    /// Its outcome is decided, and those that hear of it are told.
    is_ending: bool,
}

impl OffWorker {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            stripes: std::array::from_fn(|_| CachePadded::default()),
            hosts: (0..workers).map(|_| Mutex::default()).collect(),
            returns: AtomicU64::new(0),
        }
    }

    /// Notes a job that runs since `since`, in nanoseconds of the pool's age. One that two sides
    /// note keeps its first note's time.
    pub(crate) fn note(&self, id: JobId, name: Option<&str>, since: u64, waker: Option<Waker>) {
        let note = Note {
            name: name.map(Into::into),
            since,
            waker,
            is_ending: false,
        };
        let stripe = self.stripe(id);
        let mut notes = stripe.notes.lock_unpoisoned();
        notes.entry(id).or_insert(note);
        stripe.count.store(notes.len(), Ordering::Relaxed);
    }

    /// The outcome of a job is decided, and hooks are about to hear of it: readers list it as one
    /// that is ending. It is recorded with its [`end`](Self::end), so a report that is made
    /// meanwhile names it.
    pub(crate) fn note_ending(&self, id: JobId) {
        let mut notes = self.stripe(id).notes.lock_unpoisoned();
        if let Some(note) = notes.get_mut(&id) {
            note.is_ending = true;
        }
    }

    /// A job has ended: `record`s it and strikes it out, as one step for a reader of both. It is
    /// recorded in the stripe in which it will be counted as over.
    pub(crate) fn end(&self, id: JobId, record: impl FnOnce()) {
        self.strike(id, record);
    }

    /// A job is in a worker's frame again.
    pub(crate) fn return_to_frame(&self, id: JobId) {
        // ORDERING: Release, before the note goes: a reader that misses the note sees the count.
        self.returns.fetch_add(1, Ordering::Release);
        self.strike(id, || {});
    }

    /// Returns how many jobs have returned to a frame. If that is the same after a reader has read
    /// the frames and then the notes, it has missed none that went from a note to a frame.
    pub(crate) fn returns(&self) -> u64 {
        self.returns.load(Ordering::Acquire)
    }

    /// Strikes a job out, and records its end in the same step for the one that reads both.
    fn strike(&self, id: JobId, record: impl FnOnce()) {
        let stripe = self.stripe(id);
        let struck = {
            let mut notes = stripe.notes.lock_unpoisoned();
            record();
            let struck = notes.remove(&id);
            stripe.count.store(notes.len(), Ordering::Relaxed);
            struck
        };
        // A waker's drop is the user's code: not under the lock.
        drop(struck);
    }

    /// How many jobs are noted, as of this moment and without a lock.
    pub(crate) fn len(&self) -> usize {
        let counts = self.stripes.iter().map(|it| &it.count);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Sets the waker of the task that hosts futures at place `index`; `None`: there is none any
    /// more.
    pub(crate) fn set_host(&self, index: usize, waker: Option<Waker>) {
        let former = std::mem::replace(&mut *self.hosts[index].lock_unpoisoned(), waker);
        drop(former);
    }

    /// Has the suspended futures of a stripe polled once more.
    pub(crate) fn wake_stripe(&self, index: usize) {
        let wakers: Vec<Waker> = {
            let notes = self.stripes[index].notes.lock_unpoisoned();
            notes.values().filter_map(|it| it.waker.clone()).collect()
        };
        wakers.into_iter().for_each(wake_contained);
    }

    /// Wakes all suspended futures.
    pub(crate) fn wake_all(&self) {
        (0..STRIPES).for_each(|index| self.wake_stripe(index));
    }

    /// Has the runtime's tasks that host futures polled once more.
    pub(crate) fn wake_hosts(&self) {
        let hosts = self.hosts.iter();
        let wakers: Vec<Waker> = hosts
            .filter_map(|host| host.lock_unpoisoned().clone())
            .collect();
        wakers.into_iter().for_each(wake_contained);
    }

    /// Keeps all notes as they are, so that no job that has one ends.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        let stripes = self.stripes.iter();
        Frozen(stripes.map(|it| it.notes.lock_unpoisoned()).collect())
    }

    /// Returns the jobs that are noted, of each stripe at a moment of its own. It is `now`, in
    /// nanoseconds of the pool's age.
    pub(crate) fn jobs(&self, now: u64) -> Vec<RunningJob> {
        let mut copies = Vec::new();
        for stripe in &self.stripes {
            let count = stripe.count.load(Ordering::Relaxed);
            copies.reserve(count);
            let notes = stripe.notes.lock_unpoisoned();
            let notes = notes.iter();
            copies.extend(notes.map(|(&id, note)| (id, note.copied())));
        }
        let job = |(id, note): (JobId, Note)| note.job(id, now);
        copies.into_iter().map(job).collect()
    }

    /// Where a job is noted.
    fn stripe(&self, id: JobId) -> &Stripe {
        // Ids of one submitter are neighbours, so neighbours lie in different stripes.
        &self.stripes[id.as_u64() as usize % STRIPES]
    }
}

/// All notes, locked.
pub(crate) struct Frozen<'a>(Vec<Guard<'a, Notes>>);

impl Frozen<'_> {
    /// Adds the jobs that are not in the list already, as those that a worker polls at this moment
    /// are. It is `now`, in nanoseconds of the pool's age.
    pub(crate) fn append_to(&self, jobs: &mut Vec<RunningJob>, now: u64) {
        let listed = jobs.len();
        jobs.reserve(self.0.iter().map(|notes| notes.len()).sum());
        for (&id, note) in self.0.iter().flat_map(|notes| notes.iter()) {
            if jobs[..listed].iter().any(|job| job.id == id) {
                continue;
            }
            let mut job = note.job(id, now);
            job.is_ending = false; // it is in no column
            jobs.push(job);
        }
    }
}

impl Note {
    /// A copy that wakes nobody.
    fn copied(&self) -> Self {
        Self {
            name: self.name.clone(),
            waker: None,
            ..*self
        }
    }

    /// The job, which is on no worker. It is `now`, in nanoseconds of the pool's age.
    fn job(&self, id: JobId, now: u64) -> RunningJob {
        RunningJob {
            id,
            name: self.name.as_deref().map(Box::from),
            worker: None,
            running_for: Duration::from_nanos(now.saturating_sub(self.since)),
            is_ending: self.is_ending,
        }
    }
}

/// Spreads ids, which are unique but in rows, over the whole word.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        /// 2⁶⁴ over the golden ratio.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(SPREAD);
    }

    fn finish(&self) -> u64 {
        // The table looks at the lowest bits and the highest; a product's low bits are poor.
        self.0 ^ self.0 >> 32
    }
}
