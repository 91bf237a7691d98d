//! Models of a pool's ledger and of its end.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{life, life_from, life_of, model, nothing};
use crate::job::id::JobId;
use crate::job::outcome::Outcome;
use crate::pool::capability::Capability;
use crate::pool::config::PoolConfig;
use crate::pool::front::{Front, FrontRef};
use crate::pool::ledger::Ledger;
use crate::pool::lifecycle::{Lifecycle, Submission};
use crate::pool::stats::{Stats, Tally};
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, Pools};
use crate::submit::room::Room;
use crate::task::Task;
use crate::testing::noop_engine::NoopEngine;
use crate::worker::Worker;

/// The stripe of a worker, which alone writes it, and that of outsiders, which add to theirs.
/// Before a worker stores a count, it loads it. Loom takes this load for the last access and misses
/// reads in between, so it sees more of the races in the outsiders' stripe.
const WRITERS: [Option<usize>; 2] = [Some(0), None];

/// A job submits a child and ends before it: a thread that reads that nothing is in flight sees the
/// end of both.
#[test]
fn quiet_means_that_nothing_is_in_flight() {
    for writer in WRITERS {
        model(move || {
            let books = Arc::new((Ledger::new(1), AtomicBool::new(false)));
            let (ledger, is_child_over) = &*books;
            ledger.writing(writer).enter(1);
            let reader = {
                let books = Arc::clone(&books);
                thread::spawn(move || {
                    if books.0.in_flight() == 0 {
                        assert!(books.1.load(Relaxed), "the child is in flight");
                    }
                })
            };
            ledger.writing(writer).enter(1);
            ledger.over(writer);
            is_child_over.store(true, Relaxed);
            ledger.over(writer);
            reader.join().unwrap();
            assert_eq!(ledger.in_flight(), 0);
        });
    }
}

/// Snapshots that are taken while a job enters, ends, and is counted as accepted after that: none
/// shows more finished than accepted, and no count falls.
#[test]
fn no_snapshot_shows_more_finished_than_accepted() {
    for writer in WRITERS {
        model(move || {
            let ledger = Arc::new(Ledger::new(1));
            let snapshot = |ledger: &Ledger| {
                let counts = ledger.counts();
                let past = Tally::default();
                Tally { counts, ..past }.stats(None)
            };
            let reader = {
                let ledger = Arc::clone(&ledger);
                thread::spawn(move || {
                    let (first, second) = (snapshot(&ledger), snapshot(&ledger));
                    assert!(first.finished() <= first.accepted, "{first:?}");
                    assert!(first.accepted <= second.accepted, "{first:?} {second:?}");
                })
            };
            ledger.writing(writer).enter(1);
            ledger.record(Outcome::Completed, writer);
            ledger.over(writer);
            ledger.writing(writer).accept();
            reader.join().unwrap();
            assert_eq!(snapshot(&ledger).accepted, 1);
        });
    }
}

/// A submission that is on its way is seen, even if another one enters and is refused meanwhile.
#[test]
fn who_is_refused_hides_nobody_on_its_way() {
    model(|| {
        let ledger = Arc::new(Ledger::new(1));
        ledger.writing(None).enter(1);
        let refused = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                ledger.writing(None).enter(1);
                ledger.writing(None).refuse(1);
            })
        };
        assert!(!ledger.is_nothing_on_its_way(), "one is on its way");
        refused.join().unwrap();
        ledger.writing(None).accept();
        assert!(ledger.is_nothing_on_its_way());
    });
}

/// The rest of a submission.
fn push(life: &StdArc<Lifecycle>, queue: &Mutex<Vec<Task>>, submission: Submission<'_>) {
    queue.lock().unwrap().push(nothing());
    submission.pushed(life, || 0, Vec::new);
}

/// A thread that has ended the intake and sees nothing on its way takes out every task that gets
/// in, even if others are refused meanwhile.
#[test]
fn who_sees_nothing_on_its_way_takes_all() {
    model(|| {
        let (life, queue) = (life(), Arc::new(Mutex::new(Vec::new())));
        let on_its_way = Submission::begin(&life).expect("the pool is open");
        let closer = {
            let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
            thread::spawn(move || {
                life.phase.end_intake();
                let has_all = life.ledger.is_nothing_on_its_way();
                drop(std::mem::take(&mut *queue.lock().unwrap()));
                has_all
            })
        };
        let late = {
            let (life, queue) = (StdArc::clone(&life), Arc::clone(&queue));
            thread::spawn(move || {
                if let Some(submission) = Submission::begin(&life) {
                    push(&life, &queue, submission);
                }
            })
        };
        push(&life, &queue, on_its_way);
        late.join().unwrap();
        let has_all = closer.join().unwrap();
        let left = queue.lock().unwrap().len();
        assert!(!has_all || left == 0, "a task is left behind");
    });
}

/// Unparks a model's thread. It is not a branch of the model, so it may be called under a lock that
/// the model does not know.
struct Unparks(thread::Thread);

impl Wake for Unparks {
    fn wake(self: StdArc<Self>) {
        self.0.unpark();
    }
}

pub(super) fn wait(mut future: Pin<&mut impl Future<Output = ()>>) {
    let waker = Waker::from(StdArc::new(Unparks(thread::current())));
    let mut cx = Context::from_waker(&waker);
    while future.as_mut().poll(&mut cx).is_pending() {
        thread::park();
    }
}

/// Looks whether it is over, and is not woken.
fn poll(future: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A thread that waits for the pool to be idle is told by the end of the last job, wherever that
/// ends. Otherwise loom reports a deadlock.
#[test]
fn who_waits_for_quiet_is_told() {
    model(|| {
        let life = life();
        assert!(Submission::begin(&life).is_some());
        let finisher = {
            let life = StdArc::clone(&life);
            thread::spawn(move || {
                let record = || life.ledger.record(Outcome::Completed, None);
                life.off_worker.end(JobId::next(), record);
                life.entry_over();
            })
        };
        wait(pin!(life.quiescence.wait_idle(&life)));
        finisher.join().unwrap();
        assert_eq!(life.stats().completed, 1);
    });
}

/// A wait for the pool to be idle returns after an idle moment, even if the next job has entered
/// before the waiter looks.
#[test]
fn a_quiet_moment_ends_the_waits_before_it() {
    model(|| {
        let life = life();
        assert!(Submission::begin(&life).is_some());
        let mut quiet = pin!(life.quiescence.wait_idle(&life));
        assert!(poll(quiet.as_mut()).is_pending());
        let is_over = Arc::new(AtomicBool::new(false));
        let finisher = {
            let (life, is_over) = (StdArc::clone(&life), Arc::clone(&is_over));
            thread::spawn(move || {
                life.tell_watchers();
                is_over.store(true, Relaxed);
                life.entry_over();
                assert!(Submission::begin(&life).is_some());
            })
        };
        wait(quiet);
        assert!(is_over.load(Relaxed), "the job is in flight");
        finisher.join().unwrap();
        assert_eq!(life.ledger.in_flight(), 1);
    });
}

/// A thread that submits and then waits for the pool to be idle does not return because of an
/// earlier idle moment, which another thread is about to announce.
#[test]
fn a_quiet_moment_ends_no_wait_after_it() {
    model(|| {
        let life = life();
        assert!(Submission::begin(&life).is_some());
        let mut other = pin!(life.quiescence.watch(&life.phase, || false));
        assert!(poll(other.as_mut()).is_pending());
        let earlier = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.entry_over())
        };
        assert!(Submission::begin(&life).is_some());
        let mut quiet = pin!(life.quiescence.wait_idle(&life));
        assert!(poll(quiet.as_mut()).is_pending(), "the job is in flight");
        earlier.join().unwrap();
        assert!(poll(quiet.as_mut()).is_pending(), "the job is in flight");
        life.entry_over();
        assert!(poll(quiet.as_mut()).is_ready());
    });
}

/// A pool whose last handle has gone stops once it is idle, whichever thread ends its last job.
#[test]
fn a_pool_without_handles_stops() {
    model(|| {
        let life = life();
        assert!(Submission::begin(&life).is_some());
        let finisher = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.entry_over())
        };
        life.ending.stop_when_quiet(&life);
        finisher.join().unwrap();
        assert!(life.phase.is_stopped());
    });
}

/// A future falls asleep as the pool is cancelled and stops: it sees that itself, or is woken and
/// polled before the last worker leaves.
#[test]
fn no_future_is_left_asleep_by_the_last_worker() {
    model(|| {
        let life = life();
        life.worker_alive();
        let sleeper = {
            let life = StdArc::clone(&life);
            thread::spawn(move || {
                let id = JobId::next();
                let waker = Waker::from(StdArc::new(Requeues(StdArc::clone(&life))));
                life.off_worker.note(id, None, 0, Some(waker));
                life.cancels(id)
            })
        };
        let finisher = {
            let life = StdArc::clone(&life);
            thread::spawn(move || {
                life.begin_cancel();
                life.stop();
            })
        };
        let was_polled = work_to_the_end(&life);
        finisher.join().unwrap();
        assert!(sleeper.join().unwrap() || was_polled, "it sleeps for ever");
    });
}

/// A future is woken as another thread is just queueing one in front of it: the last worker waits
/// for that one, and leaves neither behind.
#[test]
fn no_woken_future_is_left_by_the_last_worker() {
    model(|| {
        let life = life();
        life.worker_alive();
        life.stop();
        let other = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.woken.requeue(nothing(), &life))
        };
        life.woken.requeue(nothing(), &life);
        assert!(work_to_the_end(&life), "it is left behind");
        other.join().unwrap();
    });
}

/// Adds a task to the woken ones.
struct Requeues(StdArc<Lifecycle>);

impl Wake for Requeues {
    fn wake(self: StdArc<Self>) {
        self.0.woken.requeue(nothing(), &self.0);
    }
}

/// What the only worker of a pool does until it leaves. Returns whether it polled a future.
fn work_to_the_end(life: &StdArc<Lifecycle>) -> bool {
    let worker = Worker::new(&StdArc::new(NoopEngine(StdArc::clone(life))), 0, 0, false);
    let mut has_polled = false;
    while !life.may_leave() {
        if life.chores.do_one(&worker) {
            continue;
        }
        match life.woken.pop() {
            Some(task) => {
                has_polled = true;
                drop(task);
            }
            None => thread::yield_now(),
        }
    }
    has_polled
}

/// What a submission that raced the end leaves is dropped, even if the last worker leaves at that
/// moment.
#[test]
fn remains_that_come_late_are_dropped() {
    model(|| {
        let life = life();
        life.worker_alive();
        life.begin_cancel();
        life.stop();
        let submitter = {
            let life = StdArc::clone(&life);
            thread::spawn(move || {
                assert!(life.chores.leave_remains(vec![nothing()]));
                life.chores.drop_late_remains(&life);
            })
        };
        work_to_the_end(&life);
        life.worker_gone(0);
        submitter.join().unwrap();
        assert!(!life.chores.has_undropped());
    });
}

/// Notes that it was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: StdArc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Two workers drop the last remains at the same time: one of them tells those that wait for it.
#[test]
fn the_last_drop_is_told() {
    model(|| {
        let life = life_of(2);
        assert!(life.chores.leave_remains(vec![nothing(), nothing()]));
        let woken = StdArc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(StdArc::clone(&woken));
        let is_over = || !life.chores.has_undropped();
        let mut watch = pin!(life.quiescence.watch(&life.phase, is_over));
        let mut cx = Context::from_waker(&waker);
        assert!(watch.as_mut().poll(&mut cx).is_pending());
        let drop_one = |life: StdArc<Lifecycle>, index| {
            let engine = StdArc::new(NoopEngine(StdArc::clone(&life)));
            assert!(
                life.chores
                    .do_one(&Worker::new(&engine, index, index, false))
            );
        };
        let other = StdArc::clone(&life);
        let other = thread::spawn(move || drop_one(other, 1));
        drop_one(StdArc::clone(&life), 0);
        other.join().unwrap();
        assert!(woken.0.load(Relaxed), "nobody told the watcher");
        assert!(watch.as_mut().poll(&mut cx).is_ready());
    });
}

/// An engine that is left to its pool while the last worker leaves is released.
#[test]
fn an_engine_is_released_by_the_second_to_look() {
    model(|| {
        let life = life();
        life.worker_alive();
        life.close();
        life.stop();
        let engine = StdArc::new(());
        let kept = StdArc::downgrade(&engine);
        let last_handle = {
            let life = StdArc::clone(&life);
            thread::spawn(move || life.ending.hold(engine, &life.roster))
        };
        life.worker_gone(0);
        last_handle.join().unwrap();
        assert!(kept.upgrade().is_none());
    });
}

/// The last worker of a generation leaves while its last job ends elsewhere: the front is told, and
/// not before both are gone.
#[test]
fn a_generation_is_over_after_its_last_job() {
    model(|| {
        let (front, back) = (StdArc::new(Told(AtomicBool::new(false))), FrontRef::new());
        let as_front: StdArc<dyn Front> = front.clone();
        back.set(StdArc::downgrade(&as_front));
        let mut config = PoolConfig::default();
        config.set_front(back);
        let life = life_from(config, 1);
        life.worker_alive();
        assert!(Submission::begin(&life).is_some());
        life.begin_cancel();
        life.stop();
        let other = StdArc::clone(&life);
        let finisher = thread::spawn(move || other.entry_over());
        life.worker_gone(0);
        finisher.join().unwrap();
        assert!(front.0.load(Relaxed), "the generation is kept for ever");
    });
}

/// A front that is told of the end of its only generation, and does nothing else.
struct Told(AtomicBool);

impl Front for Told {
    fn ended(&self, life: &Lifecycle) {
        assert_eq!(life.ledger.in_flight(), 0);
        self.0.store(true, Relaxed);
    }

    fn close(&self) {}

    fn cancel_those_due(&self) {}
}

impl Executor for Told {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        Err(Refused::Closed(task))
    }

    fn room(&self) -> &Room {
        unreachable!("nobody submits here")
    }

    fn capability(&self) -> Capability {
        unreachable!("nobody asks")
    }

    fn stats(&self) -> Stats {
        unreachable!("nobody asks")
    }

    fn pools(&self) -> Pools {
        Pools::none()
    }

    fn is_closed(&self) -> bool {
        true
    }
}
