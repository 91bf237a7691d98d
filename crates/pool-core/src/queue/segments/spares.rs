//! `Spares`: the segments of a queue that are linked nowhere.
//!
//! The one that was used last is the next to be used, while its memory is warm. A few stay warm,
//! and as many as are linked; the pages of all others go back to the system, a batch at a time. So
//! memory follows what is queued, also after a burst.
//!
//! # Few calls to the system
//! A call that takes pages away interrupts the cores that the process runs on (on some machines),
//! and a page that is new costs a fault of its own when it is first touched. So a long queue takes
//! the memory of several segments at once; a segment without pages asks for all of them in one
//! call; and several segments go cold at once, in one call where they lie next to each other.

use std::collections::VecDeque;

use super::segment::Segment;
use super::slots::Slots;

/// How many spare segments keep their pages at least.
pub(super) const MAX_WARM: usize = 8;

/// How many segments are made at once at most, and at least how many go cold at once while the
/// queue is long: 1 MiB of segments of 1 024 slots.
pub(super) const BATCH: usize = 16;

/// See the module. The queue's lock is held while segments are linked or taken out.
#[derive(Default)]
pub(super) struct Spares {
    /// Recently used ones last.
    pub(super) warm: VecDeque<Spare>,
    /// Their pages were given back, or not touched yet.
    pub(super) cold: Vec<Spare>,
    /// How many segments are linked.
    pub(super) linked: usize,
}

/// A segment that is linked nowhere. It lives as long as the queue.
pub(super) struct Spare(*mut Segment);

impl Spare {
    fn segment(&self) -> &Segment {
        // SAFETY: segments live as long as the queue.
        unsafe { &*self.0 }
    }
}

impl Spares {
    /// A segment of that many slots, whose marks are written for pushes from `position` on.
    pub(super) fn take(&mut self, slots: usize, position: usize) -> *mut Segment {
        let taken = self.take_warm().unwrap_or_else(|| self.take_cold(slots));
        taken.segment().mark_for(position);
        taken.0
    }

    /// The segment that was used last, if its dequeuers have left it.
    fn take_warm(&mut self) -> Option<Spare> {
        let is_left = |it: &Spare| it.segment().is_left_by_all();
        let last = self.warm.iter().rposition(is_left)?;
        self.warm.remove(last)
    }

    /// A segment that had no pages, and has them now. If there is none, the queue grows by a
    /// quarter of what is linked.
    fn take_cold(&mut self, slots: usize) -> Spare {
        let taken = self.cold.pop().unwrap_or_else(|| {
            let count = (self.linked / 4).clamp(1, BATCH);
            let mut made = Segment::unmarked(count, slots).map(Spare);
            let first = made.next().expect("at least one is made");
            // The lowest comes next.
            self.cold.extend(made.rev());
            first
        });
        taken.segment().slots().ask_for_pages();
        taken
    }

    /// Keeps a segment that was taken out. If more are warm than are to be, those that have been
    /// spare for longest go cold: several at once, until the queue is short again.
    pub(super) fn add(&mut self, segment: *mut Segment) {
        self.warm.push_back(Spare(segment));
        let surplus = self.warm.len().saturating_sub(MAX_WARM + self.linked);
        if surplus >= BATCH || self.linked == 1 {
            self.cool(surplus);
        }
    }

    /// Gives back the pages of that many segments, the oldest, without those that a dequeuer has
    /// not left.
    fn cool(&mut self, count: usize) {
        let is_left = |it: &Spare| it.segment().is_left_by_all();
        let (mut cooled, kept): (Vec<_>, Vec<_>) = self.warm.drain(..count).partition(is_left);
        kept.into_iter()
            .rev()
            .for_each(|it| self.warm.push_front(it));
        cooled.sort_unstable_by_key(|it| it.segment().slots().address());
        let slots: Vec<&Slots> = cooled.iter().map(|it| it.segment().slots()).collect();
        for run in slots.chunk_by(|one, next| one.are_followed_by(next)) {
            if let [first, .., last] | [first @ last] = run {
                first.give_back_to(last);
            }
        }
        self.cold.extend(cooled.into_iter().rev());
    }

    /// All of them.
    pub(super) fn into_all(self) -> impl Iterator<Item = *mut Segment> {
        self.warm.into_iter().chain(self.cold).map(|it| it.0)
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::convert::Infallible;
    use std::mem::MaybeUninit;

    use crossbeam_utils::Backoff;

    use super::*;
    use crate::job::context::JobContext;
    use crate::queue::segments::segment::{PoppedRun, Pushed};
    use crate::task::{TaskRef, fire_and_forget};

    const SLOTS: usize = 64;

    impl Spares {
        /// Takes `count` segments for a queue that is long, and then short.
        fn taken(&mut self, count: usize) -> Vec<*mut Segment> {
            self.linked = 4 * count;
            let taken = (0..count).map(|_| self.take(SLOTS, 0)).collect();
            self.linked = 1;
            taken
        }

        fn free(self) {
            for segment in self.into_all() {
                // SAFETY: made of a box, and in one of the lists, once.
                drop(unsafe { Box::from_raw(segment) });
            }
        }
    }

    #[test]
    fn segments_are_made_next_to_each_other_and_go_cold_so() {
        let mut spares = Spares::default();
        for _ in 0..3 {
            let taken = spares.taken(BATCH);
            assert!(spares.cold.is_empty() && spares.warm.is_empty());
            spares.warm.extend(taken.into_iter().map(Spare));
            let slots = spares.warm.iter().map(|it| it.segment().slots());
            let mut pairs = slots.clone().zip(slots.skip(1));
            assert!(pairs.all(|(one, next)| one.are_followed_by(next)));
            spares.cool(BATCH);
            assert_eq!((spares.cold.len(), spares.warm.len()), (BATCH, 0));
        }
        spares.free();
    }

    #[test]
    fn a_segment_that_is_not_left_keeps_no_other_warm() {
        let mut spares = Spares::default();
        let taken = spares.taken(BATCH);
        spares.warm.extend(taken.iter().copied().map(Spare));
        // SAFETY: it lives.
        let segment = unsafe { &*taken[1] };
        segment.open(0);
        let mut body = MaybeUninit::uninit();
        let (_, task) = fire_and_forget::task(|_: &JobContext<'_>| Ok::<_, Infallible>(()));
        let task = TaskRef::new(&mut body, task);
        let pushed = segment.push(task, |_| true, |_| false, || (), &Backoff::new());
        assert!(matches!(pushed, Pushed::Yes));
        spares.cool(4);
        let cold: Vec<_> = spares.cold.iter().rev().map(|it| it.0).collect();
        assert_eq!(cold, [taken[0], taken[2], taken[3]]);
        let warm: Vec<_> = spares.warm.iter().map(|it| it.0).collect();
        assert_eq!(warm, [&taken[1..2], &taken[4..]].concat());
        let mut popped = Vec::new();
        assert!(matches!(
            segment.pop_run(1, || true, &mut popped),
            PoppedRun::Tasks
        ));
        spares.cool(1);
        assert_eq!((spares.cold.len(), popped.len()), (4, 1));
        spares.free();
    }
}
