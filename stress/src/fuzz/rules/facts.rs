//! `Facts`: where each job of a program is submitted, and what follows from that.

use super::super::program::{Job, Op, Program, Way, each_op};
use super::{Kind, Owner, waits_for_all};

/// What the rules know about a program.
#[derive(Debug)]
pub(in crate::fuzz) struct Facts<'a> {
    pub(super) program: &'a Program,
    /// `None`: it is never submitted.
    pub(in crate::fuzz) homes: Vec<Option<Owner>>,
    tainted: Vec<bool>,
}

impl<'a> Facts<'a> {
    pub(in crate::fuzz) fn of(program: &'a Program) -> Self {
        let mut facts = Self {
            program,
            homes: vec![None; program.jobs.len()],
            tainted: vec![false; program.jobs.len()],
        };
        for script in &program.threads {
            facts.find_homes(None, &script.ops);
        }
        // A parent comes before its children, so one pass forward finds where they are submitted,
        // and one pass back finds their taints.
        for number in 0..program.jobs.len() {
            if facts.homes[number].is_some() {
                facts.find_homes(Some(number as u16), &program.jobs[number].ops);
            }
        }
        for number in (0..program.jobs.len()).rev() {
            facts.find_taint(number);
        }
        facts
    }

    fn find_homes(&mut self, parent: Option<u16>, ops: &[Op]) {
        each_op(ops, &mut |op| {
            let (pool, kind, inherits) = match op {
                Op::Submit { pool, way, .. } if way.is_future() => (*pool, Kind::Future, false),
                Op::Submit { pool, way, .. } => {
                    let is_plain = *way == Way::Spawn;
                    let kind = if is_plain { Kind::Plain } else { Kind::Closure };
                    (*pool, kind, way.is_of_context())
                }
                Op::SubmitAll { pool, .. } => (*pool, Kind::Closure, false),
                Op::Scope { pool, .. } => (*pool, Kind::Plain, false),
                _ => return,
            };
            for &job in op.jobs() {
                let is_later = parent.is_none_or(|parent| parent < job);
                if let Some(owner) = self.homes.get_mut(usize::from(job))
                    && is_later
                {
                    *owner = Some(Owner {
                        pool,
                        parent,
                        kind,
                        inherits,
                    });
                }
            }
        });
    }

    fn find_taint(&mut self, number: usize) {
        let Some(owner) = self.homes[number] else {
            return;
        };
        let mut is_tainted = false;
        each_op(&self.program.jobs[number].ops, &mut |op| {
            is_tainted |= waits_for_all(op) == Some(owner.pool);
            for &child in op.jobs() {
                let child = usize::from(child);
                let is_near = self.homes[child].is_some_and(|it| it.pool == owner.pool);
                is_tainted |= is_near && self.tainted[child];
            }
        });
        self.tainted[number] = is_tainted;
    }

    /// The job, or one that may run in place within it, waits for its whole pool.
    pub(in crate::fuzz) fn is_tainted(&self, job: u16) -> bool {
        self.tainted[usize::from(job)]
    }

    /// The pool changes its backend at some point.
    pub(super) fn is_swapped(&self, pool: u8) -> bool {
        self.program
            .has(|op| matches!(op, Op::Swap(it, _) if *it == pool))
    }

    /// Whether `ancestor` submits the job, directly or through other jobs.
    pub(super) fn is_descendant(&self, job: u16, ancestor: u16) -> bool {
        let parent = |job: u16| self.homes.get(usize::from(job)).copied()??.parent;
        // A parent has a smaller number than its children.
        std::iter::successors(parent(job), |&job| parent(job)).any(|it| it == ancestor)
    }

    pub(in crate::fuzz) fn pool_of(&self, job: u16) -> Option<u8> {
        Some(self.homes.get(usize::from(job)).copied()??.pool)
    }

    pub(super) fn job(&self, job: u16) -> &'a Job {
        &self.program.jobs[usize::from(job)]
    }

    /// The job captures clones of pools, or one that is cancelled with it does.
    pub(super) fn is_exposed(&self, job: u16) -> bool {
        let holds = !self.job(job).holds.is_empty();
        let mut children = Vec::new();
        each_op(&self.job(job).ops, &mut |op| children.extend(op.jobs()));
        let inherits = |child: u16| self.homes[usize::from(child)].is_some_and(|it| it.inherits);
        holds
            || children
                .into_iter()
                .any(|child| child > job && inherits(child) && self.is_exposed(child))
    }

    pub(super) fn carriers(&self, token: u8) -> impl Iterator<Item = u16> {
        let jobs = 0..self.program.jobs.len() as u16;
        jobs.filter(move |&job| self.job(job).token == Some(token) && self.pool_of(job).is_some())
    }
}
