//! `WatchList`: what those that watch a token or a clock have left there, each in a slot that it
//! knows.
//!
//! Each job that is queued with a token or a deadline comes and goes here once. So coming and going
//! cost the same however many there are, and seldom an allocation. The list's owner puts them in
//! order where it needs one.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::job::id::JobId;

/// The largest capacity that is kept while nobody watches.
const MAX_KEPT: usize = 64;

/// A list of slots, each of which is free or has what one watcher has left.
pub(crate) struct WatchList<T> {
    /// What a watcher has left, under its id: it finds by it that the slot is still its own. A slot
    /// keeps its place as long as it is taken; the last is never free.
    slots: Vec<Option<(JobId, T)>>,
    /// The numbers of free slots; and of some that are not, or that are no more.
    free: Vec<usize>,
    /// How many slots are taken.
    taken: usize,
}

/// Where one that watches has its slot. It belongs to one watcher and one list at a time.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The number of its slot, from 1; or 0. Written and read under the lock of the list, which
    /// orders it.
    number: AtomicUsize,
}

impl<T> WatchList<T> {
    /// Leaves something for a watcher, in its own slot if it has one. Returns what was there
    /// before, which is to be dropped outside the lock.
    #[inline(always)]
    pub(crate) fn insert(&mut self, watch: &Watch, id: JobId, what: T) -> Option<T> {
        let number = watch.number();
        if number != 0
            && let Some((_, held)) = self.slot(number, id)
        {
            return Some(mem::replace(held, what));
        }
        self.taken += 1;
        watch.set(self.put((id, what)));
        None
    }

    /// Puts something into a free slot, and returns its number.
    #[inline(always)]
    fn put(&mut self, what: (JobId, T)) -> usize {
        while let Some(number) = self.free.pop() {
            if let Some(slot @ None) = self.slots.get_mut(number - 1) {
                *slot = Some(what);
                return number;
            }
        }
        self.slots.push(Some(what));
        self.slots.len()
    }

    /// Takes out what a watcher has left, to be dropped outside the lock. `None` if it has left
    /// nothing, or the list's owner has taken it.
    #[inline]
    pub(crate) fn remove(&mut self, watch: &Watch, id: JobId) -> Option<T> {
        let what = self.take(watch.number(), id)?;
        watch.set(0);
        Some(what)
    }

    /// Takes out what is in the slot of this number, if that is still the watcher's of this id. The
    /// watcher itself goes on to know the number.
    #[inline]
    pub(crate) fn take(&mut self, number: usize, id: JobId) -> Option<T> {
        let slot = self.slots.get_mut(number.wrapping_sub(1))?;
        let (_, what) = slot.take_if(|(own, _)| *own == id)?;
        self.taken -= 1;
        if number == self.slots.len() {
            self.shorten();
        } else {
            self.free.push(number);
        }
        Some(what)
    }

    /// What is in the slot of this number, if that is still the watcher's of this id.
    #[inline]
    pub(crate) fn get(&self, number: usize, id: JobId) -> Option<&T> {
        let (own, what) = self.slots.get(number.wrapping_sub(1))?.as_ref()?;
        (*own == id).then_some(what)
    }

    /// The slot of one that watches, if it is still its own. The list's owner has taken some or
    /// all, and leaves their numbers with the watchers; a slot with that number may be another's by
    /// now.
    fn slot(&mut self, number: usize, id: JobId) -> Option<&mut (JobId, T)> {
        let slot = self.slots.get_mut(number - 1)?.as_mut()?;
        (slot.0 == id).then_some(slot)
    }

    /// Forgets the free slots at the end, and gives memory back that a burst has taken. Each slot
    /// that goes has come once, so this takes no longer than all that came.
    fn shorten(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
        let len = self.slots.len();
        if self.slots.capacity() > 4 * len + MAX_KEPT {
            self.slots.shrink_to(2 * len);
            self.free.retain(|&number| number <= len);
            self.free.shrink_to(2 * len);
        }
    }

    /// Whether nobody watches.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// How many watch.
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    /// How many slots it has memory for.
    #[cfg(all(test, not(pool_loom)))]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity().max(self.free.capacity())
    }

    /// Everything that is in the list, by the slots.
    pub(crate) fn into_taken(self) -> impl Iterator<Item = (JobId, T)> {
        self.slots.into_iter().flatten()
    }
}

impl<T> Default for WatchList<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            taken: 0,
        }
    }
}

impl Watch {
    /// The number of the watcher's slot, or 0 if it has none. The caller has the lock of the list.
    #[inline]
    pub(crate) fn number(&self) -> usize {
        // ORDERING: Relaxed, as in `set`: see the field.
        self.number.load(Ordering::Relaxed)
    }

    /// Notes the slot. The caller has the lock of the list.
    #[inline]
    fn set(&self, number: usize) {
        self.number.store(number, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::{MAX_KEPT, Watch, WatchList};
    use crate::job::id::JobId;

    fn some(many: usize) -> Vec<(Watch, JobId)> {
        (0..many)
            .map(|_| (Watch::default(), JobId::next()))
            .collect()
    }

    #[test]
    fn a_watcher_takes_the_place_of_its_own_earlier_one_and_goes_once() {
        let (mut watchers, watch, id) = (WatchList::default(), Watch::default(), JobId::next());
        assert!(watchers.insert(&watch, id, ()).is_none());
        assert!(watchers.insert(&watch, id, ()).is_some());
        assert_eq!(watchers.len(), 1);
        assert!(watchers.remove(&watch, id).is_some());
        assert!(watchers.remove(&watch, id).is_none() && watchers.is_empty());
    }

    #[test]
    fn who_watches_later_takes_the_slots_of_those_who_have_gone() {
        let (mut watchers, all) = (WatchList::default(), some(100));
        for (watch, id) in &all {
            assert!(watchers.insert(watch, *id, ()).is_none());
        }
        for round in 0..10 {
            let leaving = || all.iter().skip(round).step_by(3);
            for (watch, id) in leaving() {
                assert!(watchers.remove(watch, *id).is_some());
            }
            assert_eq!(watchers.len(), 100 - leaving().count());
            for (watch, id) in leaving() {
                assert!(watchers.insert(watch, *id, ()).is_none());
            }
            assert_eq!((watchers.len(), watchers.slots.len()), (100, 100));
        }
        assert_eq!(watchers.into_taken().count(), 100);
    }

    #[test]
    fn no_room_is_kept_for_many_who_have_gone() {
        let (mut watchers, all) = (WatchList::default(), some(10_000));
        for (watch, id) in &all {
            assert!(watchers.insert(watch, *id, ()).is_none());
        }
        for (watch, id) in &all {
            assert!(watchers.remove(watch, *id).is_some());
        }
        assert!(watchers.capacity() <= MAX_KEPT);
    }

    #[test]
    fn a_watcher_whose_slot_a_cancel_has_taken_finds_nothing() {
        let (mut watchers, watch, id) = (WatchList::default(), Watch::default(), JobId::next());
        watchers.insert(&watch, id, ());
        drop(std::mem::take(&mut watchers));
        assert!(watchers.remove(&watch, id).is_none());
        let other = Watch::default();
        watchers.insert(&other, JobId::next(), ());
        assert!(
            watchers.remove(&watch, id).is_none(),
            "the slot is another's"
        );
    }

    #[test]
    fn a_list_ends_with_the_last_that_watches() {
        let (mut watchers, all) = (WatchList::default(), some(10_000));
        for (watch, id) in &all {
            assert!(watchers.insert(watch, *id, ()).is_none());
        }
        let is_kept = |at: usize| at == 3 || at == 1_000;
        for (_, (watch, id)) in all.iter().enumerate().filter(|(at, _)| !is_kept(*at)) {
            assert!(watchers.remove(watch, *id).is_some());
        }
        assert_eq!((watchers.slots.len(), watchers.len()), (1_001, 2));
        assert!(watchers.capacity() <= 4 * 1_001 + MAX_KEPT);
        // The free slots are found again, each once.
        for (watch, id) in &all[2_000..2_999] {
            assert!(watchers.insert(watch, *id, ()).is_none());
        }
        assert_eq!((watchers.slots.len(), watchers.len()), (1_001, 1_001));
        for (watch, id) in [&all[3], &all[1_000]].into_iter().chain(&all[2_000..2_999]) {
            assert!(watchers.remove(watch, *id).is_some());
        }
        assert!(watchers.is_empty() && watchers.slots.is_empty());
    }
}
