//! `ByTime`: alarms by their time, most of which are taken back before they are due.
//!
//! A list of slots has the wakers, and a heap the times, each with the slot of its waker. An alarm
//! that is taken back leaves its time in the heap, since to find it there costs more than the whole
//! alarm. Once most times in the heap are of alarms that have gone, those are taken out of it. So
//! setting an alarm and taking it back costs a few steps, whatever the number of alarms, and memory
//! follows those that are set.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use std::time::Instant;

use crate::job::id::JobId;
use crate::job::watch_list::{Watch, WatchList};

/// How many times the heap has for each alarm at most, if there are many. With more of them they
/// are gone through less often.
const MAX_TIMES: usize = 4;

/// How many times of alarms that have gone the heap may have in any case.
const MAX_GONE: usize = 64;

/// A time in the heap, and which alarm it is of. Its alarm has gone unless it is in this slot,
/// under this id and for this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Time {
    when: Instant,
    id: JobId,
    /// The number of its slot in the list.
    slot: usize,
}

/// See the module.
#[derive(Default)]
pub(super) struct ByTime {
    /// When each alarm is due, and what it wakes.
    alarms: WatchList<(Instant, Waker)>,
    /// The times of all alarms, and of some that have gone.
    order: BinaryHeap<Reverse<Time>>,
}

impl ByTime {
    pub(super) fn len(&self) -> usize {
        self.alarms.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.alarms.is_empty()
    }

    /// Sets an alarm. Returns the waker that it replaces.
    #[inline]
    pub(super) fn insert(
        &mut self,
        watch: &Watch,
        id: JobId,
        (when, waker): (Instant, Waker),
    ) -> Option<Waker> {
        let replaced = self.alarms.insert(watch, id, (when, waker));
        if replaced.as_ref().is_none_or(|(former, _)| *former != when) {
            let slot = watch.number();
            self.order.push(Reverse(Time { when, id, slot }));
        }
        replaced.map(|(_, waker)| waker)
    }

    /// Takes an alarm back.
    #[inline]
    pub(super) fn remove(&mut self, watch: &Watch, id: JobId) -> Option<Waker> {
        let (_, waker) = self.alarms.remove(watch, id)?;
        self.forget_gone();
        Some(waker)
    }

    /// When the first alarm is due.
    pub(super) fn first(&mut self) -> Option<Instant> {
        loop {
            let Reverse(time) = *self.order.peek()?;
            if is_set(&self.alarms, time) {
                return Some(time.when);
            }
            self.order.pop();
        }
    }

    /// Takes the first alarm out.
    pub(super) fn pop_first(&mut self) -> Option<Waker> {
        self.first()?;
        let Reverse(time) = self.order.pop()?;
        let (_, waker) = self.alarms.take(time.slot, time.id)?;
        self.forget_gone();
        Some(waker)
    }

    pub(super) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.alarms.into_taken().map(|(_, (_, waker))| waker)
    }

    /// Looks whether most of the heap has gone, or a burst has left its memory.
    #[inline]
    fn forget_gone(&mut self) {
        let most = MAX_TIMES * self.alarms.len() + MAX_GONE;
        if self.order.len() > most || self.order.capacity() > 4 * most {
            self.tidy(most);
        }
    }

    /// Takes the times of alarms that have gone out of the heap, and gives back the memory of more
    /// than `most`.
    #[cold]
    fn tidy(&mut self, most: usize) {
        let alarms = &self.alarms;
        self.order.retain(|Reverse(time)| is_set(alarms, *time));
        self.order.shrink_to(most);
    }
}

/// Whether the alarm of a time is set.
#[inline]
fn is_set(alarms: &WatchList<(Instant, Waker)>, time: Time) -> bool {
    let alarm = alarms.get(time.slot, time.id);
    alarm.is_some_and(|(when, _)| *when == time.when)
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;

    /// A few of each step, drawn by a generator of Lehmer's kind.
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0 * 48_271 % 0x7FFF_FFFF;
            self.0 % end
        }
    }

    fn id(number: u64) -> JobId {
        JobId::from_u64(number + 1).expect("it is not zero")
    }

    #[test]
    fn it_does_what_a_sorted_map_does() {
        let start = Instant::now();
        let (mut draw, mut ours) = (Draw(7), ByTime::default());
        // By time and id; and the time of each id that is set.
        let (mut theirs, mut times) = (BTreeSet::new(), BTreeMap::new());
        let watches: Vec<Watch> = (0..300).map(|_| Watch::default()).collect();
        for _ in 0..20_000 {
            let when = start + Duration::from_millis(draw.below(300));
            let number = draw.below(300);
            let (watch, id) = (&watches[number as usize], id(number));
            match draw.below(5) {
                0 | 1 => {
                    let replaced = ours.insert(watch, id, (when, Waker::noop().clone()));
                    let former = times.insert(id, when);
                    assert_eq!(replaced.is_some(), former.is_some());
                    former.map(|former| theirs.remove(&(former, id)));
                    theirs.insert((when, id));
                }
                2 | 3 => {
                    let former = times.remove(&id);
                    assert_eq!(ours.remove(watch, id).is_some(), former.is_some());
                    former.map(|former| theirs.remove(&(former, id)));
                }
                _ => {
                    let first = theirs.pop_first();
                    assert_eq!(ours.pop_first().is_some(), first.is_some());
                    first.map(|(_, id)| times.remove(&id));
                }
            }
            assert_eq!(ours.first(), theirs.first().map(|(when, _)| *when));
            assert_eq!(
                (ours.len(), ours.is_empty()),
                (theirs.len(), theirs.is_empty())
            );
        }
    }

    #[test]
    fn memory_follows_the_alarms_that_are_set() {
        let (start, mut alarms) = (Instant::now(), ByTime::default());
        let watches: Vec<Watch> = (0..100_000).map(|_| Watch::default()).collect();
        let noop = || (start, Waker::noop().clone());
        for (number, watch) in (0..).zip(&watches) {
            alarms.insert(watch, id(number), noop());
        }
        for (number, watch) in (0..).zip(&watches) {
            assert!(alarms.remove(watch, id(number)).is_some());
        }
        // Set and taken back, one after the other, while one stays.
        let last = Watch::default();
        alarms.insert(&last, id(100_000), noop());
        for (number, watch) in (0..).zip(&watches) {
            alarms.insert(watch, id(number), noop());
            alarms.remove(watch, id(number));
        }
        let most = MAX_TIMES + MAX_GONE;
        assert!(alarms.order.len() <= most && alarms.order.capacity() <= 4 * most);
        // An early one outlasts a burst.
        for (number, watch) in (0..).zip(&watches) {
            alarms.insert(watch, id(number), noop());
        }
        for (number, watch) in (0..).zip(&watches) {
            alarms.remove(watch, id(number));
        }
        assert!(alarms.alarms.capacity() <= 1024 && alarms.len() == 1);
    }
}
