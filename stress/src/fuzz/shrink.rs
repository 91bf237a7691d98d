//! Finds a small program that still fails: reduces it in ways that keep it fair.

use std::time::Instant;

use super::program::{Bad, End, Engine, Job, LastAct, Limit, OnDrop, Op, Program, Then, Way};
use super::rules::Facts;

/// Reduces `program` for as long as something smaller `fails`, up to `limit`.
pub(super) fn shrink(
    program: Program,
    limit: Instant,
    mut fails: impl FnMut(&Program) -> bool,
) -> Program {
    let mut best = compact(&program);
    loop {
        let mut is_smaller = false;
        let mut skipped = 0;
        loop {
            // The list is rebuilt after each success; reductions that failed before are skipped.
            let next = candidates(&best).into_iter().skip(skipped).find_map(|it| {
                skipped += 1;
                let it = compact(&it);
                let is_worth_it = Facts::of(&it).check().is_ok() && it != best;
                if Instant::now() < limit && is_worth_it && fails(&it) {
                    Some(it)
                } else {
                    None
                }
            });
            let Some(next) = next else { break };
            best = next;
            is_smaller = true;
            skipped = skipped.saturating_sub(1);
        }
        if !is_smaller || Instant::now() >= limit {
            return best;
        }
    }
}

/// Every reduction by one step, the largest first.
fn candidates(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    for thread in 0..program.threads.len() {
        all.push(with(program, |it| {
            it.threads.remove(thread);
        }));
    }
    for pool in 0..program.pools.len() as u8 {
        all.extend(without_pool(program, pool));
    }
    let lists = program.lists().count();
    for size in [16, 8, 4, 2, 1] {
        for list in 0..lists {
            without_chunks(program, list, size, &mut all);
        }
    }
    for job in 0..program.jobs.len() {
        plainer_jobs(program, job, &mut all);
    }
    for list in 0..lists {
        let length = program.lists().nth(list).map_or(0, Vec::len);
        for place in 0..length {
            simpler_ops(program, list, place, &mut all);
        }
    }
    plainer_pools(program, &mut all);
    all
}

fn with(program: &Program, change: impl FnOnce(&mut Program)) -> Program {
    let mut changed = program.clone();
    change(&mut changed);
    changed
}

fn without_chunks(program: &Program, list: usize, size: usize, all: &mut Vec<Program>) {
    let length = program.lists().nth(list).map_or(0, Vec::len);
    if length < size {
        return;
    }
    for start in (0..length).step_by(size) {
        all.push(with(program, |it| {
            if let Some(ops) = it.lists_mut().nth(list) {
                ops.drain(start..(start + size).min(length));
            }
        }));
    }
}

/// Without a pool and all operations on it.
fn without_pool(program: &Program, gone: u8) -> Option<Program> {
    if program.pools.len() == 1 {
        return None;
    }
    let mut changed = program.clone();
    changed.pools.remove(usize::from(gone));
    let rename = |pool: &mut u8| {
        let is_kept = *pool != gone;
        *pool -= u8::from(*pool > gone);
        is_kept
    };
    fn prune(ops: &mut Vec<Op>, rename: &impl Fn(&mut u8) -> bool) {
        ops.retain_mut(|op| match op {
            Op::Submit { pool, .. }
            | Op::SubmitAll { pool, .. }
            | Op::Map { pool, .. }
            | Op::Scope { pool, .. }
            | Op::WaitIdle(pool)
            | Op::Stats(pool)
            | Op::Swap(pool, _)
            | Op::Close(pool)
            | Op::DropPool(pool) => rename(pool),
            Op::Shutdown { pool, resubmit, .. } => {
                *resubmit = resubmit.and_then(|mut to| rename(&mut to).then_some(to));
                rename(pool)
            }
            Op::Fork { left, right, .. } => {
                prune(left, rename);
                prune(right, rename);
                true
            }
            _ => true,
        });
    }
    for list in changed.lists_mut() {
        prune(list, &rename);
    }
    for script in &mut changed.threads {
        script.holds.retain_mut(rename);
    }
    for job in &mut changed.jobs {
        job.holds.retain_mut(rename);
        for act in [&mut job.on_drop, &mut job.on_result_drop] {
            if let OnDrop::Submits(pool) = act
                && !rename(pool)
            {
                *act = OnDrop::Nothing;
            }
        }
    }
    Some(changed)
}

fn plainer_jobs(program: &Program, number: usize, all: &mut Vec<Program>) {
    let job = &program.jobs[number];
    let mut change = |change: &dyn Fn(&mut Job)| {
        let changed = with(program, |it| change(&mut it.jobs[number]));
        if changed != *program {
            all.push(changed);
        }
    };
    change(&|job| *job = Job::empty());
    change(&|job| job.ops.clear());
    if job.end == End::Never {
        change(&|job| {
            job.end = End::Ok;
            job.token = None;
        });
    }
    change(&|job| job.end = End::Ok);
    change(&|job| job.token = None);
    change(&|job| job.deadline = None);
    change(&|job| job.named = false);
    change(&|job| job.holds.clear());
    change(&|job| job.on_drop = OnDrop::Nothing);
    change(&|job| job.on_result_drop = OnDrop::Nothing);
}

fn simpler_ops(program: &Program, list: usize, place: usize, all: &mut Vec<Program>) {
    let Some(op) = program.lists().nth(list).and_then(|ops| ops.get(place)) else {
        return;
    };
    let mut replace = |by: Vec<Op>| {
        all.push(with(program, |it| {
            if let Some(ops) = it.lists_mut().nth(list) {
                ops.splice(place..=place, by);
            }
        }));
    };
    match op.clone() {
        Op::Submit {
            pool,
            way,
            job,
            then,
        } => {
            let with = |way, then| {
                vec![Op::Submit {
                    pool,
                    way,
                    job,
                    then,
                }]
            };
            // In the order of simplicity, so that no reduction undoes another one.
            let thens = [Then::Detach, Then::Keep, Then::Join];
            for simple in thens.into_iter().take_while(|&it| it != then) {
                replace(with(way, simple));
            }
            if let Some(job) = program.jobs.get(usize::from(job)) {
                replace(job.ops.clone());
            }
            let simple_way = if way.is_future() {
                Way::SubmitFuture
            } else {
                Way::Submit
            };
            if simple_way != way {
                replace(with(simple_way, then));
            }
            if way != Way::Submit {
                replace(with(Way::Submit, then));
            }
        }
        Op::SubmitAll { pool, jobs, then } => {
            for gone in 0..jobs.len() {
                let mut jobs = jobs.clone();
                jobs.remove(gone);
                replace(vec![Op::SubmitAll { pool, jobs, then }]);
            }
            let each = |job| Op::Submit {
                pool,
                way: Way::Submit,
                job,
                then,
            };
            replace(jobs.into_iter().map(each).collect());
        }
        Op::Scope { pool, jobs, panics } => {
            for gone in 0..jobs.len() {
                let mut jobs = jobs.clone();
                jobs.remove(gone);
                replace(vec![Op::Scope { pool, jobs, panics }]);
            }
            if panics {
                replace(vec![Op::Scope {
                    pool,
                    jobs,
                    panics: false,
                }]);
            }
        }
        Op::Map {
            pool,
            inputs,
            ordered,
            taken,
            panics,
        } => {
            if inputs > 1 {
                replace(vec![Op::Map {
                    pool,
                    inputs: inputs - 1,
                    ordered,
                    taken: taken.min(inputs - 1),
                    panics,
                }]);
            }
            if panics {
                replace(vec![Op::Map {
                    pool,
                    inputs,
                    ordered,
                    taken,
                    panics: false,
                }]);
            }
        }
        Op::Fork { left, right, bad } => {
            let with = |left, right, bad| vec![Op::Fork { left, right, bad }];
            replace(left.clone());
            replace(right.clone());
            if !left.is_empty() {
                replace(with(Vec::new(), right.clone(), bad));
            }
            if !right.is_empty() {
                replace(with(left.clone(), Vec::new(), bad));
            }
            if bad != Bad::None {
                replace(with(left, right, Bad::None));
            }
        }
        Op::Handle { job, then } if then != Then::Join => replace(vec![Op::Handle {
            job,
            then: Then::Join,
        }]),
        Op::Work(micros) if micros > 0 => replace(vec![Op::Work(0)]),
        Op::Sleep(micros) if micros > 0 => replace(vec![Op::Sleep(0)]),
        Op::Shutdown {
            pool,
            limit,
            how,
            resubmit: Some(_),
        } => replace(vec![Op::Shutdown {
            pool,
            limit,
            how,
            resubmit: None,
        }]),
        _ => {}
    }
}

fn plainer_pools(program: &Program, all: &mut Vec<Program>) {
    let mut change = |change: &dyn Fn(&mut Program)| {
        let changed = with(program, change);
        if changed != *program {
            all.push(changed);
        }
    };
    for pool in 0..program.pools.len() {
        for engine in [Engine::Channel, Engine::WorkStealing] {
            let is_plainer = (program.pools[pool].engine as u8) > engine as u8;
            if is_plainer {
                change(&|it| it.pools[pool].engine = engine);
            }
        }
        if program.pools[pool].workers > 1 {
            change(&|it| it.pools[pool].workers = 1);
            change(&|it| it.pools[pool].workers -= 1);
        }
        change(&|it| it.pools[pool].capacity = 1024);
        change(&|it| it.pools[pool].last = LastAct::Ends(Limit::Drain));
    }
    for thread in 0..program.threads.len() {
        change(&|it| it.threads[thread].holds.clear());
    }
    change(&|it| it.joins_first = true);
    change(&|it| it.reaps_after = 1_000);
}

/// Without the jobs that are never submitted. The order of the numbers stays.
pub(super) fn compact(program: &Program) -> Program {
    let facts = Facts::of(program);
    let mut names = Vec::new();
    let mut kept = 0_u16;
    for owner in &facts.homes {
        names.push(owner.map(|_| {
            kept += 1;
            kept - 1
        }));
    }
    let name = |job: u16| names.get(usize::from(job)).copied().flatten();
    let mut small = program.clone();
    fn rename(ops: &mut Vec<Op>, name: &impl Fn(u16) -> Option<u16>) {
        ops.retain_mut(|op| match op {
            Op::Submit { job, .. } | Op::Handle { job, .. } => match name(*job) {
                Some(named) => {
                    *job = named;
                    true
                }
                None => false,
            },
            Op::SubmitAll { jobs, .. } | Op::Scope { jobs, .. } => {
                *jobs = jobs.iter().filter_map(|&job| name(job)).collect();
                true
            }
            Op::Fork { left, right, .. } => {
                rename(left, name);
                rename(right, name);
                true
            }
            _ => true,
        });
    }
    for list in small.lists_mut() {
        rename(list, &name);
    }
    for job in &mut small.jobs {
        for act in [&mut job.on_drop, &mut job.on_result_drop] {
            *act = match *act {
                OnDrop::CancelsJob(job) => name(job).map_or(OnDrop::Nothing, OnDrop::CancelsJob),
                OnDrop::DropsHandle(job) => name(job).map_or(OnDrop::Nothing, OnDrop::DropsHandle),
                act => act,
            };
        }
    }
    let mut homes = facts.homes.iter();
    small
        .jobs
        .retain(|_| homes.next().is_some_and(Option::is_some));
    small
}
