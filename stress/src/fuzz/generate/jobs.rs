//! Draws jobs: what each does, how it ends, and what it leaves behind.

use super::super::program::{Deadline, End, Job, OnDrop, Op, REAPED};
use super::super::rules::{Actor, Kind};
use super::{DEPTH, Generator};

impl Generator<'_> {
    /// A new job, with its children; its number.
    pub(super) fn job(&mut self, pool: u8, kind: Kind, depth: u8) -> u16 {
        let number = self.program.jobs.len() as u16;
        self.program.jobs.push(Job::empty());
        let mut job = Job::empty();
        let actor = Actor {
            kind,
            job: Some((number, pool)),
        };
        let most = if depth + 1 < DEPTH { 4 } else { 2 };
        for _ in 0..self.rng.usize(0..=most) {
            if *self.budget > 0 {
                job.ops.push(self.op(actor, depth + 1));
            }
        }
        job.end = match self.rng.u8(0..20) {
            0..=1 => End::Err,
            2..=3 if self.has.panics => End::Panics,
            4 if self.has.panics => End::PanicsTwice,
            5 if self.has.cancels && kind != Kind::Plain => End::Never,
            _ => End::Ok,
        };
        if kind != Kind::Plain {
            self.options(&mut job);
        }
        job.holds = self.holds(pool, 6);
        if self.has.drops {
            job.on_drop = self.on_drop();
            job.on_result_drop = self.on_drop();
        }
        if job.end == End::Never {
            job.token = Some(REAPED);
            job.holds.clear();
        }
        self.program.jobs[usize::from(number)] = job;
        number
    }

    fn options(&mut self, job: &mut Job) {
        job.named = self.rng.u8(0..6) == 0;
        if self.has.cancels && self.rng.u8(0..4) == 0 {
            job.token = Some(self.rng.u8(1..self.program.tokens));
        }
        if self.has.limits {
            job.deadline = match self.rng.u8(0..12) {
                0 => Some(Deadline::Past),
                1..=2 => Some(Deadline::In(self.micros(5000))),
                3 => Some(Deadline::Far),
                _ => None,
            };
        }
    }

    fn on_drop(&mut self) -> OnDrop {
        match self.rng.u8(0..20) {
            0 if self.has.panics => OnDrop::Panics,
            1..=2 => OnDrop::Submits(self.a_pool()),
            3 if self.has.cancels => OnDrop::CancelsToken(self.rng.u8(1..self.program.tokens)),
            4 if self.has.cancels => OnDrop::CancelsJob(self.rng.u16(0..64)),
            5 => OnDrop::DropsHandle(self.rng.u16(0..64)),
            6 => OnDrop::WakesAll,
            _ => OnDrop::Nothing,
        }
    }

    /// Adds operations in which others use handles that were kept.
    pub(super) fn sprinkle_handles(&mut self) {
        let jobs = self.program.jobs.len() as u16;
        if jobs == 0 {
            return;
        }
        let count = self.program.size() / 4;
        let lists = self.program.threads.len() + self.program.jobs.len();
        for _ in 0..count {
            let is_of_thread = self.rng.bool();
            let list = if is_of_thread {
                self.rng.usize(0..self.program.threads.len())
            } else {
                self.rng.usize(0..lists)
            };
            let op = Op::Handle {
                job: self.rng.u16(0..jobs),
                then: self.then(Actor::THREAD),
            };
            if let Some(list) = self.program.lists_mut().nth(list) {
                let place = self.rng.usize(0..=list.len());
                list.insert(place, op);
            }
        }
    }
}
