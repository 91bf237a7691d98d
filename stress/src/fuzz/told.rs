//! A program as text.

use std::fmt::{self, Write as _};

use super::program::{End, OnDrop, Op, PoolSpec, Program, REAPED};

impl Program {
    fn write_ops(&self, f: &mut String, ops: &[Op], depth: usize) {
        for op in ops {
            let _written = writeln!(f, "{:depth$}{}", "", Short(op), depth = depth * 2);
            for &job in op.jobs() {
                self.write_job(f, job, depth + 1);
            }
            if let Op::Fork { left, right, .. } = op {
                self.write_ops(f, left, depth + 1);
                let _written = writeln!(f, "{:depth$}and", "", depth = depth * 2);
                self.write_ops(f, right, depth + 1);
            }
        }
    }

    fn write_job(&self, f: &mut String, number: u16, depth: usize) {
        let Some(job) = self.jobs.get(usize::from(number)) else {
            return;
        };
        let _written = write!(f, "{:depth$}job {number}", "", depth = depth * 2);
        if job.end != End::Ok {
            let _written = write!(f, ", ends {:?}", job.end);
        }
        if job.named {
            let _written = write!(f, ", named");
        }
        if let Some(token) = job.token {
            let _written = write!(f, ", token {token}");
        }
        if let Some(deadline) = job.deadline {
            let _written = write!(f, ", deadline {deadline:?}");
        }
        if !job.holds.is_empty() {
            let _written = write!(f, ", holds pools {:?}", job.holds);
        }
        for (what, act) in [("capture", job.on_drop), ("result", job.on_result_drop)] {
            if act != OnDrop::Nothing {
                let _written = write!(f, ", drop of its {what} {act:?}");
            }
        }
        f.push('\n');
        self.write_ops(f, &job.ops, depth + 1);
    }
}

/// An operation without the nested ones.
pub(super) struct Short<'a>(pub(super) &'a Op);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Op::Submit {
                pool,
                way,
                job,
                then,
            } => write!(f, "{way:?} job {job} to pool {pool}, then {then:?}"),
            Op::Fork { bad, .. } => write!(f, "Fork, panics {bad:?}"),
            Op::Handle { job, then } => write!(f, "Take the handle of job {job}, then {then:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = String::new();
        for (index, pool) in self.pools.iter().enumerate() {
            let PoolSpec {
                engine,
                workers,
                capacity,
                last,
            } = pool;
            let _written = writeln!(
                told,
                "pool {index}: {engine:?}, {workers} workers, capacity {capacity}, \
                 in the end {last:?}"
            );
        }
        for (index, script) in self.threads.iter().enumerate() {
            let _written = writeln!(told, "thread {index}, holds pools {:?}", script.holds);
            self.write_ops(&mut told, &script.ops, 1);
        }
        let _written = writeln!(
            told,
            "token {REAPED} is cancelled after {} us; kept handles are joined {} the pools end",
            self.reaps_after,
            if self.joins_first { "before" } else { "after" }
        );
        f.write_str(&told)
    }
}
