//! Memory for cells, several from one allocation: a cell costs its maker no lock, where the
//! allocator's own would wait for stores to lines that other cores hold.
//!
//! # Protocol
//! A **slab** is a head and some places of one size. A thread takes the places of its **open** slab
//! one by one; anybody may free one. The head counts the places that are not free for good: all of
//! them at first, those included that nobody has taken. A thread that frees a place takes it off; a
//! thread that ends takes off those that it never took. The thread that brings the count to nothing
//! gives the slab back to the allocator.
//!
//! So an open slab cannot go: a place that nobody has taken counts. Its thread may take the place
//! back that it took last, if that is freed by the thread itself, and hand it out again: a job that
//! is joined before the next is made has its cell where the last one was. Once the last place is
//! taken the slab is open no more, and its maker forgets it.
//!
//! A place knows which one of its slab it is ([`Spot`]), and by that where the head is.
//!
//! A thread that frees many places at a time ([`Freed`]) adds up those of one slab, and takes them
//! off its count together. Until then they count, so the slab is there. It adds up for one slab
//! only, so what it holds back is less than a slab.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::sys::sync::{AtomicU32, Ordering, fence};

/// Places differ by so much in size.
const UNIT: usize = 8;
/// A slab begins at a multiple of this, and so does each place whose size is one.
const ALIGN: usize = 16;
/// What lies before the first place.
const HEAD: usize = size_of::<Head>();
/// Larger places are allocated one by one: there the lock is not what costs.
const MAX_BYTES: usize = 256;
/// A thread's first slab has that many places, and each has twice those of the one before, that
/// many times.
const FIRST_PLACES: u32 = 4;
const DOUBLINGS: u32 = 3;

/// Where in its slab a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot(u32);

impl Spot {
    /// An allocation of its own.
    const ALONE: Self = Self(u32::MAX);
}

/// What precedes the places.
///
/// It is alive as long as a place of its slab is not free for good.
#[repr(C, align(16))]
struct Head {
    /// Counts the places, those included that no thread has taken.
    left: Remaining,
    /// How many there were at first: the slab's size, by which it is freed.
    places: u32,
}

const _: () = assert!(HEAD.is_multiple_of(ALIGN));

/// How many places of a slab are not free for good.
pub(crate) struct Remaining(AtomicU32);

impl Remaining {
    /// All places are counted: none is free for good.
    pub(crate) fn new(places: u32) -> Self {
        Self(AtomicU32::new(places))
    }

    /// Takes places off. True: none is left, and all that was done at any of them has happened
    /// before.
    #[inline]
    pub(crate) fn take_off(&self, places: u32) -> bool {
        // ORDERING: Release: what the caller did at its place comes before the slab's end.
        if self.0.fetch_sub(places, Ordering::Release) != places {
            return false;
        }
        // ORDERING: Acquire pairs with the Release of all that came before.
        fence(Ordering::Acquire);
        true
    }
}

/// A thread's open slab for places of one size.
struct Open {
    /// Null: there is none.
    head: Cell<*mut Head>,
    /// The place that is taken next.
    ///
    /// Once it comes to `places` there is no open slab.
    next: Cell<u32>,
    /// How many places the open slab has.
    places: Cell<u32>,
    /// How often the next slab is larger than the first.
    doublings: Cell<u32>,
}

/// A thread's open slabs, by size.
///
/// Only its thread uses it. What is left of its open slabs at the thread's end is taken off their
/// counts.
struct Slabs([Open; MAX_BYTES / UNIT]);

thread_local! {
    static SLABS: Slabs = const {
        Slabs(
            [const {
                Open {
                    head: Cell::new(ptr::null_mut()),
                    next: Cell::new(0),
                    places: Cell::new(0),
                    doublings: Cell::new(0),
                }
            }; MAX_BYTES / UNIT],
        )
    };
}

/// Memory for a `T`, and the spot to free it with.
///
/// A type that is larger than [`MAX_BYTES`], or a thread whose locals are gone, gets an allocation
/// of its own. Memory that cannot be had ends the process, as `Box::new` does.
#[inline(always)]
pub(crate) fn allocate<T>() -> (NonNull<T>, Spot) {
    if const { is_small::<T>() }
        && let Ok((place, spot)) = SLABS.try_with(|slabs| slabs.0[class::<T>()].take(pitch::<T>()))
    {
        return (place.cast(), spot);
    }
    (alone::<T>(), Spot::ALONE)
}

/// Gives memory back.
///
/// Any thread may call it. On the thread whose open slab it is, the place that was taken last is
/// taken back, and is the next one that it hands out.
///
/// # Safety
/// Both come from one call of [`allocate`] for the same `T`; nobody uses the memory any more.
#[inline]
pub(crate) unsafe fn free<T>(place: NonNull<T>, spot: Spot) {
    if spot == Spot::ALONE {
        if size_of::<T>() > 0 {
            // SAFETY: `alone` allocated it.
            unsafe { alloc::dealloc(place.as_ptr().cast(), Layout::new::<T>()) };
        }
        return;
    }
    // SAFETY: the place is of a slab, as the spot says.
    let head = unsafe { head_of(place, spot) };
    let is_back = SLABS.try_with(|slabs| slabs.0[class::<T>()].take_back(head, spot));
    if !is_back.unwrap_or(false) {
        // SAFETY: the place was counted, and is so no more.
        unsafe { take_off(head, 1, pitch::<T>()) }
    }
}

/// The head of the slab that a place is in.
///
/// # Safety
/// Both come from one call of [`allocate`] for the same `T`, and the spot is in a slab.
#[inline]
unsafe fn head_of<T>(place: NonNull<T>, spot: Spot) -> *mut Head {
    let bytes = HEAD + spot.0 as usize * pitch::<T>();
    // SAFETY: the place is so far behind its head, in one allocation.
    unsafe { place.as_ptr().byte_sub(bytes).cast::<Head>() }
}

/// Places of one slab that a thread has freed, and has yet to take off the slab's count.
///
/// For a thread that frees many: those that were taken one after the other often come back so, and
/// a count that other threads write is written once for all of them. For one thread at a time.
pub(crate) struct Freed<T> {
    /// The slab. Null: there is none.
    head: Cell<*mut Head>,
    /// How many of its places are free and still counted.
    places: Cell<u32>,
    of: PhantomData<T>,
}

impl<T> Freed<T> {
    /// Gives memory back, at the latest when this is dropped or more of another slab is freed.
    ///
    /// # Safety
    /// As for [`free`].
    #[inline]
    pub(crate) unsafe fn add(&self, place: NonNull<T>, spot: Spot) {
        if spot == Spot::ALONE {
            // SAFETY: the caller's promise.
            return unsafe { free(place, spot) };
        }
        // SAFETY: the place is of a slab, as the spot says.
        let head = unsafe { head_of(place, spot) };
        if self.head.get() != head {
            self.take_off();
            self.head.set(head);
        }
        let places = self.places.get() + 1;
        self.places.set(places);
        // SAFETY: the place that is added keeps the slab alive.
        if places == unsafe { (*head).places } {
            self.take_off();
        }
    }

    /// Takes the places off their slab's count.
    #[inline]
    fn take_off(&self) {
        let (head, places) = (self.head.replace(ptr::null_mut()), self.places.take());
        if !head.is_null() {
            // SAFETY: they were counted, and are so no more.
            unsafe { take_off(head, places, pitch::<T>()) }
        }
    }
}

impl<T> Default for Freed<T> {
    fn default() -> Self {
        Self {
            head: Cell::new(ptr::null_mut()),
            places: Cell::new(0),
            of: PhantomData,
        }
    }
}

impl<T> Drop for Freed<T> {
    fn drop(&mut self) {
        self.take_off();
    }
}

impl Open {
    /// The next place of the open slab; a new slab is opened if there is none. With its last place
    /// the slab is open no more.
    #[inline(always)]
    fn take(&self, pitch: usize) -> (NonNull<()>, Spot) {
        let mut next = self.next.get();
        if next == self.places.get() {
            self.open(pitch);
            next = 0;
        }
        let head = self.head.get();
        self.next.set(next + 1);
        if next + 1 == self.places.get() {
            self.head.set(ptr::null_mut());
        }
        // SAFETY: place `next` lies so far behind the head, in one allocation.
        let place = unsafe { head.byte_add(HEAD + next as usize * pitch) };
        // SAFETY: an address within an allocation is not null.
        (unsafe { NonNull::new_unchecked(place.cast()) }, Spot(next))
    }

    /// Takes a place back that is free, if it is the last that was taken here. An open slab is
    /// alive, so its address is nobody else's.
    #[inline]
    fn take_back(&self, head: *mut Head, spot: Spot) -> bool {
        let is_last = self.head.get() == head && self.next.get() == spot.0 + 1;
        if is_last {
            self.next.set(spot.0);
        }
        is_last
    }

    /// Opens a new slab, twice as large as the one before up to a bound, in place of the one that
    /// is used up.
    #[cold]
    fn open(&self, pitch: usize) {
        let doublings = self.doublings.get();
        self.doublings.set(DOUBLINGS.min(doublings + 1));
        let places = FIRST_PLACES << doublings;
        let layout = layout(places, pitch);
        // SAFETY: a slab has a head at least.
        let head = unsafe { alloc::alloc(layout) }.cast::<Head>();
        if head.is_null() {
            alloc::handle_alloc_error(layout);
        }
        let left = Remaining::new(places);
        // SAFETY: the allocation begins with a head's memory.
        unsafe { head.write(Head { left, places }) };
        self.head.set(head);
        self.places.set(places);
        self.next.set(0);
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        for (class, open) in self.0.iter().enumerate() {
            let head = open.head.replace(ptr::null_mut());
            if !head.is_null() {
                let untaken = open.places.get() - open.next.get();
                // SAFETY: the slab is open: these were counted, and nobody will take them now.
                unsafe { take_off(head, untaken, (class + 1) * UNIT) };
            }
        }
    }
}

/// Takes places off their slab's count, and frees it with the last.
///
/// # Safety
/// The places were counted, and are not used any more; `pitch` is the slab's.
#[inline]
unsafe fn take_off(head: *mut Head, places: u32, pitch: usize) {
    // SAFETY: the places to be taken off keep the slab alive.
    if unsafe { (*head).left.take_off(places) } {
        // SAFETY: nothing of it is used any more, and nobody else was told so.
        unsafe { alloc::dealloc(head.cast(), layout((*head).places, pitch)) }
    }
}

fn alone<T>() -> NonNull<T> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return NonNull::dangling();
    }
    // SAFETY: it has a size.
    let place = unsafe { alloc::alloc(layout) };
    NonNull::new(place.cast()).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// Whether a `T` lies in a slab, by its size and its alignment.
const fn is_small<T>() -> bool {
    // Loom's threads are all one to `std`.
    !cfg!(pool_loom)
        && size_of::<T>() > 0
        && size_of::<T>() <= MAX_BYTES
        && align_of::<T>() <= ALIGN
}

/// Which of the thread's open slabs has places for a `T`.
const fn class<T>() -> usize {
    size_of::<T>().div_ceil(UNIT) - 1
}

/// The bytes from one place of that slab to the next.
const fn pitch<T>() -> usize {
    (class::<T>() + 1) * UNIT
}

/// The memory of a slab: the head and the places.
fn layout(places: u32, pitch: usize) -> Layout {
    Layout::from_size_align(HEAD + places as usize * pitch, ALIGN)
        .expect("a slab is a few kilobytes")
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
