//! `ExcludedWaiters`: the jobs of a pool that wait for its end, or for quiet in it. Such a wait
//! leaves them out; otherwise they would wait for themselves and for each other.
//!
//! # What a wait leaves out
//! A job that waits inside its own pool cannot end before its wait does. Nor can the jobs beneath
//! it on its stack, the jobs that wait for a half of theirs on that stack (`submit/join.rs`), or
//! another job that waits likewise. So a pool has a list of these jobs:
//! - a wait for quiet is over once all jobs in flight are in the list;
//! - a wait for the end is over once all jobs in flight wait for the end. A job that waits for
//!   quiet leaves its wait without the end, and is over then.
//!
//! A future is in the list by its id, a closure by a name that it gets for this. Several waits may
//! have the same job in the list, so each entry has counts. A closure that polls a wait in an
//! executor of its own may end before the wait is over, and have given the wait to another thread:
//! its worker takes its name out of the list as it ends.
//!
//! The list is locked while the jobs in flight are counted. A job enters the list after it is in
//! flight, and leaves it before it is over. So while the list is locked, all of its jobs are in
//! flight, and equal numbers mean the same jobs.
//!
//! What is left of a job that was given up is dropped in a frame on a worker's stack, and is not in
//! flight. It is never in the list.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::iter::{self, Chain, Rev};
use std::mem::{ManuallyDrop, needs_drop};
use std::pin::Pin;
use std::sync::Arc;
use std::{option, ptr, slice};

use super::Lifecycle;
use super::phase::AtomicPhase;
use crate::job::id::JobId;
use crate::pool::ledger::Ledger;
use crate::pool::registry::{self, PoolId};
use crate::sys::sync::{AtomicUsize, LockExt, Mutex, Ordering, fence};
use crate::worker::{StackName, Worker};

/// What a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// That nothing is in flight in its pool: `wait_idle`.
    Quiet,
    /// The end of its pool: `shutdown`.
    End,
}

/// A job in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// A closure on a thread's stack, by the name that it got for its waits.
    OnStack(StackName),
    /// A future, by its id, also while it is suspended.
    Future(JobId),
}

impl Place {
    fn is_future(&self) -> bool {
        matches!(self, Self::Future(_))
    }
}

/// The jobs of a pool that wait for it.
#[derive(Default)]
pub(crate) struct ExcludedWaiters {
    /// The jobs, and the waits that each is in. No user code runs under the lock.
    list: Mutex<List>,
    /// How many jobs are in the list.
    len: AtomicUsize,
}

impl ExcludedWaiters {
    /// Whether nothing is in flight except jobs that a wait of this kind leaves out.
    pub(crate) fn is_nothing_else_in_flight(&self, awaits: Awaits, ledger: &Ledger) -> bool {
        let list = self.list.lock_unpoisoned();
        let left_out = match awaits {
            Awaits::Quiet => list.waits.len(),
            Awaits::End => list.ending,
        };
        ledger.in_flight() <= left_out as u64
    }

    /// These jobs end, and so are left out of no wait that they have begun.
    pub(crate) fn forget(&self, gone: impl Iterator<Item = StackName>, phase: &AtomicPhase) {
        // ORDERING: Relaxed: their own entries were made on this thread, or on one whose half of
        // them is over.
        if self.len.load(Ordering::Relaxed) == 0 || phase.is_forked() {
            return;
        }
        let mut list = self.list.lock_unpoisoned();
        gone.for_each(|name| list.forget(Place::OnStack(name)));
        self.len.store(list.waits.len(), Ordering::Relaxed);
    }

    /// Future `id`, which is suspended, ends without being polled again, and so is left out of no
    /// wait.
    pub(crate) fn forget_future(&self, id: JobId) {
        let mut list = self.list.lock_unpoisoned();
        list.forget(Place::Future(id));
        self.len.store(list.waits.len(), Ordering::Relaxed);
    }

    /// How many jobs are left out by some wait. Out of date at once.
    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed) as u64
    }

    /// Whether future `id` waits for the end of the pool, and so is not to be dropped by it.
    pub(super) fn awaits_end(&self, id: JobId) -> bool {
        let list = self.list.lock_unpoisoned();
        let waits = list.waits.get(&Place::Future(id));
        waits.is_some_and(|waits| waits.end > 0)
    }

    /// Whether future `id` is inside a shutdown of this pool, which is in this phase.
    pub(crate) fn is_inside_shutdown(&self, id: JobId, phase: &AtomicPhase) -> bool {
        phase.is_closed() && self.awaits_end(id)
    }

    /// Whether a future of the pool waits for the end of it, and needs a worker to be polled.
    pub(crate) fn does_a_future_await_end(&self) -> bool {
        self.list.lock_unpoisoned().ending_futures > 0
    }
}

/// Invariant: `ending` and `ending_futures` are what a count over `waits` would give; a job without
/// a wait is not in it.
#[derive(Default)]
struct List {
    waits: HashMap<Place, Waits>,
    /// How many of the jobs wait for the end.
    ending: usize,
    /// How many of those are futures.
    ending_futures: usize,
}

/// How many waits a job is in.
#[derive(Default)]
struct Waits {
    /// Waits for quiet.
    quiet: usize,
    /// Waits for the end.
    end: usize,
}

impl List {
    /// Adds a wait of the job to the list.
    fn enter(&mut self, place: Place, awaits: Awaits) {
        let waits = self.waits.entry(place).or_default();
        match awaits {
            Awaits::Quiet => waits.quiet += 1,
            Awaits::End => {
                waits.end += 1;
                if waits.end == 1 {
                    self.ending += 1;
                    self.ending_futures += usize::from(place.is_future());
                }
            }
        }
    }

    /// Takes a wait of the job out of the list.
    fn leave(&mut self, place: Place, awaits: Awaits) {
        let Some(waits) = self.waits.get_mut(&place) else {
            return;
        };
        match awaits {
            Awaits::Quiet => waits.quiet -= 1,
            Awaits::End => {
                waits.end -= 1;
                if waits.end == 0 {
                    self.ending -= 1;
                    self.ending_futures -= usize::from(place.is_future());
                }
            }
        }
        if waits.quiet + waits.end == 0 {
            self.waits.remove(&place);
        }
    }

    /// Takes a job out of the list, whatever waits it is in. These leave it in vain later.
    fn forget(&mut self, place: Place) {
        let waits = self.waits.remove(&place);
        if waits.is_some_and(|waits| waits.end > 0) {
            self.ending -= 1;
            self.ending_futures -= usize::from(place.is_future());
        }
    }
}

/// Polls a wait of `life`'s to its end. The jobs on the stack of the thread that polls it are left
/// out, if they are this pool's; a future is left out between two polls as well. So are those whose
/// halves are on that stack, of whichever generation of a swapped pool.
pub(crate) async fn leaving_out<F: Future>(
    life: &Arc<Lifecycle>,
    awaits: Awaits,
    mut wait: Pin<&mut F>,
) -> F::Output {
    let others = generations_of_joiners(life);
    let lives = iter::once(life).chain(&others);
    let mut left: Vec<_> = lives.map(|life| LeftOut::none(life, awaits)).collect();
    poll_fn(|cx| {
        if life.phase.is_forked() {
            return wait.as_mut().poll(cx);
        }
        let _on_stack: Vec<_> = left.iter_mut().map(LeftOut::update).collect();
        wait.as_mut().poll(cx)
    })
    .await
}

/// A wait's entries in the list.
struct LeftOut<'a> {
    life: &'a Arc<Lifecycle>,
    awaits: Awaits,
    /// The jobs that this wait has entered, as its last poll found them.
    places: Vec<Place>,
}

impl<'a> LeftOut<'a> {
    /// A wait that has entered no job yet.
    fn none(life: &'a Arc<Lifecycle>, awaits: Awaits) -> Self {
        Self {
            life,
            awaits,
            places: Vec::new(),
        }
    }

    /// Has the list hold the jobs of the calling thread's stack. Until the guard goes, waits
    /// further up that stack know them by the same places.
    fn update(&mut self) -> OnStack {
        let worker = own_worker(self.life);
        let places = match &worker {
            Some(worker) => places_of(self.life, worker),
            // A future may be polled without a worker, once it waits for the end.
            None => {
                let futures = self.places.iter().copied().filter(Place::is_future);
                futures.chain(joiners_in(self.life)).collect()
            }
        };
        if places != self.places {
            self.replace(places);
        }
        let top = worker.as_ref().and_then(Worker::polled);
        let future = top.map(|(id, level)| Known {
            life: ptr::from_ref(&**self.life),
            level,
            place: Some(Place::Future(id)),
        });
        OnStack::push(future)
    }

    /// Enters the new jobs before it takes the former ones out, so a job in both is never missing.
    fn replace(&mut self, places: Vec<Place>) {
        let excluded = &self.life.excluded_waiters;
        {
            let mut list = excluded.list.lock_unpoisoned();
            for &place in &places {
                list.enter(place, self.awaits);
            }
            for &place in &self.places {
                list.leave(place, self.awaits);
            }
            excluded.len.store(list.waits.len(), Ordering::Relaxed);
        }
        self.places = places;
        // ORDERING: partner is the fence in `Quiescence::tell`: either that side sees the new
        // length, or a watcher that is woken here sees what that side has counted.
        fence(Ordering::SeqCst);
        // A wait for these jobs may be over now; and a worker that stayed for a future may leave.
        self.life.quiescence.wake_watchers(&self.life.phase);
        self.life.roster.let_leave(&self.life.phase);
    }
}

impl Drop for LeftOut<'_> {
    fn drop(&mut self) {
        if !self.places.is_empty() && !self.life.phase.is_forked() {
            self.replace(Vec::new());
        }
    }
}

/// The worker of the pool that the calling thread is, if it is one.
pub(crate) fn own_worker(life: &Arc<Lifecycle>) -> Option<Worker> {
    Worker::current().filter(|worker| Arc::ptr_eq(worker.life(), life))
}

/// The jobs that go on for as long as the one on top of `worker`'s stack.
fn places_of(life: &Arc<Lifecycle>, worker: &Worker) -> Vec<Place> {
    match on_stack_of(life, worker) {
        OnStackOf::Future(place) => vec![place],
        OnStackOf::All(mut places) => {
            places.extend(joiners_in(life));
            places
        }
    }
}

/// The jobs on a worker's stack that go on for as long as the topmost.
enum OnStackOf {
    /// A future whose suspension frees the worker is alone in its wait: whatever is beneath it is
    /// in a wait of its own, in which it polled the future in place.
    Future(Place),
    All(Vec<Place>),
}

fn on_stack_of(life: &Arc<Lifecycle>, worker: &Worker) -> OnStackOf {
    let polled = worker.polled();
    if let Some((id, _)) = polled
        && !worker.keeps_place()
    {
        return OnStackOf::Future(Place::Future(id));
    }
    let place = |level| match polled {
        Some((id, of_future)) if of_future == level => Some(Place::Future(id)),
        _ => match known(life, level) {
            Some(place) => place,
            None => Some(Place::OnStack(worker.name_at(level))),
        },
    };
    OnStackOf::All((1..=worker.own_jobs()).filter_map(place).collect())
}

/// Those of the pool's jobs that wait for halves on the calling thread's stack.
fn joiners_in(life: &Lifecycle) -> Vec<Place> {
    let mut places = Vec::new();
    each_joiner(|joiner| {
        if joiner.pool == life.id {
            places.extend_from_slice(&joiner.places);
        }
    });
    places
}

/// The other generations of a swapped pool that have such jobs: a job of one generation may run
/// within a half of another's.
fn generations_of_joiners(life: &Lifecycle) -> Vec<Arc<Lifecycle>> {
    let mut others: Vec<PoolId> = Vec::new();
    each_joiner(|joiner| {
        if joiner.pool != life.id && !others.contains(&joiner.pool) {
            others.push(joiner.pool);
        }
    });
    let others = others.into_iter().filter_map(registry::find);
    others
        .filter(|other| ptr::eq(other.room(), life.room()))
        .collect()
}

/// Visits those whose halves are on the calling thread's stack, those whose halves are on theirs,
/// and so on, each once.
fn each_joiner(mut visit: impl FnMut(&Joiner)) {
    let mut left = joiners_here();
    let mut seen = HashSet::new();
    while let Some(joiner) = left.pop() {
        if seen.insert(Arc::as_ptr(&joiner)) {
            visit(&joiner);
            left.extend(joiner.outer.iter().cloned());
        }
    }
}

/// What is known of the calling thread's stack.
///
/// A job may call `exit`. The C library then drops the thread's locals, and calls the handlers of
/// the exit with the job on the stack for good; a wait there leaves out what every wait of the job
/// would. So a thread has its `OfStack` until its end: there is nothing to drop. It gives its
/// memory back whenever it is empty, so a thread that ends leaves none. Most stacks have one thing
/// known of them at a time, which takes no memory.
struct OfStack<T>(ManuallyDrop<RefCell<Levels<T>>>);

/// The innermost is there if any is.
struct Levels<T> {
    innermost: Option<T>,
    /// The next to it last.
    outer: Vec<T>,
}

type InnerFirst<'a, T> = Chain<option::Iter<'a, T>, Rev<slice::Iter<'a, T>>>;

const _: () = assert!(!needs_drop::<OfStack<Arc<Joiner>>>() && !needs_drop::<OfStack<Known>>());

impl<T> OfStack<T> {
    const fn new() -> Self {
        Self(ManuallyDrop::new(RefCell::new(Levels {
            innermost: None,
            outer: Vec::new(),
        })))
    }

    /// Shows what is known of the stack; no other call is under way on this thread meanwhile.
    fn look<R>(&self, look: impl FnOnce(InnerFirst<'_, T>) -> R) -> R {
        let levels = self.0.borrow();
        look(levels.innermost.iter().chain(levels.outer.iter().rev()))
    }

    fn push(&self, known: T) {
        let mut levels = self.0.borrow_mut();
        let former = levels.innermost.replace(known);
        levels.outer.extend(former);
    }

    /// Forgets the innermost, and the memory with the last.
    fn pop(&self) {
        let mut levels = self.0.borrow_mut();
        levels.innermost = levels.outer.pop();
        if levels.innermost.is_none() {
            levels.outer = Vec::new();
        }
    }
}

/// The jobs that go on for as long as a half of the topmost does, wherever that runs.
pub(crate) struct Joiner {
    /// The generation whose jobs they are.
    pool: PoolId,
    /// The topmost and those beneath it on its stack.
    places: Vec<Place>,
    /// Those whose halves are on that stack.
    outer: Vec<Arc<Joiner>>,
}

thread_local! {
    /// Those whose halves are on the calling thread's stack.
    static JOINERS: OfStack<Arc<Joiner>> = const { OfStack::new() };
}

/// Those whose halves are on the calling thread's stack.
fn joiners_here() -> Vec<Arc<Joiner>> {
    JOINERS.with(|joiners| joiners.look(|all| all.cloned().collect()))
}

impl Joiner {
    /// The job on top of `worker`'s stack, and those beneath.
    pub(crate) fn on(worker: &Worker) -> Self {
        let pool = worker.life().id;
        match on_stack_of(worker.life(), worker) {
            OnStackOf::Future(place) => Self {
                pool,
                places: vec![place],
                outer: Vec::new(),
            },
            OnStackOf::All(places) => Self {
                pool,
                places,
                outer: joiners_here(),
            },
        }
    }

    /// Runs its half.
    pub(crate) fn run_half<R>(self: Arc<Self>, run: impl FnOnce() -> R) -> R {
        /// Forgets the joiner, also if the half panics.
        struct Half;
        impl Drop for Half {
            fn drop(&mut self) {
                JOINERS.with(OfStack::pop);
            }
        }
        JOINERS.with(|joiners| joiners.push(self));
        let _half = Half;
        run()
    }
}

/// A level of the calling thread's stack that is no closure of `life`'s.
#[derive(Clone, Copy)]
struct Known {
    life: *const Lifecycle,
    /// Counted from 1, the outermost job of the thread's stack in that pool.
    level: usize,
    /// `None`: what is dropped there is not in flight.
    place: Option<Place>,
}

thread_local! {
    static KNOWN: OfStack<Known> = const { OfStack::new() };
}

/// What is known of the level, if it is.
fn known(life: &Lifecycle, level: usize) -> Option<Option<Place>> {
    let find = |mut inner_first: InnerFirst<'_, Known>| {
        let found = inner_first.find(|it| ptr::eq(it.life, life) && it.level == level);
        found.map(|it| it.place)
    };
    KNOWN.with(|known| known.look(find))
}

/// Keeps what is known of a level for as long as it is on the stack.
pub(super) struct OnStack {
    is_pushed: bool,
}

impl OnStack {
    /// Notes a level, if there is one to note, until the guard goes.
    fn push(known: Option<Known>) -> Self {
        let is_pushed = known.is_some();
        if let Some(known) = known {
            KNOWN.with(|all| all.push(known));
        }
        Self { is_pushed }
    }
}

/// The next frame on `worker`'s stack is what is left of a job that is not in flight.
pub(super) fn next_is_not_in_flight(worker: &Worker) -> OnStack {
    OnStack::push(Some(Known {
        life: ptr::from_ref(&**worker.life()),
        level: worker.own_jobs() + 1,
        place: None,
    }))
}

impl Drop for OnStack {
    fn drop(&mut self) {
        if self.is_pushed {
            KNOWN.with(OfStack::pop);
        }
    }
}
