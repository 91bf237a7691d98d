//! The memory of a segment.

#[cfg(not(pool_loom))]
pub(super) use lazy::Slots;
#[cfg(pool_loom)]
pub(super) use modelled::Slots;

#[cfg(not(pool_loom))]
mod lazy {
    use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
    use std::ptr::NonNull;

    use crate::queue::segments::segment::Slot;

    /// A slot is one line, at a line's start.
    const LINE: usize = align_of::<Slot>();

    /// A power of two of slots.
    ///
    /// Asked for with a small alignment, and a slot too many to align them here: for a larger one
    /// std's allocator writes the zeros itself, and so touches all of the memory at once.
    pub(crate) struct Slots {
        memory: NonNull<u8>,
        layout: Layout,
        first: NonNull<Slot>,
        /// One less than their number, which is a power of two.
        mask: usize,
    }

    // SAFETY: it owns its slots, like a box of them; `Segment` says why they may be shared.
    unsafe impl Send for Slots {}
    // SAFETY: as above.
    unsafe impl Sync for Slots {}

    impl Slots {
        /// Slots that are empty for the lap that begins at position 0: zeros, which the system
        /// gives page by page as they are first touched.
        pub(crate) fn marked(count: usize) -> Self {
            // SAFETY: see `allocate`.
            Self::allocate(count, |layout| unsafe { alloc_zeroed(layout) })
        }

        /// Slots whose marks are yet to be written, before anybody reads them.
        pub(crate) fn unmarked(count: usize) -> Self {
            // SAFETY: see `allocate`.
            Self::allocate(count, |layout| unsafe { alloc(layout) })
        }

        /// Calls `alloc` with a layout whose size is not zero.
        fn allocate(count: usize, alloc: impl Fn(Layout) -> *mut u8) -> Self {
            assert!(count.is_power_of_two(), "a mask selects the slot");
            let bytes = (count + 1) * size_of::<Slot>();
            let layout = Layout::from_size_align(bytes, align_of::<usize>());
            let layout = layout.expect("a segment is short");
            let memory = NonNull::new(alloc(layout));
            let memory = memory.unwrap_or_else(|| handle_alloc_error(layout));
            let to_line = memory.as_ptr().align_offset(LINE);
            assert!(
                to_line < size_of::<Slot>(),
                "the next line is in the first slot"
            );
            // SAFETY: less than a slot further lies within the memory, which has a slot too many.
            let first = unsafe { memory.add(to_line) }.cast();
            Self {
                memory,
                layout,
                first,
                mask: count - 1,
            }
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

        /// Gives the pages back to the system, if it takes them: what they held is lost, or is not.
        ///
        /// Nobody may be reading or writing a body. A mark may be read meanwhile; its reader finds
        /// what was there, or null.
        #[cfg(target_os = "linux")]
        pub(crate) fn give_back(&self) {
            // SAFETY: it only asks.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let Ok(page @ 1..) = usize::try_from(page) else {
                return;
            };
            let start = self.memory.as_ptr();
            let to_page = start.align_offset(page);
            let Some(rest) = self.layout.size().checked_sub(to_page) else {
                return;
            };
            let whole_pages = rest - rest % page;
            // SAFETY: these pages lie within the memory, which is this one's alone. The call fails
            // and changes nothing, or the pages read as zeros, or as before if the allocator shares
            // them with another process. The caller has seen that no body is in use, and writes
            // each mark before the slots are used again.
            unsafe { libc::madvise(start.add(to_page).cast(), whole_pages, libc::MADV_DONTNEED) };
        }

        /// Other systems have no call that does this to memory of any allocator: the pages go with
        /// the queue.
        #[cfg(not(target_os = "linux"))]
        pub(crate) fn give_back(&self) {}
    }

    impl Drop for Slots {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout; a slot has nothing to drop.
            unsafe { dealloc(self.memory.as_ptr(), self.layout) }
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

        pub(crate) fn unmarked(count: usize) -> Self {
            Self::marked(count)
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }

        pub(crate) fn at(&self, index: usize) -> &Slot {
            &self.0[index & (self.0.len() - 1)]
        }

        /// The pages of a model stay.
        pub(crate) fn give_back(&self) {}
    }
}
