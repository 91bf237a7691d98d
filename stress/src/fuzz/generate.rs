//! Draws programs from seeds. Each has only some of the features: failures of a few would hide many
//! others.

mod jobs;

use fastrand::Rng;

use super::mend::mend;
use super::program::{
    Bad, End, Engine, How, LastAct, Limit, Op, PoolSpec, Program, Script, Then, Way,
};
use super::rules::{Actor, Kind};
use super::shrink::compact;

/// The most levels of nested jobs.
const DEPTH: u8 = 4;

/// Which backends a program's pools have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backends {
    Mixed,
    One(Engine),
}

impl Backends {
    fn engine(self, rng: &mut Rng) -> Engine {
        let adopts = rng.u8(0..4) == 0;
        match self {
            Self::One(Engine::Rayon) if adopts => Engine::AdoptedRayon,
            Self::One(Engine::Async) if adopts && rng.bool() => Engine::AdoptedCurrentThread,
            Self::One(Engine::Async) if adopts => Engine::AdoptedTokio,
            Self::One(engine) => engine,
            Self::Mixed => pick(
                rng,
                &[
                    Engine::Channel,
                    Engine::Channel,
                    Engine::WorkStealing,
                    Engine::WorkStealing,
                    Engine::Rayon,
                    Engine::Async,
                    Engine::Async,
                    Engine::AdoptedRayon,
                    Engine::AdoptedTokio,
                    Engine::AdoptedCurrentThread,
                ],
            ),
        }
    }
}

/// What a program may contain.
struct Features {
    futures: bool,
    many: bool,
    forks: bool,
    cancels: bool,
    limits: bool,
    panics: bool,
    drops: bool,
    holds: bool,
    swaps: bool,
    ends: bool,
    idles: bool,
    half_way: bool,
    waits_in_jobs: bool,
}

impl Features {
    fn any(rng: &mut Rng) -> Self {
        let mut often = || rng.u8(0..10) < 6;
        Self {
            futures: often(),
            many: often(),
            forks: often(),
            cancels: often(),
            limits: often(),
            panics: often(),
            drops: often(),
            holds: often(),
            waits_in_jobs: often(),
            idles: often(),
            half_way: often(),
            swaps: rng.u8(0..10) < 2,
            ends: rng.u8(0..10) < 4,
        }
    }
}

struct Generator<'a> {
    rng: Rng,
    has: Features,
    program: Program,
    backends: Backends,
    budget: &'a mut usize,
}

/// The program of a seed.
pub(super) fn generate(seed: u64, backends: Backends) -> Program {
    let mut rng = Rng::with_seed(seed);
    let mut budget = match rng.u8(0..10) {
        0..=4 => rng.usize(4..30),
        5..=8 => rng.usize(30..120),
        _ => rng.usize(120..350),
    };
    let has = Features::any(&mut rng);
    let mut generator = Generator {
        has,
        program: Program {
            pools: Vec::new(),
            threads: Vec::new(),
            jobs: Vec::new(),
            tokens: rng.u8(2..5),
            reaps_after: rng.u32(1_000..12_000),
            joins_first: rng.bool(),
        },
        backends,
        budget: &mut budget,
        rng,
    };
    generator.fill();
    let mut program = generator.program;
    mend(&mut program);
    compact(&program)
}

impl Generator<'_> {
    fn fill(&mut self) {
        let pools = [1, 1, 1, 2, 2, 2, 3][self.rng.usize(0..7)];
        for _ in 0..pools {
            let spec = self.pool_spec();
            self.program.pools.push(spec);
        }
        let threads = self.rng.usize(1..6);
        let each = (*self.budget / threads).clamp(1, 40);
        for _ in 0..threads {
            let mut ops = Vec::new();
            for _ in 0..self.rng.usize(1..=each) {
                if *self.budget > 0 {
                    ops.push(self.op(Actor::THREAD, 0));
                }
            }
            let holds = self.holds(0, 3);
            self.program.threads.push(Script { holds, ops });
        }
        self.sprinkle_handles();
    }

    fn pool_spec(&mut self) -> PoolSpec {
        let rng = &mut self.rng;
        let limit = any_limit(rng);
        PoolSpec {
            engine: self.backends.engine(rng),
            workers: pick(rng, &[1, 1, 1, 2, 2, 3, 4]),
            capacity: pick(rng, &[1, 1, 1, 2, 2, 4, 64, 1024]),
            last: match rng.u8(0..8) {
                0..=1 => LastAct::Drops,
                2 => LastAct::Idles,
                3..=5 => LastAct::Ends(Limit::Drain),
                _ => LastAct::Ends(limit),
            },
        }
    }

    fn a_pool(&mut self) -> u8 {
        self.rng.u8(0..self.program.pools.len() as u8)
    }

    /// A pool for a user in the pool `own`: mostly that one, otherwise one above.
    fn a_pool_for(&mut self, actor: Actor) -> u8 {
        match actor.job {
            None => self.a_pool(),
            Some((_, own)) => match self.rng.u8(0..10) {
                0..=5 => own,
                6..=8 => self.rng.u8(own..self.program.pools.len() as u8),
                _ => self.a_pool(),
            },
        }
    }

    fn holds(&mut self, least: u8, one_in: u8) -> Vec<u8> {
        if !self.has.holds {
            return Vec::new();
        }
        let pools = least..self.program.pools.len() as u8;
        pools.filter(|_| self.rng.u8(0..one_in) == 0).collect()
    }

    fn op(&mut self, actor: Actor, depth: u8) -> Op {
        *self.budget = self.budget.saturating_sub(1);
        let pool = self.a_pool_for(actor);
        let roll = self.rng.u8(0..100);
        let is_future = actor.kind == Kind::Future;
        match roll {
            0..=54 if depth < DEPTH => self.submit(actor, pool, depth),
            55..=57 if depth < DEPTH && self.has.many => self.submit_all(actor, pool, depth),
            58..=60 if self.has.many && !is_future => self.map(pool),
            61..=64 if self.has.many && depth < DEPTH && !is_future => {
                let jobs = self.rng.usize(1..4);
                Op::Scope {
                    jobs: (0..jobs)
                        .map(|_| self.job(pool, Kind::Plain, depth))
                        .collect(),
                    pool,
                    panics: self.has.panics && self.rng.u8(0..8) == 0,
                }
            }
            65..=68 if self.has.forks && actor.kind == Kind::Closure => self.fork(actor, depth),
            69..=71 if self.has.cancels => Op::CancelToken(self.rng.u8(1..self.program.tokens)),
            72..=73 if self.has.idles => Op::WaitIdle(pool),
            74 if self.has.ends => Op::Close(pool),
            75..=76 if self.has.ends => self.shutdown(pool, is_future),
            77..=78 if self.has.swaps && !is_future => {
                let engines = [
                    Engine::Channel,
                    Engine::WorkStealing,
                    Engine::Rayon,
                    Engine::Async,
                ];
                Op::Swap(pool, pick(&mut self.rng, &engines))
            }
            79..=80 if self.has.holds => Op::DropPool(pool),
            81..=83 => Op::Stats(pool),
            84..=86 if actor.job.is_some() => Op::Check,
            87..=90 => Op::Sleep(self.micros(800)),
            91..=94 => Op::Yield,
            _ => Op::Work(self.micros(200)),
        }
    }

    /// Mostly short.
    fn micros(&mut self, most: u32) -> u32 {
        let most = if self.rng.u8(0..4) == 0 {
            most
        } else {
            most / 10
        };
        self.rng.u32(0..=most)
    }

    fn submit(&mut self, actor: Actor, pool: u8, depth: u8) -> Op {
        let way = self.way(actor, pool);
        let kind = if way.is_future() {
            Kind::Future
        } else if way == Way::Spawn {
            Kind::Plain
        } else {
            Kind::Closure
        };
        let job = self.job(pool, kind, depth);
        if way.is_sure() {
            let job = &mut self.program.jobs[usize::from(job)];
            job.token = None;
            job.deadline = None;
            job.named = false;
            if job.end == End::Never {
                job.end = End::Ok;
            }
        }
        let then = if way.is_bare() {
            Then::Detach
        } else {
            self.then(actor)
        };
        Op::Submit {
            pool,
            way,
            job,
            then,
        }
    }

    fn way(&mut self, actor: Actor, pool: u8) -> Way {
        let is_closure = actor.kind == Kind::Closure;
        let is_own = actor.job.is_some_and(|(_, own)| own == pool);
        loop {
            let way = match self.rng.u8(0..40) {
                0..=7 => Way::Submit,
                8..=10 => Way::TrySubmit,
                11..=12 => Way::SubmitTimeout(self.micros(2000)),
                13..=15 => Way::SubmitAsync,
                16..=17 if self.has.half_way => Way::SubmitAsyncDropped,
                18 if self.has.half_way => Way::SubmitAsyncKept,
                19..=21 => Way::Execute,
                22 => Way::TryExecute,
                23..=24 => Way::Spawn,
                25..=28 if self.has.futures => Way::SubmitFuture,
                29..=30 if self.has.futures => Way::TrySubmitFuture,
                31..=33 if self.has.futures => Way::SpawnFuture,
                34..=37 if is_closure && is_own => Way::CtxSubmit,
                38..=39 if is_closure && is_own => Way::CtxExecute,
                _ => continue,
            };
            return way;
        }
    }

    fn then(&mut self, actor: Actor) -> Then {
        let may_wait = actor.job.is_none() || self.has.waits_in_jobs;
        match self.rng.u8(0..30) {
            0..=8 if may_wait => Then::Join,
            9..=10 if may_wait => Then::Await,
            11..=12 if actor.kind != Kind::Future => Then::JoinTimeout(self.micros(1500)),
            13 => Then::PollOnceKeep,
            14 => Then::PollOnceDrop,
            15 if self.has.cancels => Then::CancelKeep,
            16 if self.has.cancels && may_wait => Then::CancelJoin,
            17 if self.has.cancels => Then::CancelDrop,
            18 => Then::Look,
            19 => Then::Forget,
            20..=22 => Then::Detach,
            _ => Then::Keep,
        }
    }

    fn submit_all(&mut self, actor: Actor, pool: u8, depth: u8) -> Op {
        let jobs = self.rng.usize(1..5);
        Op::SubmitAll {
            jobs: (0..jobs)
                .map(|_| self.job(pool, Kind::Closure, depth))
                .collect(),
            pool,
            then: self.then(actor),
        }
    }

    fn map(&mut self, pool: u8) -> Op {
        let inputs = self.rng.u8(0..8);
        Op::Map {
            pool,
            inputs,
            ordered: self.rng.bool(),
            taken: if self.rng.bool() {
                inputs
            } else {
                self.rng.u8(0..=inputs)
            },
            panics: self.has.panics && self.rng.u8(0..4) == 0,
        }
    }

    fn fork(&mut self, actor: Actor, depth: u8) -> Op {
        let half = Actor {
            kind: Kind::Half,
            ..actor
        };
        let mut ops = || {
            let count = self.rng.usize(0..3);
            (0..count).map(|_| self.op(half, depth + 1)).collect()
        };
        let (left, right) = (ops(), ops());
        let bad = match self.rng.u8(0..10) {
            0 if self.has.panics => Bad::Left,
            1 if self.has.panics => Bad::Right,
            _ => Bad::None,
        };
        Op::Fork { left, right, bad }
    }

    fn shutdown(&mut self, pool: u8, is_future: bool) -> Op {
        let limit = any_limit(&mut self.rng);
        let how = match self.rng.u8(0..4) {
            0..=1 if !is_future => How::Blocks,
            3 => How::PolledOnce,
            _ => How::Awaits,
        };
        Op::Shutdown {
            pool,
            limit,
            how,
            resubmit: self.rng.bool().then(|| self.a_pool()),
        }
    }
}

fn any_limit(rng: &mut Rng) -> Limit {
    match rng.u8(0..6) {
        0..=1 => Limit::Now,
        2..=3 => Limit::Within(rng.u16(0..6), rng.u16(0..10)),
        4 => Limit::Within(rng.u16(10..40), 200),
        _ => Limit::Drain,
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}
