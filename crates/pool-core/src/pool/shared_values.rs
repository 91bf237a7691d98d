//! `SharedValues`: what the jobs of a pool share, one value of each type.
//!
//! A configuration gathers the values. Each pool that is built from it, and so each generation of a
//! pool that is swapped, refers to the same ones. Nothing changes them after the build, so a job
//! finds its value without a lock, and a pool without any pays nothing.
//!
//! # Who sees which
//! The life of a pool has its values, and a job finds them through the worker that runs it, or
//! through the life in its future's context. So a job sees the values of the pool that runs it. A
//! job that another pool's worker waits for is run by its own pool (`R210`). One that is handed
//! back, and accepted elsewhere, sees the values there, and so do the halves and the children of a
//! job where they run.
//!
//! # Their end
//! A value that a job was shown is borrowed from its context, which keeps the life. So a value is
//! there for as long as somebody can ask for it: as long as a job, a clone of an `AsyncContext`, a
//! handle of the pool, or a builder or configuration that has it.
//!
//! The last of these to go drops the value, on its thread, which may be a worker that leaves. The
//! destructor is user code. No job of the pool is left by then, nor a handle of it, and no lock is
//! held; so it may submit to other pools, wait for them, and end them. Its panic is contained, and
//! the other values are dropped all the same. It cannot wait for the pool's own end: it would have
//! to hold a handle, and then the value and the pool would keep each other forever, as in any
//! circle of counted references.
//!
//! In a forked child the life is never freed, nor are the values: they are the parent's.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::job::outcome::drop_contained;

/// The values, by type. A clone refers to the same ones.
#[derive(Clone, Default)]
pub(crate) struct SharedValues {
    by_type: BTreeMap<TypeId, Value>,
}

/// One reference to a value. Its drop contains the panic of the value's.
#[derive(Clone)]
struct Value {
    /// The name of its type, for debug output.
    type_name: &'static str,
    /// Empty only while it is being dropped.
    value: Option<Arc<dyn Any + Send + Sync>>,
}

impl SharedValues {
    /// Adds a value, in the place of one of the same type, which is dropped here unless another
    /// configuration or pool has it too.
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        let value = Value {
            type_name: type_name::<T>(),
            value: Some(Arc::new(value)),
        };
        drop(self.by_type.insert(TypeId::of::<T>(), value));
    }

    /// Returns the value of this type, if there is one.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        let value = self.by_type.get(&TypeId::of::<T>())?;
        value.value.as_deref()?.downcast_ref()
    }

    /// Returns the value of this type.
    ///
    /// # Panics
    /// If there is none: the message says how to share one.
    #[track_caller]
    pub(crate) fn expect<T: Any + Send + Sync>(&self) -> &T {
        self.get().unwrap_or_else(|| none::<T>(self))
    }
}

/// Panics for a job that asks for a value which its pool does not share.
#[cold]
#[track_caller]
fn none<T>(values: &SharedValues) -> ! {
    let wanted = type_name::<T>();
    panic!(
        "no `{wanted}` is shared with the jobs of this pool, which share {values:?}: \
         call `.share(value)` on its builder with a value of exactly this type, \
         or ask by `try_shared`"
    );
}

impl Drop for Value {
    fn drop(&mut self) {
        drop_contained(self.value.take());
    }
}

impl fmt::Debug for SharedValues {
    /// The types, since the values need not have a text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.by_type.values().map(|value| value.type_name);
        f.debug_list().entries(types).finish()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::SharedValues;
    use crate::job::outcome::PanicInfo;

    /// Panics as it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_second_value_of_a_type_takes_the_place_of_the_first() {
        let first = Arc::new(1);
        let mut values = SharedValues::default();
        values.insert(Arc::clone(&first));
        let other = values.clone();
        values.insert(Arc::new(2));
        assert_eq!(values.get(), Some(&Arc::new(2)));
        assert_eq!(
            other.get(),
            Some(&first),
            "a clone from before keeps its own"
        );
        drop(other);
        assert_eq!(Arc::strong_count(&first), 1, "it is dropped");
    }

    #[test]
    fn a_value_whose_drop_panics_keeps_no_other_from_being_dropped() {
        let other = Arc::new("other");
        let mut values = SharedValues::default();
        values.insert(Bomb);
        values.insert(Arc::clone(&other));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(values)));
        assert!(dropped.is_ok(), "the panic is contained");
        assert_eq!(Arc::strong_count(&other), 1);
    }

    #[test]
    fn the_panic_names_the_type_that_is_missing_and_those_that_are_there() {
        let mut values = SharedValues::default();
        values.insert(7_u16);
        let asked = catch_unwind(AssertUnwindSafe(|| _ = values.expect::<String>()));
        let panic = PanicInfo::new(asked.expect_err("there is none"));
        let text = panic.message();
        for part in ["`alloc::string::String`", "\"u16\"", ".share(value)"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}
