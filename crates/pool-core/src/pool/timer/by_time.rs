//! `ByTime`: alarms by their time, most of which are taken back before they are due.
//!
//! A map has the wakers, and a heap the times. An alarm that is taken back leaves its time in the
//! heap, since to find it there costs more than the whole alarm. Once the heap has more times of
//! alarms that have gone than of others it is made anew. So setting an alarm and taking it back
//! costs a few steps, whatever the number of alarms, and memory follows those that are set.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::task::Waker;
use std::time::Instant;

use crate::job::id::JobId;

/// How many times of alarms that have gone the heap may have in any case.
const MOST_GONE: usize = 64;

/// Which alarm: when it is due, and an id that keeps apart what is due at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) when: Instant,
    pub(super) id: JobId,
}

impl Hash for Key {
    /// Ids are nearly unique by themselves.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.id.as_u64());
    }
}

/// Hashes an id, which nobody outside chooses: neighbours go far apart by one multiplication.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, id: u64) {
        /// 2^64 divided by the golden ratio, as in Knuth's multiplicative hashing.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.0 = (self.0 ^ id).wrapping_mul(SPREAD).rotate_left(32);
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct ByTime {
    wakers: HashMap<Key, Waker, BuildHasherDefault<IdHasher>>,
    /// The keys of all alarms, and of some that have gone.
    order: BinaryHeap<Reverse<Key>>,
}

impl ByTime {
    pub(super) fn len(&self) -> usize {
        self.wakers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Sets an alarm. Returns the waker that it replaces.
    pub(super) fn insert(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        let replaced = self.wakers.insert(key, waker);
        if replaced.is_none() {
            self.order.push(Reverse(key));
        }
        replaced
    }

    /// Takes an alarm back.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Waker> {
        let waker = self.wakers.remove(key)?;
        self.forget_gone();
        Some(waker)
    }

    /// When the first alarm is due.
    pub(super) fn first(&mut self) -> Option<Instant> {
        loop {
            let Reverse(key) = *self.order.peek()?;
            if self.wakers.contains_key(&key) {
                return Some(key.when);
            }
            self.order.pop();
        }
    }

    /// Takes the first alarm out.
    pub(super) fn pop_first(&mut self) -> Option<Waker> {
        self.first()?;
        let Reverse(key) = self.order.pop()?;
        self.remove(&key)
    }

    pub(super) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.wakers.into_values()
    }

    /// Makes the heap anew if most of it has gone, and gives memory back that a burst has taken.
    fn forget_gone(&mut self) {
        let most = 2 * self.wakers.len() + MOST_GONE;
        if self.order.len() > most || self.order.capacity() > 4 * most {
            self.order = self.wakers.keys().copied().map(Reverse).collect();
            self.wakers.shrink_to(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
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

    #[test]
    fn it_does_what_a_sorted_map_does() {
        let start = Instant::now();
        let (mut draw, mut ours, mut theirs) = (Draw(7), ByTime::default(), BTreeMap::new());
        for _ in 0..20_000 {
            let when = start + Duration::from_millis(draw.below(300));
            let id = JobId::from_u64(1 + draw.below(4)).expect("it is not zero");
            let key = Key { when, id };
            match draw.below(5) {
                0 | 1 => {
                    let replaced = ours.insert(key, Waker::noop().clone());
                    assert_eq!(replaced.is_some(), theirs.insert(key, ()).is_some());
                }
                2 | 3 => {
                    assert_eq!(ours.remove(&key).is_some(), theirs.remove(&key).is_some());
                }
                _ => assert_eq!(ours.pop_first().is_some(), theirs.pop_first().is_some()),
            }
            assert_eq!(ours.first(), theirs.keys().next().map(|key| key.when));
            assert_eq!(
                (ours.len(), ours.is_empty()),
                (theirs.len(), theirs.is_empty())
            );
        }
    }

    #[test]
    fn memory_follows_the_alarms_that_are_set() {
        let (start, mut alarms) = (Instant::now(), ByTime::default());
        let key = |number| Key {
            when: start,
            id: JobId::from_u64(number).expect("it is not zero"),
        };
        for number in 1..=100_000 {
            alarms.insert(key(number), Waker::noop().clone());
        }
        for number in 1..=100_000 {
            assert!(alarms.remove(&key(number)).is_some());
        }
        // Set and taken back, one after the other.
        for number in 1..=100_000 {
            alarms.insert(key(number), Waker::noop().clone());
            alarms.remove(&key(number));
        }
        assert!(alarms.order.len() <= MOST_GONE);
        assert!(alarms.order.capacity() <= 4 * MOST_GONE && alarms.wakers.capacity() <= 1024);
    }
}
