//! The memory of a segment.

#[cfg(not(pool_loom))]
pub(super) use lazy::Slots;
#[cfg(pool_loom)]
pub(super) use modelled::Slots;

#[cfg(not(pool_loom))]
mod lazy {
    use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
    use std::ptr::NonNull;
    use std::sync::Arc;

    use crate::queue::segments::segment::Slot;

    /// A slot is one line, at a line's start.
    const LINE: usize = align_of::<Slot>();

    /// A power of two of slots, in a piece of memory that others may share.
    pub(crate) struct Slots {
        first: NonNull<Slot>,
        /// One less than their number, which is a power of two.
        mask: usize,
        memory: Arc<Memory>,
    }

    /// A piece of memory for slots.
    ///
    /// Asked for with a small alignment, and a slot too many to align them here: for a larger one
    /// std's allocator writes the zeros itself, and so touches all of the memory at once.
    struct Memory {
        start: NonNull<u8>,
        layout: Layout,
    }

    /// What the system is told of pages.
    enum Advice {
        Needed,
        NotNeeded,
    }

    // SAFETY: it owns its memory, which it only frees.
    unsafe impl Send for Memory {}
    // SAFETY: as above.
    unsafe impl Sync for Memory {}

    // SAFETY: it owns its slots, like a box of them; `Segment` says why they may be shared.
    unsafe impl Send for Slots {}
    // SAFETY: as above.
    unsafe impl Sync for Slots {}

    impl Slots {
        /// Slots that are empty for the lap that begins at position 0: zeros, which the system
        /// gives page by page as they are first touched.
        pub(crate) fn marked(count: usize) -> Self {
            // SAFETY: see `allocate`.
            let mut all = Self::allocate(1, count, |layout| unsafe { alloc_zeroed(layout) });
            all.next().expect("there is one")
        }

        /// Slots whose marks are not written yet, and must be before anybody reads them: `count` of
        /// them `times` over, each followed by the next.
        pub(crate) fn unmarked(
            times: usize,
            count: usize,
        ) -> impl DoubleEndedIterator<Item = Self> {
            // SAFETY: see `allocate`.
            Self::allocate(times, count, |layout| unsafe { alloc(layout) })
        }

        /// Calls `alloc` with a layout whose size is not zero.
        fn allocate(
            times: usize,
            count: usize,
            alloc: impl Fn(Layout) -> *mut u8,
        ) -> impl DoubleEndedIterator<Item = Self> {
            assert!(count.is_power_of_two(), "a mask selects the slot");
            let bytes = (times * count + 1) * size_of::<Slot>();
            let layout = Layout::from_size_align(bytes, align_of::<usize>());
            let layout = layout.expect("segments are short");
            let start = NonNull::new(alloc(layout));
            let start = start.unwrap_or_else(|| handle_alloc_error(layout));
            let to_line = start.as_ptr().align_offset(LINE);
            assert!(
                to_line < size_of::<Slot>(),
                "the next line is in the first slot"
            );
            // SAFETY: less than a slot further lies within the memory, which has a slot too many.
            let first = unsafe { start.add(to_line) }.cast::<Slot>();
            let memory = Arc::new(Memory { start, layout });
            (0..times).map(move |index| Self {
                // SAFETY: `times * count` slots lie behind the first, and `index` is below `times`.
                first: unsafe { first.add(index * count) },
                mask: count - 1,
                memory: Arc::clone(&memory),
            })
        }

        #[inline(always)]
        pub(crate) fn len(&self) -> usize {
            self.mask + 1
        }

        /// The slot of an index that counts on over all laps.
        #[inline(always)]
        pub(crate) fn at(&self, index: usize) -> &Slot {
            // SAFETY: that many aligned slots lie behind `first`, and the masked index is less. A
            // slot is its mark, which is written or zero, and a body that may not be there. In
            // unmarked slots only the store of a mark comes before that.
            unsafe { self.first.add(index & self.mask).as_ref() }
        }

        /// Where the first slot lies.
        pub(crate) fn address(&self) -> usize {
            self.first.as_ptr().addr()
        }

        /// Whether the other slots lie right behind these, in the same piece of memory.
        pub(crate) fn are_followed_by(&self, other: &Self) -> bool {
            Arc::ptr_eq(&self.memory, &other.memory) && self.end() == other.first
        }

        /// The end of the last slot.
        fn end(&self) -> NonNull<Slot> {
            // SAFETY: that many slots lie there.
            unsafe { self.first.add(self.len()) }
        }

        /// Asks the system for all pages of these slots that it has not given yet. The caller is
        /// about to write to each of them.
        pub(crate) fn ask_for_pages(&self) {
            // SAFETY: it changes nothing that a write to these pages would not.
            unsafe { self.advise_to(self, Advice::Needed) }
        }

        /// Gives the pages from these slots to the end of `last` back to the system, if it takes
        /// them: what they held is lost, or is not.
        ///
        /// These are `last`, or are followed by others up to `last`. Nobody may be reading or
        /// writing a body of any of them. A mark may be read meanwhile; its reader finds what was
        /// there, or null.
        pub(crate) fn give_back_to(&self, last: &Self) {
            // SAFETY: nothing but these slots is advised on. No body is in use, and each mark is
            // written before the slots are used again, as the caller has seen to.
            unsafe { self.advise_to(last, Advice::NotNeeded) }
        }

        /// Advises the system on the whole pages that lie within the slots from these to `last`,
        /// which are in one piece of memory. A system that does not know an advice changes nothing:
        /// a page comes when it is first touched, and stays until the memory goes.
        ///
        /// # Safety
        /// What is in pages that are not needed may be lost.
        ///
        /// # Panics
        /// If they are in different pieces of memory.
        #[cfg(all(target_os = "linux", not(miri)))]
        unsafe fn advise_to(&self, last: &Self, advice: Advice) {
            assert!(
                Arc::ptr_eq(&self.memory, &last.memory),
                "what lies between two pieces of memory is not the queue's"
            );
            // SAFETY: it only asks.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let Ok(page @ 1..) = usize::try_from(page) else {
                return;
            };
            let start = self.address().next_multiple_of(page);
            let end = last.end().as_ptr().addr();
            let Some(pages @ 1..) = (end - end % page).checked_sub(start) else {
                return;
            };
            let advice = match advice {
                Advice::Needed => libc::MADV_POPULATE_WRITE, // from Linux 5.14 on
                Advice::NotNeeded => libc::MADV_DONTNEED,
            };
            let start = self.first.as_ptr().with_addr(start);
            // SAFETY: these are whole pages of slots; the rest is the caller's promise. Each page
            // is as before, or is there, or reads as zeros; or as it was once, if the allocator
            // shares it with another process.
            unsafe { libc::madvise(start.cast(), pages, advice) };
        }

        /// Other systems have no such calls for memory of any allocator.
        #[cfg(not(all(target_os = "linux", not(miri))))]
        unsafe fn advise_to(&self, _last: &Self, _advice: Advice) {}
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout, and no slots in it are left; a slot has nothing
            // to drop.
            unsafe { dealloc(self.start.as_ptr(), self.layout) }
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::ptr::{self, NonNull};

    use super::Slots;
    use crate::queue::segments::segment::Slot;
    use crate::sys::sync::Ordering::Relaxed;

    const COUNT: usize = 1024;

    fn are_marked(slots: &Slots) -> impl Iterator<Item = bool> {
        (0..COUNT).map(|index| !slots.at(index).mark.load(Relaxed).is_null())
    }

    #[test]
    fn those_that_are_made_at_once_lie_next_to_each_other() {
        let both: [Vec<Slots>; 2] = [3, 1].map(|times| Slots::unmarked(times, COUNT).collect());
        let [three, one] = &both;
        for (at, slots) in three.iter().enumerate() {
            assert_eq!(slots.len(), COUNT);
            let first = ptr::from_ref(slots.at(0));
            assert_eq!((first.addr(), first.addr() % 64), (slots.address(), 0));
            for (other_at, other) in three.iter().enumerate() {
                assert_eq!(slots.are_followed_by(other), at + 1 == other_at);
            }
            assert!(!slots.are_followed_by(&one[0]) && !one[0].are_followed_by(slots));
        }
    }

    #[test]
    fn pages_are_asked_for_and_given_back_of_these_slots_alone() {
        let all: Vec<Slots> = Slots::unmarked(5, COUNT).collect();
        for slots in &all {
            for index in 0..COUNT {
                let mark = NonNull::dangling().as_ptr();
                slots.at(index).mark.store(mark, Relaxed);
            }
            slots.ask_for_pages();
            assert!(
                are_marked(slots).all(|is_marked| is_marked),
                "nothing is lost"
            );
        }
        all[1].give_back_to(&all[3]);
        for kept in [&all[0], &all[4]] {
            assert!(
                are_marked(kept).all(|is_marked| is_marked),
                "nobody gave these back"
            );
        }
        let left = all[1..4].iter().flat_map(are_marked).filter(|it| *it);
        if cfg!(all(target_os = "linux", not(miri))) {
            // SAFETY: it only asks.
            let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
            let shared = 2 * page / size_of::<Slot>();
            assert!(left.count() < shared, "at each end, a part of a page");
        } else {
            assert_eq!(left.count(), 3 * COUNT);
        }
    }
}

/// Loom's atomics are more than their bits.
#[cfg(pool_loom)]
mod modelled {
    use std::mem::MaybeUninit;
    use std::ptr;

    use crate::queue::segments::segment::Slot;
    use crate::sys::sync::{AtomicPtr, UnsafeCell};

    pub(crate) struct Slots(Box<[Slot]>);

    impl Slots {
        pub(crate) fn marked(count: usize) -> Self {
            let slot = || Slot {
                mark: AtomicPtr::new(ptr::null_mut()),
                body: UnsafeCell::new(MaybeUninit::uninit()),
            };
            Self((0..count).map(|_| slot()).collect())
        }

        pub(crate) fn unmarked(
            times: usize,
            count: usize,
        ) -> impl DoubleEndedIterator<Item = Self> {
            (0..times).map(move |_| Self::marked(count))
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }

        pub(crate) fn at(&self, index: usize) -> &Slot {
            &self.0[index & (self.0.len() - 1)]
        }

        pub(crate) fn address(&self) -> usize {
            self.0.as_ptr().addr()
        }

        /// Each has memory of its own.
        pub(crate) fn are_followed_by(&self, _other: &Self) -> bool {
            false
        }

        /// The pages of a model are there, and stay.
        pub(crate) fn ask_for_pages(&self) {}

        /// As above.
        pub(crate) fn give_back_to(&self, _last: &Self) {}
    }
}
