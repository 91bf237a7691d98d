//! A model of a slab's end.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::model;
use crate::sys::sync::UnsafeCell;
use crate::task::slab::Remaining;

struct Slab {
    left: Remaining,
    places: [UnsafeCell<u32>; 2],
    ends: AtomicUsize,
}

impl Slab {
    /// Frees places. When the last is freed, all uses of the others have happened before; loom
    /// checks this.
    fn free(&self, places: u32) {
        if self.left.take_off(places) {
            for place in &self.places {
                // SAFETY: all places are free. Loom checks this.
                place.with_mut(|place| unsafe { *place += 1 });
            }
            self.ends.fetch_add(1, Relaxed);
        }
    }

    fn use_up(&self, place: usize) {
        // SAFETY: each place is used by one thread.
        self.places[place].with_mut(|place| unsafe { *place += 1 });
    }
}

/// Two threads free a place each, and the maker ends with two that it never took: the slab is freed
/// once, after all of that.
#[test]
fn a_slab_goes_with_its_last_place() {
    model(|| {
        let slab = Arc::new(Slab {
            left: Remaining::new(4),
            places: [0, 0].map(UnsafeCell::new),
            ends: AtomicUsize::new(0),
        });
        let users: Vec<_> = (0..2)
            .map(|place| {
                let slab = Arc::clone(&slab);
                thread::spawn(move || {
                    slab.use_up(place);
                    slab.free(1);
                })
            })
            .collect();
        slab.free(2);
        for user in users {
            user.join().unwrap();
        }
        assert_eq!(slab.ends.load(Relaxed), 1);
    });
}
