//! The wakers of those that watch a token.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use crate::job::id::JobId;

/// The largest capacity that is kept while there are no watchers.
const MOST_KEPT: usize = 64;

/// The wakers of those that watch a token.
///
/// Each job that is queued with a token comes and goes here once. So this is a list of slots, of
/// which each watcher knows its own: both cost the same however many there are, and no allocation.
/// Their order is made by the cancel, which alone asks for it.
#[derive(Default)]
pub(super) struct Watchers {
    /// No longer than the most that watched at once. A slot keeps its place as long as it is taken.
    slots: Vec<Slot>,
    /// The number of the first free slot, or 0. Free slots are a list through themselves.
    free: usize,
    /// How many slots are taken.
    taken: usize,
}

/// A place for one waker.
enum Slot {
    /// A watcher's waker, under its id: the watcher finds by it that the slot is still its own.
    Taken(JobId, Waker),
    /// The number of the next free slot, or 0.
    Free(usize),
}

/// Where one that watches a token has its waker. It belongs to one watcher and one token.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The number of its slot, from 1; or 0. Written and read under the lock of the token's node,
    /// which orders it.
    number: AtomicUsize,
}

impl Watchers {
    /// Leaves a watcher's waker, in its own slot if it has one. Returns the one that was there
    /// before, which is to be dropped outside the lock.
    #[inline]
    pub(super) fn insert(&mut self, watch: &Watch, id: JobId, waker: Waker) -> Option<Waker> {
        if let Some(Slot::Taken(_, held)) = self.slot(watch, id) {
            return Some(mem::replace(held, waker));
        }
        let slot = Slot::Taken(id, waker);
        self.taken += 1;
        watch.set(self.free);
        match self.slots.get_mut(self.free.wrapping_sub(1)) {
            Some(place) => {
                if let Slot::Free(next) = mem::replace(place, slot) {
                    self.free = next;
                }
            }
            None => {
                self.slots.push(slot);
                watch.set(self.slots.len());
            }
        }
        None
    }

    /// Takes a watcher's waker out, to be dropped outside the lock. `None` if the watcher has left
    /// none, or a cancel has taken it.
    #[inline]
    pub(super) fn remove(&mut self, watch: &Watch, id: JobId) -> Option<Waker> {
        let free = self.free;
        let slot = mem::replace(self.slot(watch, id)?, Slot::Free(free));
        self.free = watch.number();
        watch.set(0);
        self.taken -= 1;
        if self.taken == 0 {
            self.begin_again();
        }
        match slot {
            Slot::Taken(_, waker) => Some(waker),
            Slot::Free(_) => None,
        }
    }

    /// The slot of one that watches, if it is still its own. A cancel has taken all slots, and
    /// leaves their numbers with the watchers; a slot with that number may be another's by now.
    fn slot(&mut self, watch: &Watch, id: JobId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(watch.number().wrapping_sub(1))?;
        matches!(slot, Slot::Taken(own, _) if *own == id).then_some(slot)
    }

    /// A token that outlives many jobs keeps no room for all of them.
    #[cold]
    fn begin_again(&mut self) {
        self.free = 0;
        self.slots.clear();
        if self.slots.capacity() > MOST_KEPT {
            self.slots = Vec::new();
        }
    }

    /// Whether nobody watches.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// How many watch.
    #[cfg(all(test, not(pool_loom)))]
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// All of them in the order of their ids.
    pub(super) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        let taken = self.slots.into_iter().filter_map(|slot| match slot {
            Slot::Taken(id, waker) => Some((id, waker)),
            Slot::Free(_) => None,
        });
        let mut all: Vec<_> = taken.collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, waker)| waker)
    }
}

impl Watch {
    /// The number of the watcher's slot, or 0 if it has none.
    fn number(&self) -> usize {
        // ORDERING: Relaxed, as in `set`: see the field.
        self.number.load(Ordering::Relaxed)
    }

    /// Notes the slot. The caller has the lock of the token's node.
    fn set(&self, number: usize) {
        self.number.store(number, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::task::Waker;

    use super::{MOST_KEPT, Watch, Watchers};
    use crate::job::id::JobId;

    fn noop() -> Waker {
        Waker::noop().clone()
    }

    fn some(many: usize) -> Vec<(Watch, JobId)> {
        (0..many)
            .map(|_| (Watch::default(), JobId::next()))
            .collect()
    }

    #[test]
    fn a_watcher_takes_the_place_of_its_own_earlier_one_and_goes_once() {
        let (mut watchers, watch, id) = (Watchers::default(), Watch::default(), JobId::next());
        assert!(watchers.insert(&watch, id, noop()).is_none());
        assert!(watchers.insert(&watch, id, noop()).is_some());
        assert_eq!(watchers.len(), 1);
        assert!(watchers.remove(&watch, id).is_some());
        assert!(watchers.remove(&watch, id).is_none() && watchers.is_empty());
    }

    #[test]
    fn who_watches_later_takes_the_slots_of_those_who_have_gone() {
        let (mut watchers, all) = (Watchers::default(), some(100));
        for (watch, id) in &all {
            assert!(watchers.insert(watch, *id, noop()).is_none());
        }
        for round in 0..10 {
            let leaving = || all.iter().skip(round).step_by(3);
            for (watch, id) in leaving() {
                assert!(watchers.remove(watch, *id).is_some());
            }
            assert_eq!(watchers.len(), 100 - leaving().count());
            for (watch, id) in leaving() {
                assert!(watchers.insert(watch, *id, noop()).is_none());
            }
            assert_eq!((watchers.len(), watchers.slots.len()), (100, 100));
        }
        assert_eq!(watchers.into_wakers().count(), 100);
    }

    #[test]
    fn no_room_is_kept_for_many_who_have_gone() {
        let (mut watchers, all) = (Watchers::default(), some(10_000));
        for (watch, id) in &all {
            assert!(watchers.insert(watch, *id, noop()).is_none());
        }
        for (watch, id) in &all {
            assert!(watchers.remove(watch, *id).is_some());
        }
        assert!(watchers.slots.capacity() <= MOST_KEPT);
    }

    #[test]
    fn a_watcher_whose_slot_a_cancel_has_taken_finds_nothing() {
        let (mut watchers, watch, id) = (Watchers::default(), Watch::default(), JobId::next());
        watchers.insert(&watch, id, noop());
        drop(std::mem::take(&mut watchers));
        assert!(watchers.remove(&watch, id).is_none());
        let other = Watch::default();
        watchers.insert(&other, JobId::next(), noop());
        assert!(
            watchers.remove(&watch, id).is_none(),
            "the slot is another's"
        );
    }
}
