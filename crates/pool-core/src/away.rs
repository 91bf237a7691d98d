//! The jobs of a pool that run, or sleep, elsewhere than in a worker's frame: suspended futures, jobs that a joiner claimed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Instant;

use crate::id::JobId;
use crate::report::RunningJob;
use crate::sync::{LockExt, Mutex};

#[derive(Default)]
pub(crate) struct Away {
    notes: Mutex<HashMap<JobId, Note>>,
    count: AtomicUsize,
}

struct Note {
    name: Option<Box<str>>,
    since: Instant,
    waker: Option<Waker>,
}

impl Away {
    /// Notes a job. One that two sides note keeps its first note's time.
    pub(crate) fn note(&self, id: JobId, name: Option<&str>, waker: Option<Waker>) {
        let note = Note {
            name: name.map(Into::into),
            since: Instant::now(),
            waker,
        };
        let mut notes = self.notes.lock_unpoisoned();
        notes.entry(id).or_insert(note);
        self.count.store(notes.len(), Ordering::Relaxed);
    }

    /// Strikes a job out, and records its end in the same step for who reads both.
    pub(crate) fn strike(&self, id: JobId, record: impl FnOnce()) {
        let struck = {
            let mut notes = self.notes.lock_unpoisoned();
            record();
            let struck = notes.remove(&id);
            self.count.store(notes.len(), Ordering::Relaxed);
            struck
        };
        // A waker's drop is the user's code: not under the lock.
        drop(struck);
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Has every suspended future polled once more.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> = self
            .notes
            .lock_unpoisoned()
            .values()
            .filter_map(|note| note.waker.clone())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Adds the jobs that are not in the list already, as those that a worker polls at this moment are.
    pub(crate) fn append_to(&self, jobs: &mut Vec<RunningJob>) {
        for (&id, note) in self.notes.lock_unpoisoned().iter() {
            if !jobs.iter().any(|job| job.id == id) {
                let (name, running_for) = (note.name.clone(), note.since.elapsed());
                jobs.push(RunningJob {
                    id,
                    name,
                    worker: None,
                    running_for,
                });
            }
        }
    }
}
