//! Which programs are fair: those without a cycle of waits.
//!
//! # Order
//! Jobs are ordered, first by pool, then by number. A job waits only for jobs above it. It waits
//! for room only in its own pool, where it does not have to wait, and in the pools above. A job
//! that another one submits has the larger number, so whatever runs in place within a job is above
//! it as well. So nothing that runs waits for something below it.
//!
//! # Who waits for a whole pool
//! `wait_idle` and a shutdown in a job of the same pool wait for all its other jobs, and run any of
//! them in place. No job of that pool may wait for such a job, and none may run it in place within
//! itself, unless no job of the pool waits for that one either: see [`Facts::is_tainted`].
//!
//! # Drops
//! A captured clone of a pool may be the last, and its drop drains the pool. So a job of pool `p`
//! cancels only what captures no clones, or jobs of pool `p` and above; nor does a destructor.
//!
//! Outside threads may wait for anything: no job waits for a thread.

mod facts;

use super::program::{End, How, OnDrop, Op, REAPED, Then, Way};

/// Where a job is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) pool: u8,
    /// The job that submits it; `None`: a thread.
    pub(super) parent: Option<u16>,
    pub(super) kind: Kind,
    /// It ends with its parent's cancellation.
    pub(super) inherits: bool,
}

/// The kind of an actor, which decides what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Thread,
    /// A closure with a context.
    Closure,
    /// A closure without.
    Plain,
    /// A half of a job that was forked.
    Half,
    Future,
}

/// The one that performs an operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actor {
    pub(super) kind: Kind,
    /// The job's number and pool.
    pub(super) job: Option<(u16, u8)>,
}

impl Actor {
    pub(super) const THREAD: Self = Self {
        kind: Kind::Thread,
        job: None,
    };

    pub(super) fn half(self) -> Self {
        Self {
            kind: Kind::Half,
            ..self
        }
    }
}

pub(super) use facts::Facts;

type Verdict = Result<(), &'static str>;

impl Facts<'_> {
    /// Whether the whole program is fair.
    pub(super) fn check(&self) -> Verdict {
        for script in &self.program.threads {
            self.check_list(Actor::THREAD, &script.ops)?;
            self.check_holds(&script.holds, 0)?;
        }
        for (number, owner) in self.homes.iter().enumerate() {
            if let Some(owner) = owner {
                self.check_job(number as u16, *owner)?;
            }
        }
        Ok(())
    }

    fn check_list(&self, actor: Actor, ops: &[Op]) -> Verdict {
        for op in ops {
            self.check_op(actor, op)?;
            let half = actor.half();
            for nested in op.nested() {
                self.check_list(half, nested)?;
            }
        }
        Ok(())
    }

    pub(super) fn actor(&self, job: u16) -> Option<Actor> {
        let owner = self.homes[usize::from(job)]?;
        Some(Actor {
            kind: owner.kind,
            job: Some((job, owner.pool)),
        })
    }

    fn check_holds(&self, holds: &[u8], least: u8) -> Verdict {
        let known = self.program.pools.len();
        let is_fair = |&pool: &u8| pool >= least && usize::from(pool) < known;
        demand(holds.iter().all(is_fair), "a clone of a pool below")
    }

    fn check_job(&self, number: u16, owner: Owner) -> Verdict {
        self.check_own(number, owner)?;
        let actor = self.actor(number).ok_or("a job without a owner")?;
        self.check_list(actor, &self.job(number).ops)
    }

    /// What a job has in addition to its operations.
    pub(super) fn check_own(&self, number: u16, owner: Owner) -> Verdict {
        let job = self.job(number);
        self.check_holds(&job.holds, owner.pool)?;
        let has_options = job.token.is_some() || job.deadline.is_some() || job.named;
        let is_sure = owner.kind == Kind::Plain
            || (owner.kind == Kind::Future && self.is_sure_future(number));
        demand(!is_sure || !has_options, "options where there are none")?;
        demand(
            job.end != End::Never || job.token == Some(REAPED),
            "a job without an end that nobody cancels",
        )?;
        demand(
            job.token != Some(REAPED) || !self.is_exposed(number),
            "the reaper would drop a clone of a pool",
        )?;
        for act in [job.on_drop, job.on_result_drop] {
            self.check_drop(act)?;
        }
        Ok(())
    }

    pub(super) fn is_sure_future(&self, number: u16) -> bool {
        self.program
            .has(|op| matches!(op, Op::Submit { way: Way::SpawnFuture, job, .. } if *job == number))
    }

    fn check_drop(&self, act: OnDrop) -> Verdict {
        match act {
            OnDrop::CancelsToken(token) => demand(
                self.carriers(token).all(|job| !self.is_exposed(job)),
                "a destructor would drop a clone of a pool",
            ),
            OnDrop::CancelsJob(job) => demand(
                self.pool_of(job).is_none() || !self.is_exposed(job),
                "a destructor would drop a clone of a pool",
            ),
            OnDrop::Submits(pool) => demand(
                usize::from(pool) < self.program.pools.len(),
                "an unknown pool",
            ),
            _ => Ok(()),
        }
    }

    /// Whether `actor` may do this; nested operations are not checked.
    pub(super) fn check_op(&self, actor: Actor, op: &Op) -> Verdict {
        if let Some(pool) = pool_of_op(op) {
            let is_known = usize::from(pool) < self.program.pools.len();
            demand(is_known, "an unknown pool")?;
        }
        for &job in op.jobs() {
            let is_above = actor.job.is_none_or(|(own, _)| own < job);
            demand(is_above, "a child with a smaller number")?;
        }
        self.check_kind(actor, op)?;
        match op {
            Op::Submit {
                pool,
                way,
                job,
                then,
            } => self.check_submit(actor, (*pool, *way), *job, *then),
            Op::SubmitAll { pool, jobs, then } => {
                self.may_wait_for_room(actor, *pool)?;
                jobs.iter()
                    .try_for_each(|&job| self.check_then(actor, job, *then))
            }
            Op::Scope { pool, jobs, .. } => {
                self.may_wait_for_room(actor, *pool)?;
                let mut jobs = jobs.iter();
                jobs.try_for_each(|&job| self.may_wait_for(actor, job, false))
            }
            Op::Map { pool, .. } => self.may_wait_for_room(actor, *pool),
            Op::Handle { job, then } => self.check_then(actor, *job, *then),
            Op::CancelToken(token) => self.check_cancel_token(actor, *token),
            Op::WaitIdle(pool) => self.may_wait_for_all(actor, *pool),
            Op::Shutdown { pool, resubmit, .. } => {
                let is_known = resubmit.is_none_or(|to| usize::from(to) < self.program.pools.len());
                demand(is_known, "an unknown pool")?;
                self.may_wait_for_all(actor, *pool)
            }
            Op::DropPool(pool) => demand(
                actor.job.is_none_or(|(_, own)| *pool >= own),
                "a drop of a pool below",
            ),
            _ => Ok(()),
        }
    }

    /// What the kind of actor can do at all.
    fn check_kind(&self, actor: Actor, op: &Op) -> Verdict {
        let is_future = actor.kind == Kind::Future;
        let can = match op {
            Op::Fork { .. } => matches!(actor.kind, Kind::Closure | Kind::Half),
            Op::Submit { way, .. } if way.is_of_context() => actor.kind == Kind::Closure,
            Op::Scope { .. } | Op::Map { .. } | Op::Swap(..) => !is_future,
            Op::SubmitAll { .. } | Op::DropPool(_) => actor.kind != Kind::Half,
            Op::Shutdown { how, .. } => !is_future || *how != How::Blocks,
            _ => true,
        };
        demand(can, "not for this kind of actor")
    }

    fn check_submit(&self, actor: Actor, (pool, way): (u8, Way), job: u16, then: Then) -> Verdict {
        if way.is_of_context() {
            let is_own = actor.job.is_some_and(|(_, own)| own == pool);
            demand(is_own, "a child of another pool")?;
        }
        if way.waits() {
            self.may_wait_for_room(actor, pool)?;
            let is_other = actor.job.is_some_and(|(_, own)| own != pool);
            let blocks_poller = actor.kind == Kind::Future && is_other && way != Way::SubmitAsync;
            demand(!blocks_poller, "a future that blocks for room")?;
        }
        if matches!(way, Way::SubmitTimeout(_)) {
            demand(actor.kind != Kind::Future, "a future that blocks for room")?;
        }
        if way == Way::SubmitAsyncKept {
            // It may be given the only slot.
            let room = self.program.pools[usize::from(pool)].capacity;
            demand(room >= 64, "a place that is kept from all others")?;
        }
        if way.is_bare() {
            return demand(then == Then::Detach, "no handle");
        }
        self.check_then(actor, job, then)
    }

    fn check_then(&self, actor: Actor, job: u16, then: Then) -> Verdict {
        if self.pool_of(job).is_none() {
            return Ok(());
        }
        if then.waits() {
            self.may_wait_for(actor, job, false)?;
        }
        if then.polls() {
            self.may_wait_for(actor, job, true)?;
        }
        if matches!(then, Then::JoinTimeout(_)) {
            demand(actor.kind != Kind::Future, "a future that blocks")?;
        }
        if then.cancels() {
            let is_above = actor
                .job
                .is_none_or(|(_, own)| self.pool_of(job).is_some_and(|pool| pool >= own));
            demand(
                is_above || !self.is_exposed(job),
                "a cancellation that drops a clone of a pool below",
            )?;
        }
        Ok(())
    }

    fn check_cancel_token(&self, actor: Actor, token: u8) -> Verdict {
        demand(token < self.program.tokens, "an unknown token")?;
        let Some((_, own)) = actor.job else {
            return Ok(());
        };
        let mut carriers = self.carriers(token);
        demand(
            carriers
                .all(|job| !self.is_exposed(job) || self.pool_of(job).is_some_and(|it| it >= own)),
            "a cancellation that drops a clone of a pool below",
        )
    }

    fn may_wait_for_room(&self, actor: Actor, pool: u8) -> Verdict {
        let may = actor.job.is_none_or(|(_, own)| pool >= own);
        demand(may, "a wait for room in a pool below")
    }

    /// `once`: a single poll, which waits for nothing of another pool.
    fn may_wait_for(&self, actor: Actor, job: u16, once: bool) -> Verdict {
        let (Some((number, own)), Some(pool)) = (actor.job, self.pool_of(job)) else {
            return Ok(());
        };
        let may = match pool.cmp(&own) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => {
                // A job of the newest backend that waits for one of an older, which waits for a
                // child, closes a cycle.
                let is_near = !self.is_swapped(pool) || self.is_descendant(job, number);
                job > number && !self.is_tainted(job) && is_near
            }
            std::cmp::Ordering::Less => once,
        };
        demand(may, "a wait for a job below")
    }

    fn may_wait_for_all(&self, actor: Actor, pool: u8) -> Verdict {
        let Some((_, own)) = actor.job else {
            return Ok(());
        };
        demand(pool >= own, "a wait for all of a pool below")
    }
}

/// The pool that an operation waits for as a whole.
fn waits_for_all(op: &Op) -> Option<u8> {
    match op {
        Op::WaitIdle(pool) | Op::Shutdown { pool, .. } => Some(*pool),
        _ => None,
    }
}

fn pool_of_op(op: &Op) -> Option<u8> {
    match op {
        Op::Submit { pool, .. }
        | Op::SubmitAll { pool, .. }
        | Op::Map { pool, .. }
        | Op::Scope { pool, .. }
        | Op::Shutdown { pool, .. }
        | Op::WaitIdle(pool)
        | Op::Stats(pool)
        | Op::Swap(pool, _)
        | Op::Close(pool)
        | Op::DropPool(pool) => Some(*pool),
        _ => None,
    }
}

fn demand(is_so: bool, otherwise: &'static str) -> Verdict {
    if is_so { Ok(()) } else { Err(otherwise) }
}
