//! The memory of a ring: zeroed by the system, page by page, as it is first touched.
//!
//! A ring may have a million slots, of which a pool touches as many as are ever in use at once.
//! Zeros are an empty slot of the first lap, so the memory needs no initialization: the system
//! gives a page when its first slot is written. Under loom the slots are made one by one.

#[cfg(not(pool_loom))]
pub(super) use lazy::Slots;
#[cfg(pool_loom)]
pub(super) use modelled::Slots;

#[cfg(not(pool_loom))]
mod lazy {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ops::Deref;
    use std::ptr::NonNull;
    use std::slice;

    use super::super::Slot;

    /// The alignment of a slot, which is the size of a line.
    const LINE: usize = align_of::<Slot>();

    /// Slots that are empty for the first lap, in memory that is zero as it comes.
    ///
    /// Asked for with a small alignment, and a slot too many to align them here: for a larger one
    /// std's allocator writes the zeros itself, and so touches all of a long queue's memory when it
    /// is built.
    pub(crate) struct Slots {
        /// What the allocator gave.
        memory: NonNull<u8>,
        /// What it was asked for.
        layout: Layout,
        /// The first slot, at the first line of that memory.
        first: NonNull<Slot>,
        /// How many slots there are.
        count: usize,
    }

    // SAFETY: it owns its slots, like a box of them; `Ring` says why they may be shared.
    unsafe impl Send for Slots {}
    // SAFETY: as above.
    unsafe impl Sync for Slots {}

    impl Slots {
        /// Returns that many slots, or `None` if there is not enough memory or address space.
        pub(crate) fn new(count: usize) -> Option<Self> {
            let bytes = count.checked_add(1)?.checked_mul(size_of::<Slot>())?;
            let layout = Layout::from_size_align(bytes, align_of::<usize>()).ok()?;
            // SAFETY: the size is that of one slot at least, so it is not zero.
            let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
            let to_line = memory.as_ptr().align_offset(LINE);
            assert!(
                to_line < size_of::<Slot>(),
                "the next line is in the first slot"
            );
            // SAFETY: less than a slot further lies within the memory, which has a slot too many.
            let first = unsafe { memory.add(to_line) }.cast();
            Some(Self {
                memory,
                layout,
                first,
                count,
            })
        }
    }

    impl Deref for Slots {
        type Target = [Slot];

        #[inline(always)]
        fn deref(&self) -> &[Slot] {
            // SAFETY: that many aligned slots lie behind `first`, and zeros are a slot: a mark that
            // is null, and a body that is not there.
            unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) }
        }
    }

    /// Returns the memory. The ring has taken all tasks out by then.
    impl Drop for Slots {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout; a slot has nothing to drop.
            unsafe { dealloc(self.memory.as_ptr(), self.layout) }
        }
    }
}

#[cfg(pool_loom)]
mod modelled {
    use std::mem::MaybeUninit;
    use std::ops::Deref;
    use std::ptr;

    use super::super::Slot;
    use crate::sys::sync::{AtomicPtr, UnsafeCell};

    /// The slots of a model. Loom's atomics are more than their bits, so each is made on its own.
    pub(crate) struct Slots(Box<[Slot]>);

    impl Slots {
        /// Returns that many slots that are empty for the first lap.
        pub(crate) fn new(count: usize) -> Option<Self> {
            let slot = || Slot {
                mark: AtomicPtr::new(ptr::null_mut()),
                body: UnsafeCell::new(MaybeUninit::uninit()),
            };
            Some(Self((0..count).map(|_| slot()).collect()))
        }
    }

    impl Deref for Slots {
        type Target = [Slot];

        /// Returns the slots, by index.
        fn deref(&self) -> &[Slot] {
            &self.0
        }
    }
}
