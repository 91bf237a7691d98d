//! Operations on a handle, and what must hold for the job then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use super::actor::Actor;
use super::books::{Mark, Record};
use super::handle::{Counted, Handle, Resolved, block_on};
use super::place::Lending;
use super::program::{Deadline, Then};

/// How long a cancelled job that has not started may take to be over.
const PROMPTLY: Duration = Duration::from_secs(2);

impl Actor {
    pub(super) fn use_handle(&self, record: Arc<Record>, mut handle: Handle, then: Then) {
        if then.cancels() {
            self.cancel(&record, &handle);
        }
        let lending = then.helps().then(|| self.lending(record.owner())).flatten();
        match then {
            Then::Keep | Then::CancelKeep => self.world.keep(record, handle),
            Then::Join | Then::CancelJoin => self.resolved(&record, handle.join()),
            Then::JoinTimeout(micros) => {
                let limit = Duration::from_micros(u64::from(micros));
                match handle.join_timeout(limit) {
                    Ok(said) => self.resolved(&record, said),
                    Err(handle) => self.world.keep(record, handle),
                }
            }
            Then::Await => {
                let said = block_on(Pin::new(&mut handle));
                self.resolved(&record, said);
            }
            Then::PollOnceKeep | Then::PollOnceDrop => self.poll_handle(record, handle, then),
            Then::Look => {
                self.look_at_handle(&record, &handle);
                self.world.keep(record, handle);
            }
            Then::Detach | Then::CancelDrop => handle.detach(),
            Then::Forget => {
                record.mark(Mark::Forgotten);
                std::mem::forget(handle);
            }
        }
        drop(lending);
    }

    /// A job that waits for another one of its pool lends it its worker, if that is a future whose
    /// runtime has to poll it.
    pub(super) fn lending(&self, pool: u8) -> Option<Lending<'_>> {
        let own = self.record.as_ref()?;
        (own.owner() == pool).then(|| Lending::begin(&self.world, pool))
    }

    /// The waker is dropped with the handle, or with the outcome.
    fn poll_handle(&self, record: Arc<Record>, mut handle: Handle, then: Then) {
        let counted = Counted::new();
        let waker = counted.waker();
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
        drop(waker);
        match polled {
            Poll::Ready(said) => self.resolved(&record, said),
            Poll::Pending if then == Then::PollOnceKeep => return self.world.keep(record, handle),
            Poll::Pending => drop(handle),
        }
        // In a job, the wait would hold up those that may have to call the waker.
        if self.record.is_none() && counted.is_left(PROMPTLY) {
            self.found("waker", format!("its waker is left behind: {record}"));
        }
    }

    /// A job that has not started by its deadline is over then (`R403`).
    fn look_at_handle(&self, record: &Record, handle: &Handle) {
        let deadline = self.world.program.jobs[record.number as usize].deadline;
        let most = match deadline {
            Some(Deadline::Past) => PROMPTLY,
            Some(Deadline::In(micros)) => PROMPTLY + Duration::from_micros(u64::from(micros)),
            _ => return,
        };
        if self.record.is_none() && !self.is_over_or_begun(record, handle, most) {
            self.found(
                "deadline",
                format!("past its deadline and not over: {record}"),
            );
        }
    }

    /// Waits a while for a job that should be over unless it has begun.
    fn is_over_or_begun(&self, record: &Record, handle: &Handle, most: Duration) -> bool {
        let limit = Instant::now() + most;
        let is_over = || handle.is_finished() && record.are_captures_dropped();
        while !record.has_begun() && !is_over() {
            if Instant::now() > limit {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    /// Cancels by a token; what has not started is over at once (`R401`).
    pub(super) fn cancel_token(&self, token: u8) {
        self.world.tokens[usize::from(token)].cancel();
        if self.record.is_some() {
            return;
        }
        for (number, job) in self.world.program.jobs.iter().enumerate() {
            if job.token != Some(token) {
                continue;
            }
            if let Some((record, handle)) = self.world.take_handle(number as u16) {
                if !self.is_over_or_begun(&record, &handle, PROMPTLY) {
                    let what = format!("cancelled by its token, and not over: {record}");
                    self.found("cancel", what);
                }
                self.world.keep(record, handle);
            }
        }
    }

    /// Cancels by the handle; a job that has not started is over at once (`R401`).
    pub(super) fn cancel(&self, record: &Record, handle: &Handle) {
        record.mark(Mark::MayBeCancelled);
        let had_begun = record.has_begun();
        handle.cancel();
        if had_begun || self.record.is_some() {
            return;
        }
        if !self.is_over_or_begun(record, handle, PROMPTLY) {
            let what = format!("cancelled before the start, and not over: {record}");
            self.found("cancel", what);
        }
    }

    pub(super) fn resolved(&self, record: &Record, said: Resolved) {
        if said.number.is_some_and(|number| number != record.number) {
            let what = format!("its handle gave {:?}: {record}", said.number);
            self.found("outcome", what);
        }
        self.world.books.outcome(record, said.outcome);
    }
}
