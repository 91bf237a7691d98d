//! Values of any type that travel with a job, one for each type.
//!
//! A job's options carry them, its context and its queued task show them, and its children inherit
//! those that were given to be inherited. After `http::Extensions`, with shared values in place of
//! cloned ones: a job's options can be cloned, and a job and its children have one value.
//!
//! # Who drops them
//! A value is the user's, and its destructor is user code. While a job is queued or runs, its
//! options hold the values, behind a lock that is held for a look. The thread that ends the job
//! takes them out and drops its share where it drops what the job captured: with the end on record,
//! nothing held, and on a worker within the job's frame. A reader of a queued task has its own
//! share of what it reads, and a hook that hears of a stuck job has one, so both can race with
//! that. A panic of a destructor is contained here,
//! wherever the last share goes.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::job::outcome::drop_contained;
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex};

/// The values of one job. A clone shares them. Most jobs have none, which is one word.
#[derive(Clone, Default)]
pub(crate) struct Extensions(Option<Arc<Vec<Extension>>>);

/// One value.
#[derive(Clone)]
struct Extension {
    type_id: TypeId,
    /// For `Debug`.
    type_name: &'static str,
    value: Contained,
    /// Whether the children of the job have it too.
    is_inherited: bool,
    /// The job has it from its parent, and not from its own options.
    is_from_parent: bool,
}

/// A share of a value, whose drop contains a panic of the value's own.
#[derive(Clone)]
struct Contained(Option<Arc<dyn Any + Send + Sync>>);

impl Contained {
    fn get(&self) -> &Arc<dyn Any + Send + Sync> {
        self.0.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        drop_contained(self.0.take());
    }
}

impl Extensions {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a value, in the place of one of the same type.
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T, is_inherited: bool) {
        self.put(Extension {
            type_id: TypeId::of::<T>(),
            type_name: type_name::<T>(),
            value: Contained(Some(Arc::new(value))),
            is_inherited,
            is_from_parent: false,
        });
    }

    fn put(&mut self, extension: Extension) {
        let all = Arc::make_mut(self.0.get_or_insert_default());
        let same = all.iter_mut().find(|it| it.type_id == extension.type_id);
        match same {
            Some(same) => *same = extension,
            None => all.push(extension),
        }
    }

    fn find<T: Any>(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        let all = self.0.as_ref()?;
        let found = all.iter().find(|it| it.type_id == TypeId::of::<T>())?;
        Some(found.value.get())
    }

    /// The value of this type.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.find::<T>()?.downcast_ref()
    }

    /// A share of the value of this type.
    pub(crate) fn share<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.find::<T>()?).downcast().ok()
    }

    /// What the children of a job with these values inherit.
    #[inline(always)]
    pub(crate) fn inherited(&self) -> Self {
        if self.is_empty() {
            return Self::default();
        }
        self.handed_down()
    }

    #[cold]
    fn handed_down(&self) -> Self {
        let mut children = Self::default();
        for extension in self.0.iter().flat_map(|all| all.iter()) {
            if extension.is_inherited {
                children.put(Extension {
                    is_from_parent: true,
                    ..extension.clone()
                });
            }
        }
        children
    }

    /// The values of both. Of two of one type a job's own holds against its parent's; otherwise
    /// that of `inner`.
    #[inline(always)]
    pub(crate) fn around(self, inner: Self) -> Self {
        if self.is_empty() {
            return inner;
        }
        if inner.is_empty() {
            return self;
        }
        self.merged(inner)
    }

    #[cold]
    fn merged(mut self, inner: Self) -> Self {
        for extension in inner.0.iter().flat_map(|all| all.iter()) {
            let outer = self.0.iter().flat_map(|all| all.iter());
            let mut same = outer.filter(|it| it.type_id == extension.type_id);
            let is_own = same.any(|outer| !outer.is_from_parent);
            if !(is_own && extension.is_from_parent) {
                self.put(extension.clone());
            }
        }
        self
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.iter().flat_map(|all| all.iter());
        f.debug_list().entries(all.map(|it| it.type_name)).finish()
    }
}

/// What a submitted job carries for others: its values, until the thread that ends the job takes
/// them, and its times, if an observer asks. Most jobs have none of it, which is one word.
#[derive(Debug, Default)]
pub(crate) struct Carried(ManuallyDrop<Option<Box<All>>>);

#[derive(Debug)]
struct All {
    extensions: Mutex<Extensions>,
    submitted: Option<Instant>,
    started: OnceLock<Instant>,
}

impl All {
    #[cold]
    fn share(&self) -> Extensions {
        self.extensions.lock_unpoisoned().clone()
    }

    #[cold]
    fn take(&self) -> Extensions {
        std::mem::take(&mut *self.extensions.lock_unpoisoned())
    }
}

impl Drop for Carried {
    /// Inlined: most jobs carry nothing.
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.drop_all();
        }
    }
}

impl Carried {
    #[inline(always)]
    pub(crate) fn new(extensions: Extensions, submitted: Option<Instant>) -> Self {
        if extensions.is_empty() && submitted.is_none() {
            return Self::default();
        }
        Self::of(extensions, submitted)
    }

    #[cold]
    fn of(extensions: Extensions, submitted: Option<Instant>) -> Self {
        Self(ManuallyDrop::new(Some(Box::new(All {
            extensions: Mutex::new(extensions),
            submitted,
            started: OnceLock::new(),
        }))))
    }

    #[cold]
    fn drop_all(&mut self) {
        drop(self.0.take());
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A share of all values, for any thread. Empty once the job is over.
    #[inline(always)]
    pub(crate) fn share(&self) -> Extensions {
        match &*self.0 {
            None => Extensions::default(),
            Some(all) => all.share(),
        }
    }

    /// A share of the values that are inherited.
    #[cold]
    pub(crate) fn share_inherited(&self) -> Extensions {
        self.share().inherited()
    }

    /// Takes the values out. For the thread that ends the job, which drops them where user code may
    /// run.
    #[must_use = "dropping them runs user code"]
    #[inline(always)]
    pub(crate) fn take(&self) -> Extensions {
        match &*self.0 {
            None => Extensions::default(),
            Some(all) => all.take(),
        }
    }

    /// The value of this type, for the job itself.
    ///
    /// # Safety
    /// Nobody takes the values out while the result is used: the caller runs the job, and is the
    /// one that ends it.
    pub(crate) unsafe fn get_while_running<T: Any + Send + Sync>(&self) -> Option<&T> {
        let extensions = self.0.as_ref()?.extensions.lock_unpoisoned();
        let value: *const T = extensions.get::<T>()?;
        // SAFETY: the value is in an `Arc` of which this has a share, and keeps it, by the caller's
        // promise, for as long as the result is used.
        Some(unsafe { &*value })
    }

    /// When the job was submitted, if an observer asks.
    pub(crate) fn submitted(&self) -> Option<Instant> {
        self.0.as_ref()?.submitted
    }

    /// When the job started, if it has and an observer asks.
    pub(crate) fn started(&self) -> Option<Instant> {
        self.0.as_ref()?.started.get().copied()
    }

    /// Notes that the job runs, if an observer asks. The first time counts.
    pub(crate) fn note_started(&self) {
        if let Some(all) = self.0.as_ref().filter(|all| all.submitted.is_some()) {
            all.started.get_or_init(machine::now);
        }
    }
}
