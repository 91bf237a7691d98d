//! Rows 7, 24, 33 and 38: wakers that panic, block or outlive their pool, and spurious wakes.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::Duration;

use pool::{JobContext, Pool, ShutdownPolicy};

use crate::on::{LIMIT, each_backend, ended, ends_clean, hold, nothing, on, value};

/// Reports that it was called, and panics.
struct Panics(mpsc::Sender<()>);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        // The test waits for it, or has failed already.
        let _heard = self.0.send(());
        std::panic::resume_unwind(Box::new("a waker panics on purpose"));
    }
}

/// Polls once with a waker that panics. The returned receiver tells that it was woken.
fn poll_with_a_panic<F: Future + ?Sized>(future: Pin<&mut F>) -> mpsc::Receiver<()> {
    let (send, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Panics(send)));
    let polled = future.poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "there is something to wait for");
    woken
}

/// A pool of one busy worker, and the sender that lets it go on.
fn busy(pool: &Pool) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (start, started) = mpsc::channel();
    let job = move || {
        start.send(()).expect("the test listens");
        // Released by a message, or by a test that has failed.
        let _how = released.recv();
    };
    pool.spawn(job).expect("there is room").detach();
    started.recv_timeout(LIMIT).expect("the job starts");
    release
}

#[test]
fn a_waker_that_panics_costs_no_worker_and_no_other_wake() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let release = busy(&pool);
        let mut queued = pool.spawn(|| 1).expect("there is one place");
        let (second, third) = (pool.clone(), pool.clone());
        thread::scope(|threads| {
            let handle = poll_with_a_panic(Pin::new(&mut queued));
            let mut in_line = pin!(pool.submit_async(nothing));
            let room = poll_with_a_panic(in_line.as_mut());
            let mut idle = pin!(pool.wait_idle_async());
            let quiet = poll_with_a_panic(idle.as_mut());
            // Behind each of the three waits one that does not panic.
            let behind = threads.spawn(move || second.submit_timeout(nothing, LIMIT).map(drop));
            let idle_too = threads.spawn(move || third.wait_idle());
            release.send(()).expect("the job waits for it");
            for woken in [&room, &handle] {
                woken.recv_timeout(LIMIT).expect("it is woken, and panics");
            }
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(admitted) = in_line.as_mut().poll(&mut cx) else {
                panic!("{backend}: it was woken, so its turn has come");
            };
            assert!(admitted.is_ok(), "{backend}");
            assert!(
                behind.join().expect("it waits for room").is_ok(),
                "{backend}"
            );
            quiet.recv_timeout(LIMIT).expect("it is woken, and panics");
            idle_too.join().expect("it waits for quiet");
        });
        assert_eq!(value(queued), 1);
        assert_eq!(pool.stats().workers, 1, "{backend}");
        assert_eq!(value(pool.spawn(|| 2).expect("the worker goes on")), 2);
        ends_clean(&pool);
    });
}

#[test]
fn a_waker_that_panics_at_a_close_keeps_nobody_waiting() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let release = busy(&pool);
        pool.spawn(|| ()).expect("there is one place").detach();
        let mut first = pin!(pool.submit_async(nothing));
        let first_woken = poll_with_a_panic(first.as_mut());
        thread::scope(|threads| {
            let behind = threads.spawn(|| pool.submit_timeout(nothing, LIMIT).is_err());
            let mut last = Box::pin(pool.shutdown_async(LIMIT));
            // It closes the pool at its first poll, and waits for the job.
            let ended = poll_with_a_panic(last.as_mut());
            first_woken
                .recv_timeout(LIMIT)
                .expect("it is woken, and panics");
            assert!(behind.join().expect("it is refused"), "{backend}");
            release.send(()).expect("the job waits for it");
            ended.recv_timeout(LIMIT).expect("it is woken, and panics");
            drop(last);
            let report = pool.shutdown(LIMIT);
            assert!(report.is_clean(), "{backend}: {report}");
        });
    });
}

/// Sleeps until it is woken after the flag is set, and leaves its waker.
struct Sleeper {
    waker: mpsc::Sender<Waker>,
    polls: Arc<AtomicUsize>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.waker
            .send(cx.waker().clone())
            .expect("the test keeps it");
        Poll::Pending
    }
}

#[test]
fn a_waker_that_outlives_its_pool_wakes_nobody() {
    const WAKES: usize = 1000;
    each_backend(|backend| {
        let pool = on(backend, 2, 4);
        let polls = Arc::new(AtomicUsize::new(0));
        let (waker, wakers) = mpsc::channel();
        let sleeper = Sleeper {
            waker,
            polls: Arc::clone(&polls),
        };
        let asleep = pool.spawn_future(sleeper).expect("there is room");
        let waker = wakers.recv_timeout(LIMIT).expect("it is polled");
        let report = pool.shutdown(ShutdownPolicy::now().cancel_grace(LIMIT));
        assert_eq!(report.cancelled(), 1, "{backend}: {report}");
        drop((pool, report));
        let polled = polls.load(Ordering::SeqCst);
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..WAKES / 4).for_each(|_| waker.wake_by_ref()));
            }
        });
        let many: Vec<Waker> = (0..WAKES).map(|_| waker.clone()).collect();
        many.into_iter().for_each(Waker::wake);
        assert_eq!(polls.load(Ordering::SeqCst), polled, "{backend}");
        assert!(ended(asleep).is_err(), "{backend}");
    });
}

/// A waker that holds the threads which give jobs up, in the middle of that.
struct Holds {
    /// Held until another thread is.
    caller: ThreadId,
    another_is_held: Gate,
    release: Gate,
}

/// Something that is to come.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().expect("no holder panics") = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let is_open = self.0.lock().expect("no holder panics");
        let passed = self
            .1
            .wait_timeout_while(is_open, LIMIT, |is_open| !*is_open);
        assert!(!passed.expect("no holder panics").1.timed_out());
    }
}

impl Wake for Holds {
    fn wake(self: Arc<Self>) {
        if thread::current().id() == self.caller {
            self.another_is_held.pass();
        } else {
            self.another_is_held.open();
            self.release.pass();
        }
    }
}

/// A worker that helps to give up what is queued meets a waker that blocks. All of the jobs have
/// ended by then, and the report has them.
#[test]
fn a_report_is_whole_while_a_waker_blocks_a_thread_that_gives_jobs_up() {
    const JOBS: usize = 5000;
    each_backend(|backend| {
        let pool = on(backend, 2, JOBS);
        let (start, started) = mpsc::channel();
        for _ in 0..2 {
            let start = start.clone();
            let until_cancelled = move |ctx: &JobContext<'_>| {
                start.send(()).expect("the test listens");
                while !ctx.is_cancelled() {
                    thread::yield_now();
                }
                Ok::<_, Infallible>(())
            };
            pool.execute(until_cancelled).expect("there is room");
            started.recv_timeout(LIMIT).expect("the job starts");
        }
        let holds = Arc::new(Holds {
            caller: thread::current().id(),
            another_is_held: Gate::default(),
            release: Gate::default(),
        });
        let waker = Waker::from(Arc::clone(&holds));
        let queued: Vec<_> = (0..JOBS)
            .map(|_| {
                let mut handle = pool.submit(nothing).expect("there is room");
                let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending(), "{backend}: no worker is free");
                handle
            })
            .collect();
        let report = pool.shutdown(ShutdownPolicy::now().cancel_grace(Duration::ZERO));
        let ended = queued.iter().filter(|handle| handle.is_finished()).count();
        holds.release.open();
        assert_eq!(ended, JOBS, "{backend}: {report}");
        assert_eq!(report.unstarted(), JOBS as u64, "{backend}: {report}");
        assert_eq!(report.accepted(), JOBS as u64 + 2, "{backend}: {report}");
        assert!(report.balances(), "{backend}: {report}");
    });
}

/// Does nothing; what refers to it is counted.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_that_was_left_with_a_handle_goes_with_the_outcome() {
    each_backend(|backend| {
        let pool = on(backend, 1, 4);
        let (release, mut held) = hold(&pool);
        let counted = Arc::new(Counted);
        let waker = Waker::from(Arc::clone(&counted));
        let polled = Pin::new(&mut held).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "{backend}: the job is held");
        drop((release, waker));
        pool.wait_idle();
        assert!(held.join().expect("the job completes"), "{backend}");
        assert_eq!(Arc::strong_count(&counted), 1, "{backend}");
        ends_clean(&pool);
    });
}

/// The threads that run the pool's jobs, each once.
fn worker_threads(pool: &Pool, workers: usize) -> Vec<Thread> {
    let all_here = Arc::new(std::sync::Barrier::new(workers));
    let handles: Vec<_> = (0..workers)
        .map(|_| {
            let all_here = Arc::clone(&all_here);
            let job = move || {
                all_here.wait();
                thread::current()
            };
            pool.spawn(job).expect("there is room")
        })
        .collect();
    handles.into_iter().map(value).collect()
}

#[test]
fn stray_unparks_start_nothing_twice_and_end_no_wait() {
    const STRAYS: usize = 100_000;
    const WORKERS: usize = 3;
    each_backend(|backend| {
        let pool = on(backend, WORKERS, 16);
        let mut targets = worker_threads(&pool, WORKERS);
        let (is_over, ran) = (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)));
        let submitted = thread::scope(|threads| {
            let (send, joiner) = mpsc::channel();
            let submitter = threads.spawn(|| {
                let send = send;
                send.send(thread::current()).expect("the test listens");
                let mut submitted = 0;
                while submitted == 0 || !is_over.load(Ordering::Relaxed) {
                    let count = Arc::clone(&ran);
                    let job = move |_: &JobContext<'_>| {
                        count.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, Infallible>(7)
                    };
                    let handle = pool.submit(job).expect("the pool is open");
                    // A thread that is unparked all the time joins it: it must not return without
                    // an outcome.
                    assert_eq!(handle.join().expect("it completes"), 7);
                    submitted += 1;
                }
                submitted
            });
            targets.push(joiner.recv_timeout(LIMIT).expect("the submitter starts"));
            for stray in 0..STRAYS {
                targets[stray % targets.len()].unpark();
            }
            is_over.store(true, Ordering::Relaxed);
            submitter.join().expect("the submitter ends")
        });
        assert_eq!(ran.load(Ordering::SeqCst), submitted, "{backend}");
        // Sleepers are counted as before: each time the workers have had time to fall asleep, one
        // job wakes one worker.
        for _ in 0..100 {
            let (_kept, never) = mpsc::channel::<()>();
            let _limit = never.recv_timeout(Duration::from_millis(2));
            assert_eq!(value(pool.spawn(|| 3).expect("the pool is open")), 3);
        }
        ends_clean(&pool);
    });
}
