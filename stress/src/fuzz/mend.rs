//! Makes a program fair: what breaks a rule is weakened or left out.

use super::program::{Deadline, End, Job, OnDrop, Op, Program, Script, Then, Way};
use super::rules::{Actor, Facts, Kind, Owner};

/// Each round may reveal what the last one hid; few are needed.
const ROUNDS: usize = 24;

/// Mends a program until the rules say that it is fair. One that cannot be mended loses its
/// threads.
pub(super) fn mend(program: &mut Program) {
    for _ in 0..ROUNDS {
        let before = program.clone();
        let facts = Facts::of(&before);
        if facts.check().is_ok() {
            return;
        }
        for script in &mut program.threads {
            mend_script(&facts, script);
        }
        for (number, job) in program.jobs.iter_mut().enumerate() {
            if let Some(owner) = facts.homes[number] {
                mend_job(&facts, number as u16, owner, job);
            }
        }
    }
    program.threads.clear();
}

fn mend_script(facts: &Facts<'_>, script: &mut Script) {
    mend_list(facts, Actor::THREAD, &mut script.ops);
}

fn mend_job(facts: &Facts<'_>, number: u16, owner: Owner, job: &mut Job) {
    let Some(actor) = facts.actor(number) else {
        return;
    };
    mend_list(facts, actor, &mut job.ops);
    if facts.check_own(number, owner).is_err() {
        job.holds.clear();
        job.on_drop = milder(job.on_drop);
        job.on_result_drop = milder(job.on_result_drop);
        if owner.kind == Kind::Plain || facts.is_sure_future(number) {
            job.token = None;
            job.deadline = None::<Deadline>;
            job.named = false;
        }
        if job.end == End::Never {
            job.end = End::Ok;
        }
    }
}

fn milder(act: OnDrop) -> OnDrop {
    match act {
        OnDrop::Panics | OnDrop::WakesAll | OnDrop::Submits(_) => act,
        _ => OnDrop::Nothing,
    }
}

fn mend_list(facts: &Facts<'_>, actor: Actor, ops: &mut Vec<Op>) {
    ops.retain_mut(|op| {
        if let Op::Fork { left, right, .. } = op {
            let half = actor.half();
            mend_list(facts, half, left);
            mend_list(facts, half, right);
        }
        facts.check_op(actor, op).is_ok()
            || weaker(op)
                .into_iter()
                .any(|weaker| match facts.check_op(actor, &weaker) {
                    Ok(()) => {
                        *op = weaker;
                        true
                    }
                    Err(_) => false,
                })
    });
}

/// What may be fair if an operation is not.
fn weaker(op: &Op) -> Vec<Op> {
    match op.clone() {
        Op::Submit {
            pool,
            way,
            job,
            then,
        } => {
            let weak_way = match way {
                Way::Execute | Way::TryExecute | Way::CtxExecute => Way::TryExecute,
                Way::SubmitFuture | Way::TrySubmitFuture | Way::SpawnFuture => Way::TrySubmitFuture,
                _ => Way::TrySubmit,
            };
            let weak_then = if way.is_bare() {
                Then::Detach
            } else {
                Then::Keep
            };
            let with = |way, then| Op::Submit {
                pool,
                way,
                job,
                then,
            };
            vec![
                with(way, weak_then),
                with(weak_way, then),
                with(weak_way, weak_then),
            ]
        }
        Op::SubmitAll { pool, jobs, .. } => vec![Op::SubmitAll {
            pool,
            jobs,
            then: Then::Keep,
        }],
        _ => Vec::new(),
    }
}
