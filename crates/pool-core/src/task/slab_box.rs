//! `SlabBox`: a `Box` whose memory is a place of a slab, which its maker gets without a lock.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::task::slab::{self, Spot};

/// Owns a `T` in a slab of the thread that made it. Any thread may drop it.
pub(crate) struct SlabBox<T> {
    /// Where the value is.
    memory: NonNull<T>,
    /// Where in its slab that is.
    spot: Spot,
}

// SAFETY: it owns its value as a `Box` does, and any thread may free the memory.
unsafe impl<T: Send> Send for SlabBox<T> {}
// SAFETY: a reference to it gives only references to the value.
unsafe impl<T: Sync> Sync for SlabBox<T> {}

impl<T> SlabBox<T> {
    /// Moves a value into memory of its own. Memory that cannot be had ends the process.
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        let (memory, spot) = slab::allocate::<T>();
        // SAFETY: it was allocated for a `T`, and nobody else has it.
        unsafe { memory.write(value) };
        Self { memory, spot }
    }

    /// Moves the value out, and frees the memory.
    #[inline]
    pub(crate) fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the box is no more, so its value is moved out this once.
        let value = unsafe { this.memory.read() };
        // SAFETY: `new` allocated it, and nobody uses it any more.
        unsafe { slab::free(this.memory, this.spot) };
        value
    }
}

impl<T> Deref for SlabBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it holds a value until it is consumed or dropped.
        unsafe { self.memory.as_ref() }
    }
}

impl<T> Drop for SlabBox<T> {
    #[inline]
    fn drop(&mut self) {
        /// Frees the memory of a value that has been dropped, or whose drop has panicked.
        struct Free<T>(NonNull<T>, Spot);

        impl<T> Drop for Free<T> {
            fn drop(&mut self) {
                // SAFETY: the box is no more, and `new` allocated its memory.
                unsafe { slab::free(self.0, self.1) }
            }
        }

        let _free = Free(self.memory, self.spot);
        // SAFETY: it holds a value, which is dropped this once.
        unsafe { self.memory.drop_in_place() }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::thread;

    use super::SlabBox;

    #[test]
    fn a_value_of_any_size_and_alignment_comes_out_as_it_went_in() {
        #[repr(align(64))]
        #[derive(Debug, PartialEq, Eq)]
        struct Aligned<const N: usize>([u8; N]);

        assert_eq!(SlabBox::new([7_u8; 40]).into_inner(), [7; 40]);
        assert_eq!(SlabBox::new([7_u8; 4096]).into_inner(), [7; 4096]);
        assert_eq!(SlabBox::new(Aligned([7; 3])).into_inner(), Aligned([7; 3]));
        assert_eq!(SlabBox::new(Aligned([])).into_inner(), Aligned([]));
        let there = SlabBox::new(vec![1, 2, 3]);
        let len = thread::spawn(move || there.len()).join().ok();
        assert_eq!(len, Some(3));
    }

    #[test]
    fn a_value_is_dropped_once_though_its_drop_panics() {
        struct Bomb(#[expect(dead_code, reason = "its count is looked at")] Arc<()>);

        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose");
            }
        }

        let count = Arc::new(());
        let bomb = SlabBox::new(Bomb(Arc::clone(&count)));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
