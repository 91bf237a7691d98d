//! Maps, scopes and forks: many jobs from one call.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::thread;

use pool::{ExecutorExt, Interrupted, JobContext, JobError, Outcome, ScopeError};

use super::actor::Actor;
use super::books::{Mark, Record, lock};
use super::handle::{Disarm, Resolved};
use super::jobs::{Payload, Planned, Value, run_leaf_for_value, said};
use super::place::{Body, OfJoiner, check_worker, own_jobs};
use super::program::{Bad, Op};

impl Actor {
    pub(super) fn map(&self, op: &Op) {
        let Op::Map {
            pool,
            inputs,
            ordered,
            taken,
            panics,
        } = *op
        else {
            return;
        };
        let Some(lease) = self.pool(pool) else { return };
        let records: Vec<_> = (0..inputs)
            .map(|_| self.world.books.open(None, "Map", pool))
            .collect();
        for record in &records {
            // A map that is dropped cancels the rest.
            record.mark(Mark::MayBeCancelled);
        }
        let payloads: Vec<_> = records
            .iter()
            .map(|record| Payload::plain(&self.world, Arc::clone(record)))
            .collect();
        let run = move |payload: Payload| {
            let panics = panics && payload.record.number.is_multiple_of(3);
            run_leaf_for_value(payload, panics)
        };
        let executor = lease.pool().executor();
        let taken = usize::from(taken);
        let mut came = 0;
        let lending = self.lending(pool);
        if ordered {
            for (record, said) in records.iter().zip(executor.map(payloads, run)).take(taken) {
                came += 1;
                self.map_gave(Some(record), said);
            }
        } else {
            for said in executor.map_unordered(payloads, run).take(taken) {
                came += 1;
                self.map_gave(None, said);
            }
        }
        drop(lending);
        if came != taken.min(records.len()) {
            let what = format!("a map of {} inputs gave {came} of {taken}", records.len());
            self.found("map", what);
        }
    }

    fn map_gave(&self, record: Option<&Arc<Record>>, said: Result<Value, JobError<Infallible>>) {
        let (outcome, number) = match said {
            Ok(value) => (Outcome::Completed, Some(value.disarm())),
            Err(error) => (error.outcome(), None),
        };
        if let Some(record) = record {
            self.resolved(record, Resolved { outcome, number });
        }
    }

    /// Jobs that may borrow from this stack are over before it is left (`R505`).
    pub(super) fn scope(&self, pool: u8, numbers: &[u16], panics: bool) {
        let Some(lease) = self.pool(pool) else { return };
        let mut records = Vec::new();
        let lending = self.lending(pool);
        let scope = catch_unwind(AssertUnwindSafe(|| {
            lease.pool().executor().scope(|scope| {
                for &number in numbers {
                    let job = self.make(number, "Scope", pool);
                    let record = Arc::clone(&job.payload.record);
                    let spawned = scope.spawn(move || {
                        if let Ok(value) = job.run_closure(None) {
                            value.disarm();
                        }
                    });
                    match spawned {
                        Ok(()) => {
                            self.world.books.accepted(&record);
                            records.push(record);
                        }
                        Err(refused) => {
                            self.world.books.refused(&record);
                            drop(refused);
                        }
                    }
                }
                if panics {
                    resume_unwind(Box::new(Planned));
                }
            })
        }));
        drop(lending);
        for record in &records {
            if !record.are_captures_dropped() {
                let what = format!("a scope was left before its job was over: {record}");
                self.found("scope", what);
            }
        }
        self.check_scope(scope, &records, panics);
    }

    fn check_scope(
        &self,
        scope: thread::Result<Result<(), ScopeError>>,
        records: &[Arc<Record>],
        panics: bool,
    ) {
        let unrun = records.iter().filter(|record| !record.has_begun()).count();
        let panicked = records
            .iter()
            .any(|record| record.result() == Some(Outcome::Panicked));
        let is_so = match &scope {
            Err(panic) => panics && panic.is::<Planned>(),
            Ok(_) if panics => false,
            Ok(Ok(())) => unrun == 0 && !panicked,
            Ok(Err(ScopeError::Unfinished(count))) => *count == unrun && !panicked,
            Ok(Err(ScopeError::Panicked(_))) => panicked,
        };
        if !is_so {
            let what = match scope {
                Err(panic) => said(&*panic),
                Ok(result) => format!("{result:?}"),
            };
            let what = format!("a scope gave {what}, of {records:?}");
            self.found("scope", what);
        }
    }

    /// If a half was interrupted, so is the whole.
    pub(super) fn fork(
        &self,
        ctx: Option<&JobContext<'_>>,
        left: &[Op],
        right: &[Op],
        bad: Bad,
    ) -> Result<(), Interrupted> {
        let (Some(ctx), Some(record)) = (ctx, &self.record) else {
            return Ok(());
        };
        let book = self.world.books.pool(record.owner());
        book.halves.fetch_add(1, SeqCst);
        let told = Mutex::new(Ok(()));
        let joiners = own_jobs();
        let half = |ctx: &JobContext<'_>, ops, is_bad, counts| {
            let _joiner = OfJoiner::begin(&joiners);
            let _body = Body::begin(&self.world, record);
            check_worker(&self.world, record, Some(ctx));
            let interrupted = self.run(Some(ctx), ops);
            if interrupted.is_err() && counts {
                *lock(&told) = interrupted;
            }
            if is_bad {
                resume_unwind(Box::new(Planned));
            }
            1
        };
        let forked = catch_unwind(AssertUnwindSafe(|| {
            ctx.join(
                |ctx| half(ctx, left, bad == Bad::Left, true),
                |ctx| {
                    if bad == Bad::Right {
                        book.halves_panicked.fetch_add(1, SeqCst);
                    }
                    // The panic of the first half asks it to stop, and not the job.
                    half(ctx, right, bad == Bad::Right, bad != Bad::Left)
                },
            )
        }));
        let is_so = match &forked {
            Ok(halves) => bad == Bad::None && *halves == (1, 1),
            Err(panic) => bad != Bad::None && panic.is::<Planned>(),
        };
        if !is_so {
            self.found("fork", format!("a fork gave {forked:?}: {record}"));
        }
        *lock(&told)
    }
}
