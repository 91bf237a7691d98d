//! Models of a closure's cell: its two ends, and which thread accounts for its job.

use std::convert::Infallible;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Arc;
use loom::thread;

use super::{Token, life, model};
use crate::cell::closure::{queue_and_handle, queue_and_shared_handle};
use crate::cell::raw_handle::RawHandle;
use crate::cell::state::State;
use crate::cell::waker_slot::WakerSlot;
use crate::job::adapters::JobExt;
use crate::job::cancel_token::CancelToken;
use crate::job::context::JobContext;
use crate::job::outcome::{JobError, Outcome};
use crate::pool::lifecycle::{Lifecycle, Submission};
use crate::sys::sync::UnsafeCell;
use crate::task::{GivenUp, GivenUpAs, Task};

/// What the handle's side does while the entry ends the job elsewhere.
#[derive(Clone, Copy, Debug)]
enum HandleDoes {
    Leave,
    Cancel,
    Wait,
}

/// A cell's two ends leave in any order: the job's captures are dropped once, the outcome is seen
/// whole, and nothing is left.
#[test]
fn a_cell_is_freed_by_the_last_to_leave() {
    for handle_does in [HandleDoes::Leave, HandleDoes::Cancel, HandleDoes::Wait] {
        model(move || {
            let held = Arc::new(());
            let job = {
                let held = Arc::clone(&held);
                move |_: &JobContext<'_>| Ok::<_, Infallible>(held)
            };
            // The cell holds the token until it is freed.
            let token = CancelToken::new();
            let (task, handle) = queue_and_handle(job.with_token(&token));
            let raw = handle.into_raw();
            let entry = thread::spawn(move || drop(task));
            match handle_does {
                HandleDoes::Leave => {}
                HandleDoes::Cancel => raw.cancel(),
                HandleDoes::Wait => {
                    let woken = StdArc::new(Token::default());
                    let waker = Waker::from(StdArc::clone(&woken));
                    let mut cx = Context::from_waker(&waker);
                    let is_over =
                        |polled: Poll<_>| matches!(polled, Poll::Ready(Err(JobError::Abandoned)));
                    if !is_over(raw.poll_outcome(&mut cx)) {
                        woken.take();
                        assert!(is_over(raw.poll_outcome(&mut cx)));
                    }
                }
            }
            drop(raw);
            entry.join().unwrap();
            assert!(
                Arc::try_unwrap(held).is_ok(),
                "what the job captured is left"
            );
            assert_eq!(token.holders(), 1, "the cell is left");
        });
    }
}

/// A job is cancelled while its entry is dequeued, abandoned by a shutdown, or handed back: the
/// thread that wins accounts for it, it is in one column, and its cell is freed.
#[test]
fn a_job_is_accounted_for_once() {
    for takes in [Takes::Out, Takes::Back] {
        model(move || {
            let life = life();
            let token = CancelToken::new();
            let job = |_: &JobContext<'_>| Ok::<_, Infallible>(());
            let (task, handle) = queue_and_handle(job.with_token(&token));
            assert!(Submission::begin(&life).is_some());
            assert!(task.accept(&life).is_ok());
            let raw = handle.into_raw();
            let pool = {
                let life = StdArc::clone(&life);
                thread::spawn(move || match takes {
                    Takes::Out => {
                        matches!(task.give_up(&life, GivenUpAs::Abandoned), GivenUp::Left(..))
                    }
                    Takes::Back => {
                        let is_given_back = task.change_pool(&life, None).is_changed();
                        if is_given_back {
                            life.ledger.record(Outcome::Abandoned, None);
                        }
                        is_given_back
                    }
                })
            };
            raw.cancel();
            drop(raw);
            let is_unstarted = pool.join().unwrap();
            let stats = life.stats();
            assert_eq!(stats.abandoned, u64::from(is_unstarted));
            assert_eq!(stats.cancelled, u64::from(!is_unstarted));
            assert_eq!(token.holders(), 1, "the cell is left");
        });
    }
}

/// A handle that another thread has cancels its job, or begins to wait for it, while the first pool
/// accepts that: the job is accounted for once, and the waiting handle is woken.
#[test]
fn a_shared_handle_is_used_while_its_job_is_accepted() {
    for cancels in [true, false] {
        model(move || {
            let life = life();
            let job = |_: &JobContext<'_>| Ok::<_, Infallible>(());
            let (task, handle) = queue_and_shared_handle(job, None);
            let raw = handle.into_raw();
            let pool = {
                let life = StdArc::clone(&life);
                thread::spawn(move || {
                    let submission = Submission::begin_inline(&life, 0).unwrap();
                    match task.accept(&life) {
                        Ok(_) => {
                            submission.accept();
                            let given_up = task.give_up(&life, GivenUpAs::Abandoned);
                            if let GivenUp::Left(_, _, waiter) = given_up {
                                waiter.into_iter().for_each(Waker::wake);
                            }
                        }
                        Err(outcome) => submission.over_on_arrival(&life, &task, outcome, None),
                    }
                })
            };
            if cancels {
                raw.cancel();
            } else {
                let woken = StdArc::new(Token::default());
                let waker = Waker::from(StdArc::clone(&woken));
                let mut cx = Context::from_waker(&waker);
                if raw.poll_outcome(&mut cx).is_pending() {
                    woken.take();
                    assert!(raw.poll_outcome(&mut cx).is_ready());
                }
            }
            drop(raw);
            pool.join().unwrap();
            let stats = life.stats();
            assert_eq!((stats.accepted, stats.finished()), (1, 1), "{stats}");
            assert_eq!(stats.cancelled + stats.abandoned, 1, "{stats}");
        });
    }
}

/// How a pool takes a queued job out.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Out,
    Back,
}

/// A token is cancelled while its job is given up or goes to another pool: the waker that the job
/// has lent to the token is taken back, or counted while the cell is alive. A job that was given up
/// before has taken its own back.
#[test]
fn a_waker_that_is_lent_outlives_no_cell() {
    for goes in [Goes::Up, Goes::On] {
        model(move || {
            let (held, token) = (Arc::new(()), CancelToken::new());
            let (task, raw, [from, _]) = queued(&held, &token);
            drop((task.give_up(&from, GivenUpAs::Abandoned), raw));
            assert_eq!((token.holders(), token.watchers()), (1, 0));
            let (task, raw, [from, to]) = queued(&held, &token);
            let canceller = {
                let token = token.clone();
                thread::spawn(move || token.cancel())
            };
            // Nobody else holds the cell from here on.
            drop(raw);
            match goes {
                Goes::Up => drop(task.give_up(&from, GivenUpAs::Abandoned)),
                Goes::On => {
                    drop(task.change_pool(&from, Some(&to)));
                    drop(task);
                }
            }
            canceller.join().unwrap();
            assert!(Arc::try_unwrap(held).is_ok(), "the captures are left");
            assert_eq!((token.holders(), token.watchers()), (1, 0));
        });
    }
}

/// A handle cancels a job on its way to another pool: its waker is not left with the token, where
/// it would outlive the cell.
#[test]
fn a_job_that_ends_on_its_way_is_not_watched() {
    model(|| {
        let (held, token) = (Arc::new(()), CancelToken::new());
        let (task, raw, [from, to]) = queued(&held, &token);
        let canceller = thread::spawn(move || {
            raw.cancel();
            drop(raw);
        });
        drop(task.change_pool(&from, Some(&to)));
        drop(task);
        canceller.join().unwrap();
        assert!(Arc::try_unwrap(held).is_ok(), "the captures are left");
        assert_eq!((token.holders(), token.watchers()), (1, 0));
    });
}

/// How a queued job leaves its pool.
#[derive(Clone, Copy, Debug)]
enum Goes {
    Up,
    On,
}

/// A job that the first of two pools has accepted, which captures `held` and watches `token`.
fn queued(
    held: &Arc<()>,
    token: &CancelToken,
) -> (Task, RawHandle<Arc<()>, Infallible>, [StdArc<Lifecycle>; 2]) {
    let pools = [life(), life()];
    let held = Arc::clone(held);
    let job = move |_: &JobContext<'_>| Ok::<_, Infallible>(held);
    let (task, handle) = queue_and_handle(job.with_token(token));
    for pool in &pools {
        assert!(Submission::begin(pool).is_some());
    }
    assert!(matches!(task.accept(&pools[0]), Ok(None)));
    (task, handle.into_raw(), pools)
}

/// A joiner that ends the job it claimed leaves its cell to exactly one: the entry, or itself.
#[test]
fn a_joined_cell_is_left_to_one() {
    model(|| {
        let shared = Arc::new((State::new(), UnsafeCell::new(0_u32)));
        assert!(shared.0.start().is_some());
        let entry = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (state, cell) = &*shared;
                frees(state.entry_leaves(), cell)
            })
        };
        let (state, cell) = &*shared;
        let freed = frees(state.end_claimed_and_leave(Outcome::Completed), cell);
        assert_eq!(freed + entry.join().unwrap(), 1);
    });
}

/// Counts its wakes.
#[derive(Default)]
struct Wakes(PlainUsize);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handle is polled with one waker and then another, while its job ends: it sees the end, or the
/// second waker is woken, once.
#[test]
fn the_last_waker_of_a_handle_is_woken() {
    model(|| {
        let shared = Arc::new((State::new(), WakerSlot::new()));
        let finisher = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (state, waiter) = &*shared;
                assert!(state.start().is_some());
                if state.end(Outcome::Completed).has_waiter {
                    // SAFETY: this is the end, and it says so.
                    unsafe { waiter.take() }.wake();
                }
            })
        };
        let (state, waiter) = &*shared;
        let wakes: [StdArc<Wakes>; 2] = Default::default();
        let has_ended = wakes.iter().any(|wakes| {
            let waker = Waker::from(StdArc::clone(wakes));
            // SAFETY: no other thread polls.
            let polled = unsafe { waiter.poll_end(state, &mut Context::from_waker(&waker)) };
            polled.is_ready()
        });
        finisher.join().unwrap();
        let woken = wakes[1].0.load(Ordering::Relaxed);
        assert!(has_ended || woken == 1, "nobody wakes the one who waits");
    });
}

/// Frees the cell, if it is left to the caller, which is then alone with it.
fn frees(is_alone: bool, cell: &UnsafeCell<u32>) -> usize {
    if is_alone {
        // SAFETY: the other end has left. Loom checks just that.
        cell.with_mut(|cell| unsafe { *cell = u32::MAX });
    }
    usize::from(is_alone)
}
