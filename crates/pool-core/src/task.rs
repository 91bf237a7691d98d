//! `Task`: the erased, movable form of a job, one cache line, which cannot be lost in silence.

pub(crate) mod boxed;
pub(crate) mod fire_and_forget;
mod given_up;
pub(crate) mod slab;
pub(crate) mod slab_box;

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::cell::ticket::QueuedJob;
use crate::job::Terms;
use crate::job::id::JobId;
use crate::job::outcome::{Outcome, drop_contained};
use crate::pool::lifecycle::Lifecycle;
use crate::task::slab_box::SlabBox;
use crate::worker::Worker;
pub(crate) use given_up::{GivenUp, GivenUpAs, Remains, ToldLater, Uncounted};

/// Words of a task that hold the job itself. With the vtable and the id they make 64 bytes.
const INLINE_WORDS: usize = 6;

/// The unit that an executor moves: put it somewhere, take it out on a worker, hand it to
/// [`Worker::run`].
///
/// A job of up to six words is stored inside, so a small job that wants no handle costs no
/// allocation; a larger one is boxed. A task runs once. **A task dropped before it ran resolves its
/// job as `Abandoned`**, so no executor can lose one in silence. A task knows nothing of its pool:
/// one that comes back from a shutdown can be submitted to another pool, and the handles given out
/// before resolve there (`R606`).
///
/// Its size is one cache line, 64 bytes, whatever the job. It is `Send`, so it may be run on
/// another thread than the one that made it; it is `Sync` since nothing but its id, its kind and
/// its options can be read through a reference.
///
/// A task is made by the pool's own methods (`submit` and the like), which hand it to an
/// [`Executor`](crate::Executor). A report with unstarted jobs hands tasks out as well.
///
/// # Examples
///
/// ```
/// # use pool_core::backend::SpawnPool;
/// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
/// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
/// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
/// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
/// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
/// let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// let other = SpawnPool::builder().workers(1).adopt(spawner).build()?;
/// assert!(pool_core::Executor::try_accept(&other, task).is_ok());
/// assert_eq!(handle.join()?, 42); // the handle from before
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct Task {
    /// What to do with the payload: its type, in effect.
    vtable: &'static VTable,
    /// The id, and the words that hold the payload or a box of it.
    body: Body,
}

/// A task that stays where it lies while it is passed from function to function: an owner of the
/// task, but not of its place.
///
/// A task is eight words. Each function that takes one by value may copy it, and a copy reads in
/// wide loads what was written in narrow stores a moment ago, for which a processor has to wait.
/// Dropped, it drops the task.
///
/// It dereferences to the [`Task`], whose id, name and kind can be read so;
/// [`into_task`](Self::into_task) moves it out. An engine gets one from
/// [`TaskQueue::pop`](crate::backend::TaskQueue::pop) and gives it to [`Worker::run_held`].
#[derive(Debug)]
pub struct TaskRef<'a>(&'a mut ManuallyDrop<Task>);

/// Where a task lies that a [`TaskRef`] owns: room for one on its holder's stack.
///
/// `&mut MaybeUninit::uninit()` is one. What is in it before is overwritten without a drop.
pub type TaskPlace<'a> = &'a mut MaybeUninit<Task>;

/// A task without its vtable: for a queue that keeps that word in a form of its own.
///
/// Moved in one piece, next to the vtable pointer: a queue's segment keeps that, with tags, in the
/// slot's mark.
#[repr(C)]
pub(crate) struct Body {
    id: JobId,
    /// The payload, or a box of it, as `fits` says.
    words: Words,
}

/// What a job becomes inside a task. The holder of the payload holds the job's only entry.
///
/// The steps of a task's life, in order: `accept` and `watch` as it enters a pool's books,
/// `change_pool` if a swap moves it or it is taken off the books, and at the end exactly one of
/// `run`, `abandon` and `give_up`, which take the payload by value. `into_payload` gives it back to
/// the submitter instead, where the task was refused.
pub(crate) trait Payload: Send + 'static {
    /// Whether others than the holder of the task reach the job: its handle, a token, a deadline.
    /// Only then are [`accept`](Self::accept), [`watch`](Self::watch) and
    /// [`change_pool`](Self::change_pool) called, and it is a [`queued_job`](Self::queued_job).
    const IS_SHARED: bool = false;

    /// Runs the job, or what is due of it, on `worker`, and accounts for it.
    ///
    /// Called on the worker's thread, within no lock. A panic of the job's is contained in here.
    fn run(self, id: JobId, worker: &Worker);

    /// The task is dropped unrun: resolves the job as `Abandoned`.
    ///
    /// Called on the thread that drops the task, where a panic is contained.
    fn abandon(self);

    /// The job has entered the books of `life`, and is about to be queued there.
    ///
    /// Called by the submitter, between the task's entry in the ledger and its push.
    #[inline]
    fn accept(&self, _life: &Lifecycle) -> Accepted {
        Accepted::Yes
    }

    /// Has the job's token and the clock of `life` end it while it is queued. A waker, if they end
    /// it already: to be called instead of queueing it.
    ///
    /// Only after [`Accepted::ToWatch`].
    fn watch(&self, _life: &Lifecycle) -> Option<Waker> {
        None
    }

    /// The job goes from the books of `from` to those of `to`, or is given back.
    ///
    /// Called while the task is out of every queue, so no worker can start the job meanwhile. Its
    /// handle may start it or end it, and its token or its deadline may end it.
    fn change_pool(&self, _from: &Lifecycle, _to: Option<&Arc<Lifecycle>>) -> Changed {
        Changed::Yes(None)
    }

    /// The job, for the queue that takes the task in: others may end it there.
    fn queued_job(&self) -> Option<QueuedJob<'_>> {
        None
    }

    /// The pool ends before the job starts: counts it in `life`, publishes that it is abandoned,
    /// and counts it over.
    ///
    /// No user code runs here: what the job captured, and the waker of a handle that waits, are in
    /// the result.
    fn give_up(self, id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp;

    /// The job's name, if it has one.
    fn name(&self) -> Option<&str>;

    /// The job's options, if it was submitted with any.
    fn terms(&self) -> Option<&Terms> {
        None
    }

    /// The job's kind.
    fn kind(&self) -> &'static str {
        type_name::<Self>()
    }

    /// When the job is no longer wanted, if it has a limit.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether the job is a future.
    fn is_async(&self) -> bool {
        false
    }
}

/// What a pool finds that is about to queue a job. One byte, so that it is handed over in a
/// register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The job is the pool's.
    Yes,
    /// It is, and has a token or a deadline, to be [watched](Payload::watch).
    ToWatch,
    /// It was ended while it was in no pool.
    Ended(Outcome),
}

/// Whether a task's job has changed its pool.
pub(crate) enum Changed {
    /// It has. A waker, if its token or its deadline ends it already: to be called where user code
    /// may run.
    Yes(Option<Waker>),
    /// It was started, and is accounted for in the pool that it was in: the task has nothing to
    /// run.
    No,
}

impl Changed {
    /// Whether the task goes with its job: if not, only its empty entry is left, to be dropped.
    pub(crate) fn is_changed(&self) -> bool {
        matches!(self, Self::Yes(_))
    }
}

/// What a task knows of its payload's type.
///
/// One for each payload type, in static memory. Its alignment leaves the low bits of a reference
/// free, which a segment uses as tags. Each function takes the words as `Task::new` filled them;
/// those that take `*mut Words` move the payload out, after which the task is not dropped.
pub(crate) struct VTable {
    /// By which `into_payload` knows its own.
    type_id: fn() -> TypeId,
    run: unsafe fn(*mut Words, JobId, &Worker),
    abandon: unsafe fn(*mut Words),
    /// `None`: nobody else reaches the job, so it is wherever its task is.
    shared: Option<SharedVTable>,
    give_up: unsafe fn(*mut Words, JobId, &Lifecycle, GivenUpAs) -> GivenUp,
    name: unsafe fn(*const Words) -> Option<*const str>,
    kind: unsafe fn(*const Words) -> &'static str,
    terms: unsafe fn(*const Words) -> Option<*const Terms>,
    deadline: unsafe fn(*const Words) -> Option<Instant>,
    is_async: unsafe fn(*const Words) -> bool,
    /// Writes the payload to where the caller has room for it.
    take: unsafe fn(*mut Words, *mut u8),
}

/// The steps of jobs that others reach.
#[derive(Clone, Copy)]
struct SharedVTable {
    accept: unsafe fn(*const Words, &Lifecycle) -> Accepted,
    watch: unsafe fn(*const Words, &Lifecycle) -> Option<Waker>,
    change_pool: unsafe fn(*const Words, &Lifecycle, Option<&Arc<Lifecycle>>) -> Changed,
    queued_job: for<'a> unsafe fn(*const Words, &'a Task) -> Option<QueuedJob<'a>>,
}

/// Where a payload of up to six words lies itself, otherwise a box of it.
type Words = MaybeUninit<[usize; INLINE_WORDS]>;

// SAFETY: a task is its payload and plain data, and `Task::new` takes payloads that are `Send`
// only.
unsafe impl Send for Task {}
// SAFETY: through `&Task` one can reach the id and the kind, which are never written after `new`,
// and the job's options, which are `Sync`: the values in them are, and lie behind a lock.
unsafe impl Sync for Task {}

impl Task {
    /// Makes a task of a payload: inside it if that fits, otherwise in a box.
    #[inline]
    pub(crate) fn new<P: Payload>(id: JobId, payload: P) -> Self {
        let mut words = Words::uninit();
        let place = ptr::from_mut(&mut words);
        if fits::<P>() {
            // SAFETY: `fits` holds, so the words are large enough and aligned for a `P`.
            unsafe { place.cast::<P>().write(payload) };
        } else {
            // SAFETY: a box is two words.
            unsafe { place.cast::<SlabBox<P>>().write(SlabBox::new(payload)) };
        }
        Self {
            vtable: VTable::of::<P>(),
            body: Body { id, words },
        }
    }

    /// The task that `pop` brings, moved out of its place: for the one that keeps it, or pops
    /// seldom.
    pub(crate) fn popped_by(
        pop: impl for<'a> FnOnce(TaskPlace<'a>) -> Result<TaskRef<'a>, TaskPlace<'a>>,
    ) -> Option<Self> {
        Some(pop(&mut MaybeUninit::uninit()).ok()?.into_task())
    }

    /// Returns the job's id.
    ///
    /// Unique in this process, and the same as that of the job's handle.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// assert_eq!(task.id(), handle.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn id(&self) -> JobId {
        self.body.id
    }

    /// Returns the job's name, if it was given one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// assert_eq!(task.name(), Some("answer"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> Option<&str> {
        // SAFETY: the words hold the payload that the vtable was made for; the name lives in it and
        // the result borrows from `self`.
        unsafe { (self.vtable.name)(&raw const self.body.words).map(|name| &*name) }
    }

    /// Returns the job's kind: by default the name of its type; see [`Job::kind`](crate::Job::kind).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{Interrupted, Job, JobContext, ShutdownPolicy};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// struct Invoice;
    /// # impl Job for Invoice {
    /// #     type Output = ();
    /// #     type Error = Interrupted;
    /// #     fn run(self, _: &JobContext<'_>) -> Result<(), Interrupted> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// pool.execute(Invoice)?;
    /// let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// assert!(report.take_unstarted()[0].kind().ends_with("::Invoice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kind(&self) -> &'static str {
        // SAFETY: as in `name`.
        unsafe { (self.vtable.kind)(&raw const self.body.words) }
    }

    /// Returns a share of the value of this type that the job carries, if it was given one and is
    /// not over; see [`JobOptions::with_extension`](crate::JobOptions::with_extension).
    ///
    /// A share, since the job may end at any moment, by a cancel or its deadline. The last share
    /// drops the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// struct Tenant(u32);
    ///
    /// pool.submit(infallible_fn(|| 42).with_extension(Tenant(17)))?.detach();
    /// let report = pool.shutdown(ShutdownPolicy::now().hand_back());
    /// let task = report.take_unstarted().remove(0);
    /// assert!(task.extension().is_some_and(|tenant: std::sync::Arc<Tenant>| tenant.0 == 17));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.terms()?.carried.share().share()
    }

    /// The job's options, if it was submitted with any.
    pub(crate) fn terms(&self) -> Option<&Terms> {
        // SAFETY: as in `name`; they lie in the payload, or in a cell that lives as long as it.
        unsafe { (self.vtable.terms)(&raw const self.body.words).map(|terms| &*terms) }
    }

    /// Returns whether the job is a future, which an async runtime can host.
    ///
    /// An engine that has no runtime of its own need not ask: a worker polls a future as it runs a
    /// closure.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// assert!(!task.is_async()); // it is a closure
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_async(&self) -> bool {
        // SAFETY: as in `name`.
        unsafe { (self.vtable.is_async)(&raw const self.body.words) }
    }

    /// Returns when the job is no longer wanted, if it has a limit: its deadline, or its timeout
    /// from the submission, whichever is first.
    ///
    /// A job that is given back by a shutdown keeps its deadline. One that is submitted again after
    /// it ends as expired, and does not run (`R403`).
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_secs(60);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).with_deadline(soon))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// assert_eq!(task.deadline(), Some(soon)); // it was submitted `with_deadline(soon)`
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        // SAFETY: as in `name`.
        unsafe { (self.vtable.deadline)(&raw const self.body.words) }
    }

    /// The job has entered the books of `life`, and the task is about to be queued there. `Err`: it
    /// was ended while it was in no pool, and the task has nothing to run: its outcome is to be
    /// recorded.
    ///
    /// A waker: the job's token or deadline ends it already; it is to be called instead of queueing
    /// the task.
    #[inline(always)]
    pub(crate) fn accept(&self, life: &Lifecycle) -> Result<Option<Waker>, Outcome> {
        let Some(shared) = &self.vtable.shared else {
            return Ok(None);
        };
        let words = &raw const self.body.words;
        // SAFETY: as in `name`.
        match unsafe { (shared.accept)(words, life) } {
            Accepted::Yes => Ok(None),
            // SAFETY: as in `name`.
            Accepted::ToWatch => Ok(unsafe { (shared.watch)(words, life) }),
            Accepted::Ended(outcome) => Err(outcome),
        }
    }

    /// The job goes from the books of `from` to those of `to`; or, with `None`, to the holder of
    /// the task.
    pub(crate) fn change_pool(&self, from: &Lifecycle, to: Option<&Arc<Lifecycle>>) -> Changed {
        match &self.vtable.shared {
            None => Changed::Yes(None),
            // SAFETY: as in `name`.
            Some(shared) => unsafe { (shared.change_pool)(&raw const self.body.words, from, to) },
        }
    }

    /// Returns whether the job was started or ended elsewhere, so that the task has nothing to run:
    /// it was cancelled or has expired, or a job that joins it runs it.
    ///
    /// `true` stays true. For a [`TaskQueue`](crate::backend::TaskQueue), which gives such a task
    /// no place.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// assert!(!task.is_over());
    /// handle.cancel();
    /// assert!(task.is_over());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_over(&self) -> bool {
        self.queued_job().is_some_and(QueuedJob::is_over)
    }

    /// The job, if others may end it while it is queued.
    #[inline(always)]
    pub(crate) fn queued_job(&self) -> Option<QueuedJob<'_>> {
        let shared = self.vtable.shared.as_ref()?;
        // SAFETY: as in `name`; the cell of the job lives as long as its task.
        unsafe { (shared.queued_job)(&raw const self.body.words, self) }
    }

    /// Takes the job's place away, as the task is taken out of a queue of `HELD` places. Returns
    /// whether the place is the caller's to free.
    #[inline(always)]
    pub(crate) fn take_place(&self) -> bool {
        self.queued_job().is_none_or(QueuedJob::take_place)
    }

    /// The pool `life` ends before the job starts: it resolves as `Abandoned` now, and is counted
    /// there and over. What it captured is left to be dropped, and one that waits to be woken.
    pub(crate) fn give_up(self, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the payload is moved out, and `ManuallyDrop` keeps it from being dropped again.
        unsafe { (this.vtable.give_up)(&raw mut this.body.words, this.body.id, life, ends) }
    }

    /// Runs the job on `worker`, and accounts for it.
    #[inline]
    pub(crate) fn run(self, worker: &Worker) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the payload is moved out by `run`, and `ManuallyDrop` keeps it from being dropped
        // again.
        unsafe { (this.vtable.run)(&raw mut this.body.words, this.body.id, worker) }
    }

    /// Takes the payload out again, if it is a `P`.
    ///
    /// How a submitter gets the job back out of a task that was refused.
    pub(crate) fn into_payload<P: Payload>(self) -> Result<P, Self> {
        if (self.vtable.type_id)() != TypeId::of::<P>() {
            return Err(self);
        }
        let mut this = ManuallyDrop::new(self);
        let mut payload = MaybeUninit::<P>::uninit();
        // SAFETY: the payload is a `P`, so `take` writes a `P`, moved out of words that are not
        // dropped.
        unsafe {
            (this.vtable.take)(&raw mut this.body.words, payload.as_mut_ptr().cast());
            Ok(payload.assume_init())
        }
    }
}

impl<'a> TaskRef<'a> {
    /// Puts a task into a place, where it stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// use pool_core::backend::TaskRef;
    ///
    /// let mut place = MaybeUninit::uninit();
    /// let held = TaskRef::new(&mut place, task);
    /// assert_eq!(held.id(), handle.id());
    /// drop(held); // the job resolves as abandoned
    /// assert!(handle.join().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn new(place: TaskPlace<'a>, task: Task) -> Self {
        place.write(task);
        // SAFETY: it is initialised, and what becomes of a `MaybeUninit` later is nobody's concern.
        Self(unsafe { &mut *ptr::from_mut(place).cast() })
    }

    /// Puts a task together again, in its place.
    ///
    /// # Safety
    /// Both come from one call of [`move_body_to`](Self::move_body_to), and are used this once.
    #[inline(always)]
    pub(crate) unsafe fn from_parts(
        vtable: &'static VTable,
        body: &MaybeUninit<Body>,
        place: TaskPlace<'a>,
    ) -> Self {
        // SAFETY: the body was moved there.
        let body = unsafe { body.assume_init_read() };
        Self::new(place, Task { vtable, body })
    }

    /// Reads a task out of where another `TaskRef` was [moved](Self::move_to).
    ///
    /// # Safety
    /// It was, and is read this once.
    #[inline(always)]
    pub(crate) unsafe fn read(from: &MaybeUninit<Task>, place: TaskPlace<'a>) -> Self {
        // SAFETY: the caller's promise.
        Self::new(place, unsafe { from.assume_init_read() })
    }

    /// Moves the task elsewhere.
    ///
    /// For a queue that keeps its tasks elsewhere. The place is free again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use pool_core::backend::SpawnPool;
    /// # use pool_core::{JobExt, ShutdownPolicy, infallible_fn};
    /// # let nowhere = |run: Box<dyn FnOnce() + Send>| std::mem::forget(run);
    /// # let pool = SpawnPool::builder().workers(1).adopt(nowhere).build()?;
    /// # let handle = pool.submit(infallible_fn(|| 42).named("answer"))?;
    /// # let task = pool.shutdown(ShutdownPolicy::now().hand_back()).take_unstarted().remove(0);
    /// use pool_core::backend::TaskRef;
    ///
    /// let mut place = MaybeUninit::uninit();
    /// let task = TaskRef::new(&mut place, task).into_task();
    /// assert_eq!(task.name(), Some("answer"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn into_task(self) -> Task {
        let this = ManuallyDrop::new(self);
        // SAFETY: the task is in its place for as long as there is a `TaskRef`, which ends here.
        unsafe { ptr::read(&raw const **this.0) }
    }

    /// Moves the task to `place`; only a read of it keeps the job from being lost.
    #[inline(always)]
    pub(crate) fn move_to(self, place: &mut MaybeUninit<Task>) {
        let this = ManuallyDrop::new(self);
        let task: &Task = this.0;
        // SAFETY: as in `into_task`.
        unsafe { move_by_words(task, place.as_mut_ptr()) }
    }

    /// Moves the body to `place`, and gives back the rest; only [`from_parts`](Self::from_parts)
    /// keeps the job from being lost.
    #[inline(always)]
    pub(crate) fn move_body_to(self, place: &mut MaybeUninit<Body>) -> &'static VTable {
        let this = ManuallyDrop::new(self);
        let task: &Task = this.0;
        // SAFETY: as in `into_task`.
        unsafe { move_by_words(&raw const task.body, place.as_mut_ptr()) };
        task.vtable
    }

    /// Runs the job.
    #[inline(always)]
    pub(crate) fn run(self, worker: &Worker) {
        let mut this = ManuallyDrop::new(self);
        let task: &mut Task = this.0;
        // SAFETY: as in `into_task`; `run` moves the payload out.
        unsafe { (task.vtable.run)(&raw mut task.body.words, task.body.id, worker) }
    }
}

impl Deref for TaskRef<'_> {
    type Target = Task;

    #[inline]
    fn deref(&self) -> &Task {
        self.0
    }
}

impl Drop for TaskRef<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `into_task`.
        unsafe { ManuallyDrop::drop(self.0) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the payload is still there: a function that moves it out forgets the task.
        unsafe { (self.vtable.abandon)(&raw mut self.body.words) }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish()
    }
}

/// Moves a value word by word, since it was written so a moment ago: a processor that is asked for
/// two fresh words in one load makes it wait until all stores before it have left, among them those
/// to lines that other cores hold.
///
/// # Safety
/// As for [`ptr::copy_nonoverlapping`] of one `T`, which consists of whole words.
#[inline(always)]
unsafe fn move_by_words<T>(from: *const T, to: *mut T) {
    type Word = MaybeUninit<usize>;
    const { assert!(size_of::<T>().is_multiple_of(size_of::<Word>())) };
    let (from, to) = (from.cast::<Word>(), to.cast::<Word>());
    for word in 0..size_of::<T>() / size_of::<Word>() {
        // SAFETY: a `T` is that many words, which the two places hold; they may be read and written
        // whatever is in them. Volatile, or the compiler would join the loads.
        unsafe { to.add(word).write(from.add(word).read_volatile()) };
    }
}

/// Whether a payload lies in the words themselves: by its size and its alignment.
const fn fits<P>() -> bool {
    size_of::<P>() <= size_of::<Words>() && align_of::<P>() <= align_of::<Words>()
}

impl VTable {
    #[inline]
    fn of<P: Payload>() -> &'static Self {
        const {
            &Self {
                type_id: TypeId::of::<P>,
                run: run::<P>,
                abandon: abandon::<P>,
                shared: if P::IS_SHARED {
                    Some(SharedVTable {
                        accept: accept::<P>,
                        watch: watch::<P>,
                        change_pool: change_pool::<P>,
                        queued_job: queued_job::<P>,
                    })
                } else {
                    None
                },
                give_up: give_up::<P>,
                name: name::<P>,
                kind: kind::<P>,
                terms: terms::<P>,
                deadline: deadline::<P>,
                is_async: is_async::<P>,
                take: take_into::<P>,
            }
        }
    }
}

/// Moves the payload out of the words.
///
/// # Safety
/// The words hold a `P` that [`Task::new`] wrote and nobody has moved out.
#[inline]
unsafe fn take<P: Payload>(words: *mut Words) -> P {
    if fits::<P>() {
        // SAFETY: the caller's promise; `new` wrote a `P` here.
        unsafe { words.cast::<P>().read() }
    } else {
        // SAFETY: the caller's promise; `new` wrote a `SlabBox<P>` here.
        unsafe { words.cast::<SlabBox<P>>().read() }.into_inner()
    }
}

/// Shows the payload where it lies.
///
/// # Safety
/// As for [`take`]; the words stay as they are.
#[inline]
unsafe fn peek<'a, P: Payload>(words: *const Words) -> &'a P {
    if fits::<P>() {
        // SAFETY: the caller's promise.
        unsafe { &*words.cast::<P>() }
    } else {
        // SAFETY: the caller's promise.
        unsafe { &*words.cast::<SlabBox<P>>() }
    }
}

#[inline]
unsafe fn run<P: Payload>(words: *mut Words, id: JobId, worker: &Worker) {
    // SAFETY: `Task::run` or `TaskRef::run` calls this once, and drops nothing.
    unsafe { take::<P>(words) }.run(id, worker)
}

#[inline]
unsafe fn abandon<P: Payload>(words: *mut Words) {
    // SAFETY: `Task::drop` calls this on a task whose payload is still there.
    let payload = unsafe { take::<P>(words) };
    drop_contained(Abandon(Some(payload)));
}

/// Abandons as it is dropped, so that a panic on the way is contained like that of any other drop.
struct Abandon<P: Payload>(Option<P>);

impl<P: Payload> Drop for Abandon<P> {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            payload.abandon();
        }
    }
}

#[inline]
unsafe fn accept<P: Payload>(words: *const Words, life: &Lifecycle) -> Accepted {
    // SAFETY: the caller holds the task, so the payload is in place.
    unsafe { peek::<P>(words) }.accept(life)
}

unsafe fn watch<P: Payload>(words: *const Words, life: &Lifecycle) -> Option<Waker> {
    // SAFETY: as in `accept`.
    unsafe { peek::<P>(words) }.watch(life)
}

unsafe fn change_pool<P: Payload>(
    words: *const Words,
    from: &Lifecycle,
    to: Option<&Arc<Lifecycle>>,
) -> Changed {
    // SAFETY: as in `accept`.
    unsafe { peek::<P>(words) }.change_pool(from, to)
}

/// The result borrows from the task, whose words these are.
unsafe fn queued_job<P: Payload>(words: *const Words, _of: &Task) -> Option<QueuedJob<'_>> {
    // SAFETY: as in `accept`.
    unsafe { peek::<P>(words) }.queued_job()
}

unsafe fn give_up<P: Payload>(
    words: *mut Words,
    id: JobId,
    life: &Lifecycle,
    ends: GivenUpAs,
) -> GivenUp {
    // SAFETY: `Task::give_up` calls this once, and drops nothing.
    unsafe { take::<P>(words) }.give_up(id, life, ends)
}

unsafe fn deadline<P: Payload>(words: *const Words) -> Option<Instant> {
    // SAFETY: as in `accept`.
    unsafe { peek::<P>(words) }.deadline()
}

unsafe fn name<P: Payload>(words: *const Words) -> Option<*const str> {
    // SAFETY: the caller holds the task, so the payload is in place.
    unsafe { peek::<P>(words) }.name().map(ptr::from_ref)
}

unsafe fn kind<P: Payload>(words: *const Words) -> &'static str {
    // SAFETY: as in `name`.
    unsafe { peek::<P>(words) }.kind()
}

unsafe fn terms<P: Payload>(words: *const Words) -> Option<*const Terms> {
    // SAFETY: as in `name`.
    unsafe { peek::<P>(words) }.terms().map(ptr::from_ref)
}

unsafe fn is_async<P: Payload>(words: *const Words) -> bool {
    // SAFETY: as in `name`.
    unsafe { peek::<P>(words) }.is_async()
}

unsafe fn take_into<P: Payload>(words: *mut Words, to: *mut u8) {
    // SAFETY: `to` has room for a `P`, by `Task::into_payload`.
    unsafe { to.cast::<P>().write(take::<P>(words)) }
}

#[cfg(test)]
const _: () = assert!(size_of::<Task>() == 64);
