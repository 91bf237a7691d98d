//! Entries of a queue whose jobs are over: how their places come free at once, and how they go.
//!
//! # Protocol
//! An entry whose job was cancelled or has expired is **dead**. It stays in its slot, and the limit
//! is one further for it: head plus capacity plus the number of dead entries. All that concerns
//! dead entries happens under the queue's lock, which has the set of their positions. While there
//! is one, the head of the front segment is **guarded**: a bit in it is set. A dequeuer that reads
//! a guarded head goes through the lock, and so does a pusher that comes to the limit. A dequeuer
//! that has read the head before it was guarded fails in its claim, since the head has changed. So
//! while the lock is held the guarded head stands still, and the position of an entry tells whether
//! it is in the queue: if it is not before the head.
//!
//! The limit only grows, as without dead entries. A job that ends raises it by one. A dequeuer that
//! finds a dead entry at the head drops it and goes on: the head is one further then, and the dead
//! are one fewer. The guard goes with the last of them, in the same store.
//!
//! # Where the entry is
//! Its position is the job's ticket (`cell::ticket`), which is read under the lock. A pusher that
//! finds its job over between claim and mark adds the entry to the dead itself, and marks its slot
//! after that. A dequeuer that finds it there waits for the mark as for any other.
//!
//! # Compaction
//! Dead entries behind a living one could fill the memory while no worker pops. So the thread that
//! adds one which makes them as many as the living, and a few, moves the living ones together: from
//! the last to the first, each to the furthest slot that is left, which keeps their order. The head
//! then jumps over what is left, and the limit stays the same. Entries behind one whose pusher is
//! between claim and mark are left alone.
//!
//! A position then is that of another entry than before. The tickets are changed with it: that of
//! an entry that was moved, and that of one that was taken out, since the thread that ended its job
//! may come late, after the pusher that found it over.
//!
//! Nobody claims meanwhile, since the head is guarded; and no slot is marked empty before the head
//! has moved past it. So a look at whether the queue is empty, which takes no lock, finds a task at
//! the head before and after.

use std::collections::BTreeSet;

use super::segment::{GUARDED, Segment};
use super::{Locked, STEP, Segments, is_before};
use crate::cell::ticket::DeadEntry;
use crate::sys::sync::{LockExt, Ordering};
use crate::task::Task;

/// The positions of dead entries.
pub(super) type Dead = BTreeSet<usize>;

/// How many entries must be dead before a compaction.
const MIN_TO_COMPACT: usize = if cfg!(pool_loom) { 2 } else { 64 };

/// What is at the head of the queue.
enum Oldest {
    Task(Task),
    /// To be dropped with the lock free.
    Dead(Task),
    Nothing,
}

impl Segments {
    /// Frees the place of an entry whose job is over, and returns whether it had one: whether it
    /// was still here. Entries that a compaction takes out go to `taken_out`.
    #[cold]
    pub(crate) fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        if !entry.find() {
            return false;
        }
        let mut locked = self.locked.lock_unpoisoned();
        let is_new = entry
            .position()
            .is_some_and(|position| self.add_dead(&mut locked, position));
        if is_new && self.is_compaction_due(&locked) {
            self.compact(&mut locked, taken_out);
        }
        is_new
    }

    /// The same, for the pusher of an entry that is not marked yet.
    #[cold]
    pub(super) fn release_unmarked(&self, position: usize) -> bool {
        self.add_dead(&mut self.locked.lock_unpoisoned(), position)
    }

    /// Adds an entry to the dead, if it is in the queue and not among them.
    fn add_dead(&self, locked: &mut Locked, position: usize) -> bool {
        let front = self.front_under_lock();
        let head = front.guard();
        let is_added = !is_before(position, head) && locked.dead.insert(position);
        if locked.dead.is_empty() {
            front.move_head(head);
        }
        is_added
    }

    /// Takes the oldest task whose job is not over, where the head was guarded.
    #[cold]
    #[inline(never)]
    pub(super) fn pop_through_lock(&self) -> Option<Task> {
        loop {
            match self.take_oldest() {
                Oldest::Task(task) => return Some(task),
                Oldest::Dead(dead) => drop(dead),
                Oldest::Nothing => return None,
            }
        }
    }

    /// Takes the oldest entry. The guard may have gone since the caller's look: then it is set for
    /// the time of this.
    fn take_oldest(&self) -> Oldest {
        let mut locked = self.locked.lock_unpoisoned();
        loop {
            let front = self.front_under_lock();
            let head = front.guard();
            let Some(mark) = front.mark_if_full(head) else {
                if self.advance_locked(&mut locked) {
                    continue;
                }
                front.move_head(locked.guarding(head));
                return Oldest::Nothing;
            };
            let is_dead = locked.dead.remove(&head);
            front.move_head(locked.guarding(head.wrapping_add(STEP)));
            let task = front.take(head, mark);
            return if is_dead {
                Oldest::Dead(task)
            } else {
                Oldest::Task(task)
            };
        }
    }

    /// The limit, where the head is guarded.
    pub(super) fn limit_through_lock(&self) -> usize {
        let locked = self.locked.lock_unpoisoned();
        let head = self.front_under_lock().head() & !GUARDED;
        head.wrapping_add(self.reach)
            .wrapping_add(STEP * locked.dead.len())
    }

    /// The front, for a holder of the lock.
    fn front_under_lock(&self) -> &Segment {
        // SAFETY: segments live as long as the queue.
        unsafe { &*self.front.load(Ordering::Relaxed) }
    }

    fn is_compaction_due(&self, locked: &Locked) -> bool {
        let head = self.front_under_lock().head() & !GUARDED;
        // SAFETY: segments live as long as the queue.
        let tail = unsafe { &*self.back.segment.load(Ordering::Relaxed) }.tail();
        let (queued, dead) = (tail.wrapping_sub(head) / STEP, locked.dead.len());
        dead >= MIN_TO_COMPACT && dead >= queued / 2
    }

    /// Takes the dead entries out, up to the first slot that is not marked, and moves the living
    /// ones behind them.
    fn compact(&self, locked: &mut Locked, taken_out: &mut Vec<Task>) {
        let run = self.marked_run();
        let mut from = Cursor::at_end_of(&run);
        let mut to = Cursor::at_end_of(&run);
        while let Some((segment, position)) = from.step_back() {
            if locked.dead.remove(&position) {
                let dead = segment.read_out(position);
                if let Some(job) = dead.queued_job() {
                    job.takes_no_place();
                }
                taken_out.push(dead);
                continue;
            }
            let (target, furthest) = to.step_back().expect("it is not before the other");
            if furthest != position {
                segment.move_entry(position, target, furthest);
            }
        }
        self.jump_to(locked, &run, to);
    }

    /// The part of each segment in which all slots are marked full, from the head on.
    fn marked_run(&self) -> Vec<Part<'_>> {
        let mut run = Vec::new();
        let mut next = Some(self.front_under_lock());
        while let Some(segment) = next {
            let start = segment.head() & !GUARDED;
            let tail = segment.tail();
            let mut end = start;
            while end != tail && segment.mark_if_full(end).is_some() {
                end = end.wrapping_add(STEP);
            }
            run.push(Part {
                segment,
                start,
                end,
            });
            // SAFETY: segments live as long as the queue.
            next = segment.next().map(|next| unsafe { &*next });
            next = next.filter(|_| end == tail);
        }
        run
    }

    /// Moves the head to where the cursor stands; what is before it has been moved or read out.
    fn jump_to(&self, locked: &mut Locked, run: &[Part<'_>], to: Cursor<'_>) {
        let (left, rest) = run.split_at(to.part);
        rest[0].segment.move_head(locked.guarding(to.position));
        let front = std::ptr::from_ref(rest[0].segment).cast_mut();
        // ORDERING: Release publishes the head.
        self.front.store(front, Ordering::Release);
        for part in left {
            part.segment.move_head(part.end);
            part.segment.mark_empty(part.start, part.end);
            locked.take_out(std::ptr::from_ref(part.segment).cast_mut());
        }
        rest[0].segment.mark_empty(rest[0].start, to.position);
    }
}

/// A part of a segment.
struct Part<'a> {
    segment: &'a Segment,
    start: usize,
    end: usize,
}

/// A position in a run of parts.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    run: &'a [Part<'a>],
    /// The part of the position; the position may be the part's end.
    part: usize,
    position: usize,
}

impl<'a> Cursor<'a> {
    fn at_end_of(run: &'a [Part<'a>]) -> Self {
        let part = run.len() - 1;
        let position = run[part].end;
        Self {
            run,
            part,
            position,
        }
    }

    /// Goes to the position before, and returns it.
    fn step_back(&mut self) -> Option<(&'a Segment, usize)> {
        while self.position == self.run[self.part].start {
            // The part before ends where this one starts.
            self.part = self.part.checked_sub(1)?;
        }
        self.position = self.position.wrapping_sub(STEP);
        Some((self.run[self.part].segment, self.position))
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
