//! What a slab hands out, and takes back.

use std::collections::HashSet;
use std::ptr::NonNull;
use std::thread;

use super::{ALIGN, FIRST_PLACES, Freed, Head, MAX_BYTES, Spot, allocate, free, head_of};
use crate::sys::sync::Ordering;

/// Takes a place for `value`, and writes the value there.
fn place<T>(value: T) -> (NonNull<T>, Spot) {
    let (place, spot) = allocate::<T>();
    // SAFETY: the place is new, and large enough for a `T`.
    unsafe { place.write(value) };
    (place, spot)
}

/// Many values of one type at once: each stays what it is until its place is freed.
fn holds_many<T: Copy + PartialEq + std::fmt::Debug>(value: impl Fn(u8) -> T) {
    let places: Vec<_> = (0..200).map(|number| place(value(number))).collect();
    for (number, &(place, _)) in (0..).zip(&places) {
        assert!(place.is_aligned(), "{place:?}");
        // SAFETY: it was written above, and is not freed yet.
        assert_eq!(unsafe { place.read() }, value(number));
    }
    for (place, spot) in places {
        // SAFETY: both are of one `allocate`, and used this once.
        unsafe { free(place, spot) };
    }
}

#[test]
fn places_of_any_size_and_alignment_keep_their_values() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    #[repr(align(64))]
    struct Aligned(u8);
    holds_many(|number| number);
    holds_many(|number| [u64::from(number); 7]);
    holds_many(|number| [u128::from(number); 3]);
    holds_many(|number| [number; MAX_BYTES]);
    holds_many(|number| [number; MAX_BYTES + 1]);
    holds_many(Aligned);
    assert!(align_of::<Aligned>() > ALIGN, "it is allocated alone");
}

#[test]
fn a_place_is_handed_out_once() {
    let places: Vec<_> = (0_u64..100).map(place).collect();
    let addresses: HashSet<_> = places.iter().map(|(place, _)| place.addr()).collect();
    assert_eq!(addresses.len(), places.len());
    for (place, spot) in places {
        // SAFETY: as in `holds_many`.
        unsafe { free(place, spot) };
    }
}

#[test]
fn the_place_that_was_freed_last_is_handed_out_next() {
    let (first, spot) = place(1_u64);
    // SAFETY: as in `holds_many`.
    unsafe { free(first, spot) };
    let (second, spot) = place(2_u64);
    assert_eq!(first, second);
    // SAFETY: as above.
    unsafe { free(second, spot) };
}

#[test]
fn places_outlive_the_thread_that_took_them() {
    let places: Vec<_> = thread::spawn(|| {
        let places = (0_u64..10).map(place);
        places
            .map(|(place, spot)| (place.expose_provenance(), spot))
            .collect()
    })
    .join()
    .expect("it ends");
    for (number, (address, spot)) in (0_u64..).zip::<Vec<_>>(places) {
        let place = NonNull::<u64>::with_exposed_provenance(address);
        // SAFETY: written by the other thread, before the join; then as in `holds_many`.
        unsafe {
            assert_eq!(place.read(), number);
            free(place, spot);
        }
    }
}

#[test]
fn a_place_may_be_taken_as_the_thread_ends() {
    thread_local! {
        static LATE: Late = const { Late };
    }
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            holds_many(u64::from);
        }
    }
    // Whichever of the two locals is dropped first, the other works with or without slabs.
    for slabs_come_first in [true, false] {
        thread::spawn(move || {
            if slabs_come_first {
                holds_many(u64::from);
            }
            LATE.with(|_| {});
            holds_many(u64::from);
        })
        .join()
        .expect("it ends");
    }
}

/// How many places of a slab are counted.
fn counted(head: *mut Head) -> u32 {
    // SAFETY: the caller's slab has a place that is not free.
    unsafe { (*head).left.0.load(Ordering::Relaxed) }
}

#[test]
fn places_of_one_slab_are_taken_off_its_count_together() {
    // On a thread of its own, whose first slab it is.
    let test = || {
        let mut places: Vec<_> = (0..=u64::from(FIRST_PLACES)).map(place).collect();
        // SAFETY: the places are of slabs, as so small ones are.
        let head = |(place, spot)| unsafe { head_of::<u64>(place, spot) };
        let (first, second) = (head(places[0]), head(places[places.len() - 1]));
        assert_ne!(first, second);
        let freed = Freed::default();
        // SAFETY: as in `holds_many`.
        let add = |(place, spot)| unsafe { freed.add(place, spot) };
        places.drain(..2).for_each(add);
        assert_eq!(counted(first), FIRST_PLACES);
        places.pop().into_iter().for_each(add);
        assert_eq!(counted(first), FIRST_PLACES - 2);
        assert_eq!(counted(second), 2 * FIRST_PLACES);
        drop(freed);
        assert_eq!(counted(second), 2 * FIRST_PLACES - 1);
        for (place, spot) in places {
            // SAFETY: as in `holds_many`.
            unsafe { free(place, spot) };
        }
    };
    assert!(thread::spawn(test).join().is_ok());
}

#[test]
fn a_slab_all_of_whose_places_are_freed_together_goes_at_once() {
    let test = || {
        let freed = Freed::default();
        for (place, spot) in (0..u64::from(FIRST_PLACES)).map(place).collect::<Vec<_>>() {
            // SAFETY: as in `holds_many`.
            unsafe { freed.add(place, spot) };
        }
        assert!(freed.head.get().is_null(), "nothing is held back");
        assert_eq!(freed.places.get(), 0);
    };
    assert!(thread::spawn(test).join().is_ok());
}
