//! Many inputs, one function: the outcomes in the order of the inputs, or as they come.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::executor::{Executor, ExecutorExt};
use crate::handle::JobHandle;
use crate::outcome::JobError;
use crate::wait::block_on;
use crate::worker::Worker;

type Handle<T> = JobHandle<T, Infallible>;
type Item<T> = Result<T, JobError<Infallible>>;

/// The outcomes of [`ExecutorExt::map`], in the order of the inputs. `next` waits for the one that is due.
pub struct Map<T> {
    handles: std::vec::IntoIter<Option<Handle<T>>>,
}

impl<T: Send + 'static> Map<T> {
    pub(crate) fn submit<E, I, F>(executor: &E, inputs: I, f: F) -> Self
    where
        E: Executor + ?Sized,
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        Self {
            handles: submit(executor, inputs, f).into_iter(),
        }
    }
}

impl<T> Iterator for Map<T> {
    type Item = Item<T>;

    fn next(&mut self) -> Option<Item<T>> {
        Some(
            self.handles
                .next()?
                .map_or(Err(JobError::Abandoned), JobHandle::join),
        )
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.handles.size_hint()
    }
}

impl<T> ExactSizeIterator for Map<T> {}

impl<T> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("left", &self.handles.len())
            .finish()
    }
}

/// The outcomes of [`ExecutorExt::map_unordered`], as they come.
pub struct MapUnordered<T> {
    pending: FuturesUnordered<Handle<T>>,
    refused: usize,
}

impl<T: Send + 'static> MapUnordered<T> {
    pub(crate) fn submit<E, I, F>(executor: &E, inputs: I, f: F) -> Self
    where
        E: Executor + ?Sized,
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        let handles = submit(executor, inputs, f);
        let all = handles.len();
        let pending: FuturesUnordered<_> = handles.into_iter().flatten().collect();
        let refused = all - pending.len();
        Self { pending, refused }
    }
}

impl<T> Iterator for MapUnordered<T> {
    type Item = Item<T>;

    fn next(&mut self) -> Option<Item<T>> {
        // Inside a job no other worker can be counted on: the jobs are joined, and so run in place, one after the other.
        if Worker::current().is_some() && !self.pending.is_empty() {
            let mut handles = std::mem::take(&mut self.pending).into_iter();
            let first = handles.next().map(JobHandle::join);
            self.pending = handles.collect();
            return first;
        }
        if let Some(outcome) = block_on(self.pending.next(), None).flatten() {
            return Some(outcome);
        }
        self.refused = self.refused.checked_sub(1)?;
        Some(Err(JobError::Abandoned))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.pending.len() + self.refused;
        (left, Some(left))
    }
}

impl<T> fmt::Debug for MapUnordered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered")
            .field("left", &self.size_hint().0)
            .finish()
    }
}

/// One job for each input; `None` for an input that a closed pool refused.
fn submit<E, I, F, T>(executor: &E, inputs: I, f: F) -> Vec<Option<Handle<T>>>
where
    E: Executor + ?Sized,
    I: IntoIterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    let f = Arc::new(f);
    let submit = |input| {
        let f = Arc::clone(&f);
        executor.spawn(move || f(input)).ok()
    };
    inputs.into_iter().map(submit).collect()
}
