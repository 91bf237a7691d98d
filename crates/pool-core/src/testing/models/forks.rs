//! Models of forked halves: each goes to its owner or to one thief, and a joiner that sleeps is
//! woken for a part of what it awaits.

use std::ptr::NonNull;
use std::sync::Arc as StdArc;
use std::task::Waker;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Token, model};
use crate::job::id::JobId;
use crate::sys::asymmetric_fence::{heavy, light};
use crate::sys::sync::UnsafeCell;
use crate::worker::fork_stack::ForkStack;
use crate::worker::leapfrog::{Awaiting, StolenHalf, wake_a_joiner, want_if_awaited, want_parts};

/// A half: which job forked it, and how often it was run.
struct Half {
    job: u64,
    runs: UnsafeCell<u32>,
}

impl Half {
    fn of(job: u64) -> Arc<Self> {
        Arc::new(Self {
            job,
            runs: UnsafeCell::new(0),
        })
    }

    fn run(&self) {
        // SAFETY: the owner runs it if nobody has stolen it; otherwise one thief does. Loom checks
        // that they never do at once.
        self.runs.with_mut(|runs| unsafe { *runs += 1 });
    }
}

type Stack = ForkStack<Half, u64>;

fn job(id: u64) -> JobId {
    JobId::from_u64(id).expect("it is not zero")
}

fn fork(stack: &Stack, half: &Arc<Half>) -> usize {
    if !stack.is_origin(job(half.job)) {
        stack.begin_origin(job(half.job), half.job);
    }
    let place = stack.next_place();
    // SAFETY: an origin has begun.
    unsafe { stack.fork_at(place, NonNull::from(&**half)) };
    place
}

fn join(stack: &Stack, half: &Half, place: usize) {
    if stack.join(place) {
        half.run();
    }
    // SAFETY: it was joined, so no thief is at it.
    assert_eq!(half.runs.with(|runs| unsafe { *runs }), 1, "it ran once");
}

/// Steals a half, and runs it while it has the lock, as the pool moves a closure out.
fn steal(stack: &Stack) {
    stack.steal(
        |_| true,
        |half, &origin| {
            // SAFETY: the model keeps its halves until all threads are over.
            let half = unsafe { half.as_ref() };
            assert_eq!(half.job, origin, "it has the origin of another");
            half.run();
        },
    );
}

/// The owner forks and joins, one half within another, while a thief steals up to `steals`.
fn each_half_runs_once(
    steals: usize,
    halves: fn() -> [Arc<Half>; 3],
    owner: fn(&Stack, &[Arc<Half>; 3]),
) {
    model(move || {
        let stack = Arc::new(Stack::default());
        let halves = halves();
        let kept = halves.clone();
        let thief = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || (0..steals).for_each(|_| steal(&stack)))
        };
        owner(&stack, &halves);
        thief.join().unwrap();
        drop(kept);
    });
}

/// One after the other at the same place.
#[test]
fn a_half_goes_to_its_owner_or_to_a_thief() {
    each_half_runs_once(
        2,
        || [1, 1, 1].map(Half::of),
        |stack, halves| {
            for half in halves {
                let place = fork(stack, half);
                join(stack, half, place);
            }
        },
    );
}

/// One within the other, the inner ones of another job.
#[test]
fn a_thief_takes_the_oldest_half_by_its_origin() {
    each_half_runs_once(
        2,
        || [1, 2, 1].map(Half::of),
        |stack, halves| {
            let [outer, of_child, inner] = halves;
            let place = fork(stack, outer);
            for half in [of_child, inner] {
                let place = fork(stack, half);
                join(stack, half, place);
            }
            join(stack, outer, place);
        },
    );
}

/// A thief is late for a half, and has other things to do. Meanwhile the owner forks the next one
/// at the same place, and looks for sleepers; and another worker goes to sleep, and looks for
/// halves. One of the two sees the other.
#[test]
fn a_half_is_seen_while_a_thief_is_late_for_the_one_before() {
    model(|| {
        let stack = Arc::new(Stack::default());
        let halves = [(); 2].map(|()| Half::of(1));
        let kept = halves.clone();
        let sleeps = Arc::new(AtomicBool::new(false));
        let thief = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || steal(&stack))
        };
        let sleeper = {
            let (stack, sleeps) = (Arc::clone(&stack), Arc::clone(&sleeps));
            thread::spawn(move || {
                sleeps.store(true, Ordering::Relaxed);
                heavy();
                stack.may_have_any()
            })
        };
        let [first, second] = &halves;
        let place = fork(&stack, first);
        join(&stack, first, place);
        let place = fork(&stack, second);
        light();
        let is_woken = sleeps.load(Ordering::Relaxed);
        thief.join().unwrap();
        let has_seen = sleeper.join().unwrap();
        let is_left = stack.join(place);
        assert!(
            !is_left || is_woken || has_seen,
            "it is left, and one sleeps"
        );
        drop(kept);
    });
}

type Parts = ForkStack<Half, StdArc<StolenHalf>>;

/// Waits for a part of `whole` as a joiner does, and takes it.
fn take_part(stack: &Parts, whole: &StolenHalf) {
    let woken = StdArc::new(Token::default());
    let waker = Waker::from(StdArc::clone(&woken));
    let is_part = |of: &StdArc<StolenHalf>| of.is_part_of(whole);
    let mut awaiting = Awaiting::new(whole);
    loop {
        awaiting.looks();
        let part = stack.steal(is_part, |half, _| {
            // SAFETY: as in `steal`.
            unsafe { half.as_ref() }.run();
        });
        if part.is_some() {
            awaiting.has_found();
            return;
        }
        awaiting.announce(&waker);
        want_parts(stack, is_part);
        heavy();
        if stack.ask_oldest_origin(is_part) != Some(true) {
            woken.take();
        }
    }
}

/// Forks a half within `within`, as a worker does.
fn fork_part(stack: &Parts, half: &Half, within: &StolenHalf) -> usize {
    let place = stack.next_place();
    // SAFETY: an origin has begun.
    unsafe { stack.fork_at(place, NonNull::from(half)) };
    light();
    if stack.is_wanted() {
        wake_a_joiner(stack, Some(within));
    }
    place
}

/// A stack on which nothing is forked yet, two stolen halves within each other, and two to fork.
struct Scene {
    stack: Parts,
    outer: StdArc<StolenHalf>,
    inner: StdArc<StolenHalf>,
    halves: [Arc<Half>; 2],
}

impl Scene {
    /// With the mark of a joiner that is gone, or without.
    fn new(is_marked: bool) -> Arc<Self> {
        let stack = Parts::default();
        stack.set_wanted(is_marked);
        let outer = StdArc::new(StolenHalf::new(None));
        Arc::new(Self {
            stack,
            inner: StdArc::new(StolenHalf::new(Some(StdArc::clone(&outer)))),
            outer,
            halves: [Half::of(1), Half::of(1)],
        })
    }

    fn begin(&self) {
        self.stack.begin_origin(job(1), StdArc::clone(&self.inner));
        want_if_awaited(&self.stack, Some(&self.inner));
    }
}

/// Has a thread of its own do that.
fn spawn(scene: &Arc<Scene>, joiner: fn(&Scene)) -> thread::JoinHandle<()> {
    let scene = Arc::clone(scene);
    thread::spawn(move || joiner(&scene))
}

/// The owner joins one half, and leaves the next to thieves. If the joiner takes neither, it sleeps
/// for good, which loom reports as a deadlock.
#[test]
fn a_joiner_is_woken_for_a_part_of_its_half() {
    for is_marked in [true, false] {
        model(move || {
            let scene = Scene::new(is_marked);
            let waits = spawn(&scene, |scene| take_part(&scene.stack, &scene.outer));
            let stack = &scene.stack;
            scene.begin();
            let [first, second] = &scene.halves;
            let place = fork_part(stack, first, &scene.inner);
            if stack.join(place) {
                first.run();
            }
            fork_part(stack, second, &scene.inner);
            waits.join().unwrap();
        });
    }
}

#[test]
fn two_joiners_are_woken_for_two_parts() {
    model(|| {
        let scene = Scene::new(false);
        let waits = [
            spawn(&scene, |scene| take_part(&scene.stack, &scene.outer)),
            spawn(&scene, |scene| take_part(&scene.stack, &scene.inner)),
        ];
        scene.begin();
        for half in &scene.halves {
            fork_part(&scene.stack, half, &scene.inner);
        }
        for wait in waits {
            wait.join().unwrap();
        }
    });
}

/// The inner joiner's half is over as it is woken for a part. That part is the outer joiner's too.
#[test]
fn a_joiner_that_goes_passes_its_wake_on() {
    model(|| {
        let scene = Scene::new(false);
        let waits = spawn(&scene, |scene| take_part(&scene.stack, &scene.outer));
        let goes = spawn(&scene, |scene| {
            let mut awaiting = Awaiting::new(&scene.inner);
            awaiting.announce(Waker::noop());
            want_parts(&scene.stack, |of| of.is_part_of(&scene.inner));
            heavy();
        });
        scene.begin();
        fork_part(&scene.stack, &scene.halves[0], &scene.inner);
        waits.join().unwrap();
        goes.join().unwrap();
    });
}
