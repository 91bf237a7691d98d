//! Many inputs, one function: the outcomes in the order of the inputs, or as they come.
//!
//! A map is a [`Feed`], which takes inputs and submits them, and what is in flight: accepted, and
//! its outcome not yet given. `next` feeds as far as the window and the queue allow, and gives an
//! outcome that is there. If none is, it makes progress: inside a job of the same pool by running
//! one of its own jobs in place; elsewhere it waits for an outcome or for a place in the queue,
//! whichever comes first. So a full queue holds no outcome back.

mod feed;
mod in_flight;
#[cfg(all(test, not(pool_loom)))]
mod tests;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::iter::FusedIterator;
use std::task::{Context, Poll};

use crate::job::handle::JobHandle;
use crate::job::outcome::JobError;
use crate::submit::executor::Executor;
use crate::worker::Worker;
use feed::{Came, Feed, InFlight};
use in_flight::Flight;

/// The handle of one input's job. The function that is mapped cannot fail, so an error says that
/// its job panicked or did not run.
type Handle<T> = JobHandle<T, Infallible>;
/// What a map gives for one input.
type Item<T> = Result<T, JobError<Infallible>>;

/// The outcomes of [`ExecutorExt::map`](crate::ExecutorExt::map), in the order of the inputs.
/// `next` waits for the one that is due.
///
/// # Inputs
/// Inputs are taken ahead of the outcomes that have been given, at most a **window** of them: as
/// many as the queue's capacity, 1 024 of them at most, and the workers.
/// [`Map::with_window`](Self::with_window) makes a map with another. The first are taken when the
/// map is made, without waiting for room; later ones in `next`. So the inputs may be without end,
/// and memory follows the window. An iterator of inputs that waits for its next item keeps `next`
/// waiting, too.
///
/// A panic of the inputs' iterator is that of the caller, and ends the inputs. The outcomes of
/// those that were taken come all the same.
///
/// # The end of the pool
/// After a close, each input that is left gives [`JobError::Abandoned`]. Only inputs of which
/// nobody knows how many they are (no upper bound in their `size_hint`) end with the first that was
/// refused.
///
/// # Drop
/// Jobs that have not started are cancelled, and no further input is taken. Jobs that run go on,
/// detached.
#[must_use = "a dropped map cancels the jobs that have not started"]
pub struct Map<'a, E: Executor + ?Sized, I, F, T> {
    /// The inputs that were not submitted yet.
    feed: Feed<'a, E, I, F, T>,
    /// In flight, in the order of the inputs: the front is the one to be given next.
    due: VecDeque<Handle<T>>,
}

impl<'a, E, I, F, T> Map<'a, E, I, F, T>
where
    E: Executor + ?Sized,
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(executor: &'a E, inputs: impl IntoIterator<IntoIter = I>, f: F) -> Self {
        Self::with_window(executor, feed::window_of(executor), inputs, f)
    }

    /// Makes a map that takes at most `window` inputs ahead: as many of its jobs at most are in the
    /// pool at once. A window of 0 is one of 1.
    ///
    /// The first inputs are taken here, and submitted without waiting for room.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::Map;
    ///
    /// let squares = Map::with_window(&pool, 2, 1_u64.., |n| n * n); // two ahead at most
    /// let squares: Result<Vec<_>, _> = squares.take(3).collect();
    /// assert_eq!(squares?, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_window(
        executor: &'a E,
        window: usize,
        inputs: impl IntoIterator<IntoIter = I>,
        f: F,
    ) -> Self {
        let mut due = VecDeque::new();
        let mut feed = Feed::new(executor, window, inputs.into_iter(), f);
        feed.fill(&mut due);
        Self { feed, due }
    }

    /// Takes the outcome that is due, and waits for it; inside a job of the same pool by running
    /// the job, if that has not started.
    fn take_due(&mut self) -> Option<Item<T>> {
        self.due.pop_front().map(JobHandle::join)
    }
}

impl<E, I, F, T> Iterator for Map<'_, E, I, F, T>
where
    E: Executor + ?Sized,
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Item<T>;

    fn next(&mut self) -> Option<Item<T>> {
        loop {
            self.feed.fill(&mut self.due);
            match self.due.front() {
                Some(due) if due.is_finished() => return self.take_due(),
                // A join runs the job here, if it has not started.
                Some(_) if Worker::current_of(self.feed.executor()).is_some() => {
                    return self.take_due();
                }
                Some(_) => {}
                None if self.feed.has_refused() => {}
                None => return None,
            }
            match self.feed.wait(&mut self.due) {
                Came::Outcome(outcome) => {
                    // Its handle has nothing left to give.
                    drop(self.due.pop_front());
                    return Some(outcome);
                }
                Came::Submitted(handle) => self.due.add(handle),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint(self.due.len())
    }
}

impl<T> InFlight<T> for VecDeque<Handle<T>> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn add(&mut self, handle: Handle<T>) {
        self.push_back(handle);
    }

    /// Only the front counts: another's outcome is not given before its turn.
    fn may_have_outcome(&self) -> bool {
        self.front().is_some_and(JobHandle::is_finished)
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Item<T>> {
        self.front_mut()
            .map_or(Poll::Pending, |due| due.poll_elsewhere(cx))
    }
}

/// The outcomes of [`ExecutorExt::map_unordered`](crate::ExecutorExt::map_unordered), as they come.
///
/// It takes its inputs, ends and is dropped as [`Map`] does. Inside a job of the same pool `next`
/// gives an outcome that is there; if none is, it runs one of the jobs in place.
#[must_use = "a dropped map cancels the jobs that have not started"]
pub struct MapUnordered<'a, E: Executor + ?Sized, I, F, T> {
    /// The inputs that were not submitted yet.
    feed: Feed<'a, E, I, F, T>,
    /// In flight, with a list of those whose outcomes may be there.
    flight: Flight<T>,
}

impl<'a, E, I, F, T> MapUnordered<'a, E, I, F, T>
where
    E: Executor + ?Sized,
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(executor: &'a E, inputs: impl IntoIterator<IntoIter = I>, f: F) -> Self {
        Self::with_window(executor, feed::window_of(executor), inputs, f)
    }

    /// Makes a map that takes at most `window` inputs ahead: as many of its jobs at most are in the
    /// pool at once. A window of 0 is one of 1.
    ///
    /// The first inputs are taken here, and submitted without waiting for room.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// use pool_core::MapUnordered;
    ///
    /// let mut squares: Vec<_> =
    ///     MapUnordered::with_window(&pool, 2, 1..=3_u64, |n| n * n).collect::<Result<_, _>>()?;
    /// squares.sort();
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_window(
        executor: &'a E,
        window: usize,
        inputs: impl IntoIterator<IntoIter = I>,
        f: F,
    ) -> Self {
        let mut flight = Flight::new();
        let mut feed = Feed::new(executor, window, inputs.into_iter(), f);
        feed.fill(&mut flight);
        Self { feed, flight }
    }

    /// Runs one of the jobs on the calling worker, if it is one of their pool and one has not
    /// started.
    fn run_here(&mut self) -> Option<Item<T>> {
        Worker::current_of(self.feed.executor())?;
        self.flight.run_here()
    }
}

impl<E, I, F, T> Iterator for MapUnordered<'_, E, I, F, T>
where
    E: Executor + ?Sized,
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Item<T>;

    fn next(&mut self) -> Option<Item<T>> {
        loop {
            self.feed.fill(&mut self.flight);
            if let Some(outcome) = self.flight.take_arrived() {
                return Some(outcome);
            }
            if self.flight.len() == 0 && !self.feed.has_refused() {
                return None;
            }
            if let Some(outcome) = self.run_here() {
                return Some(outcome);
            }
            match self.feed.wait(&mut self.flight) {
                Came::Outcome(outcome) => return Some(outcome),
                Came::Submitted(handle) => self.flight.add(handle),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint(self.flight.len())
    }
}

/// What both maps are in addition to iterators.
macro_rules! both {
    ($($map:ident: |$this:ident| $len:expr, $handles:expr;)*) => {$(
        impl<E, I, F, T> ExactSizeIterator for $map<'_, E, I, F, T>
        where
            E: Executor + ?Sized,
            I: ExactSizeIterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
        }

        impl<E, I, F, T> FusedIterator for $map<'_, E, I, F, T>
        where
            E: Executor + ?Sized,
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
        }

        impl<E: Executor + ?Sized, I, F, T> Drop for $map<'_, E, I, F, T> {
            fn drop(&mut self) {
                let $this = self;
                $handles.for_each(JobHandle::cancel);
            }
        }

        impl<E: Executor + ?Sized, I, F, T> fmt::Debug for $map<'_, E, I, F, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                f.debug_struct(stringify!($map))
                    .field("in_flight", &$len)
                    .field("window", &self.feed.window())
                    .finish()
            }
        }
    )*};
}

both! {
    Map: |this| this.due.len(), this.due.iter();
    MapUnordered: |this| this.flight.len(), this.flight.handles();
}
