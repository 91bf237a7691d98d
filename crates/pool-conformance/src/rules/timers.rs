//! The pool's own clock: jobs that sleep, jobs for later, and tasks that wait for a place.

mod delayed;

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use pool_core::{
    AsyncContext, CancelToken, Configured, Executor, ExecutorExt, Interrupted, JobContext,
    JobError, JobHandle, JobOptions, Shutdown, ShutdownPolicy, SubmitError, Task,
};

use super::cancellation::in_time;
use super::futures::workers_beside_a_sleeper;
use crate::channel::channel;
use crate::polling::Signal;
use crate::probe::{Alive, Count, FAR, Log, PATIENCE, ROOM, ended, occupy, poll_once, pool, ready};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::Subject;
use crate::thread;

/// Long enough to see that something waits, and short enough to be waited for.
pub(super) const SHORT: Duration = Duration::from_millis(20);

pub(crate) fn rules() -> Vec<Rule> {
    let all = Kind::Required;
    vec![
        Rule::new(
            "R1040",
            "a sleep ends early once its job is to stop",
            all,
            r1040,
        ),
        Rule::new(
            "R1041",
            "a future that sleeps keeps no worker, and sleeps its time",
            Kind::ASYNC_JOBS,
            r1041,
        ),
        Rule::new(
            "R1042",
            "a task that was handed back waits for room in line, or comes back",
            all,
            r1042,
        ),
        Rule::new(
            "R1043",
            "a delayed job runs once, and not before its time",
            all,
            delayed::r1043,
        ),
        Rule::new(
            "R1044",
            "a close ends a delayed job, which nothing waits for",
            all,
            delayed::r1044,
        ),
    ]
}

fn r1040(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    closure_is_woken_by_a_cancel(&pool);
    closure_is_woken_at_its_deadline(&pool);
    closure_runs_no_other_job_meanwhile(&pool);
    closure_that_does_not_give_up_completes(&pool);
    closure_is_woken_by_a_shutdown(subject);
    if pool.capability().async_jobs {
        future_is_ended_by_a_cancel(&pool);
        sleep_elsewhere_is_woken_by_a_cancel(subject);
        sleep_elsewhere_outlives_no_pool(subject);
    }
    Applied::Held
}

/// A closure that sleeps for an hour, once it has started.
fn sleeper(pool: &impl Executor, options: JobOptions) -> (JobHandle<(), Interrupted>, Count) {
    let started = Count::new();
    let begun = started.clone();
    let job = move |ctx: &JobContext<'_>| {
        begun.add();
        ctx.sleep(FAR)
    };
    let handle = pool.submit(Configured::new(job, options));
    (handle.expect(ROOM), started)
}

fn closure_is_woken_by_a_cancel(pool: &impl Executor) {
    let (by_handle, started) = sleeper(pool, JobOptions::new());
    started.wait_for(1);
    by_handle.cancel();
    let outcome = ended(by_handle);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");

    let token = CancelToken::new();
    let (by_token, started) = sleeper(pool, JobOptions::new().with_token(&token));
    started.wait_for(1);
    token.cancel();
    let outcome = ended(by_token);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
}

fn closure_is_woken_at_its_deadline(pool: &impl Executor) {
    in_time(|timeout| {
        let deadline = thread::now() + timeout;
        let (late, started) = sleeper(pool, JobOptions::new().with_deadline(deadline));
        let outcome = ended(late);
        assert!(thread::now() >= deadline, "it was woken too early");
        assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
        (started.get() > 0).then_some(())
    });
}

/// The other job waits for the only worker, which sleeps.
fn closure_runs_no_other_job_meanwhile(pool: &impl Executor) {
    let (started, ran) = (Count::new(), Count::new());
    let (begun, seen) = (started.clone(), ran.clone());
    let job = move |ctx: &JobContext<'_>| {
        begun.add();
        let _cancelled = ctx.sleep(FAR);
        Ok::<_, Infallible>(seen.get())
    };
    let asleep = pool.submit(job).expect(ROOM);
    started.wait_for(1);
    let run = ran.clone();
    let other = pool.spawn(move || run.add()).expect(ROOM);
    ran.stays_below(1, SHORT);
    asleep.cancel();
    let seen = ended(asleep).expect("it returns a value");
    assert_eq!(seen, 0, "a job ran within the sleep of another");
    ended(other).expect("it runs once the worker is free");
}

/// An error of a sleep decides the outcome only where the job returns one.
fn closure_that_does_not_give_up_completes(pool: &impl Executor) {
    let started = Count::new();
    let begun = started.clone();
    let job = move |ctx: &JobContext<'_>| {
        begun.add();
        Ok::<_, Infallible>(ctx.sleep(FAR))
    };
    let handle = pool.submit(job).expect(ROOM);
    started.wait_for(1);
    handle.cancel();
    let slept = ended(handle).expect("it completes");
    assert_eq!(slept, Err(Interrupted::Cancelled));
}

fn closure_is_woken_by_a_shutdown(subject: Subject) {
    let pool = pool(subject, 2, 8);
    let sleepers: Vec<_> = (0..2).map(|_| sleeper(&pool, JobOptions::new())).collect();
    sleepers.iter().for_each(|(_, started)| started.wait_for(1));
    let report = pool.shutdown(ShutdownPolicy::new(SHORT).cancel_grace(PATIENCE));
    assert_eq!(report.cancelled(), 2, "{report}");
    for (handle, _) in sleepers {
        let outcome = ended(handle);
        assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    }
}

fn future_is_ended_by_a_cancel(pool: &impl Executor) {
    for by_token in [false, true] {
        let (alive, started, token) = (Alive::new(), Count::new(), CancelToken::new());
        let (captured, begun) = (alive.value(), started.clone());
        let job = move |ctx: AsyncContext| async move {
            let _captured = captured;
            begun.add();
            ctx.sleep(FAR).await
        };
        let options = JobOptions::new().with_token(&token);
        let handle = pool.submit_future(Configured::new(job, options));
        let handle = handle.expect(ROOM);
        started.wait_for(1);
        if by_token {
            token.cancel();
        } else {
            handle.cancel();
        }
        let outcome = ended(handle);
        assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
        assert_eq!(alive.count(), 0, "the future is over but not dropped");
    }
}

/// What a task that is no job polls.
type Sleep = Pin<Box<dyn Future<Output = Result<(), Interrupted>> + Send>>;

/// A job that gives its sleep away, and waits for the signal.
fn lent_sleep(pool: &impl Executor, time: Duration) -> (Sleep, Signal, JobHandle<(), Infallible>) {
    let (send, mut slept) = channel::<Sleep>();
    let signal = Signal::default();
    let fired = signal.clone();
    let job = move |ctx: AsyncContext| async move {
        send.send(Box::pin(ctx.sleep(time)));
        drop((ctx, send));
        fired.await;
        Ok::<_, Infallible>(())
    };
    let handle = pool.submit_future(job).expect(ROOM);
    let sleep = slept.next().expect("the job sends it");
    (sleep, signal, handle)
}

/// The waker of the last poll is called, and no other.
fn sleep_elsewhere_is_woken_by_a_cancel(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let (mut sleep, _signal, handle) = lent_sleep(&pool, FAR);
    let (former, woken) = (Count::new(), Count::new());
    assert!(poll_once(sleep.as_mut(), &former).is_pending());
    assert!(poll_once(sleep.as_mut(), &woken).is_pending());
    handle.cancel();
    woken.wait_for(1);
    let slept = poll_once(sleep.as_mut(), &woken);
    assert_eq!(slept, Poll::Ready(Err(Interrupted::Cancelled)));
    assert_eq!(former.get(), 0, "a waker was called that had been replaced");
}

/// It is told when the pool has stopped, and says so to a task that polls it later.
fn sleep_elsewhere_outlives_no_pool(subject: Subject) {
    let pool = pool(subject, 2, 8); // on some, a future keeps its slot
    let (mut sleep, signal, handle) = lent_sleep(&pool, FAR);
    let (mut unpolled, other, second) = lent_sleep(&pool, FAR);
    let woken = Count::new();
    assert!(poll_once(sleep.as_mut(), &woken).is_pending());
    signal.fire();
    other.fire();
    ended(handle).expect("it was woken");
    ended(second).expect("it was woken");
    assert!(
        poll_once(sleep.as_mut(), &woken).is_pending(),
        "the pool is open"
    );
    drop(pool);
    woken.wait_for(1);
    for sleep in [&mut sleep, &mut unpolled] {
        let slept = poll_once(sleep.as_mut(), &woken);
        assert_eq!(slept, Poll::Ready(Err(Interrupted::Cancelled)));
    }
}

fn r1041(subject: Subject) -> Applied {
    let pool = pool(subject, workers_beside_a_sleeper(subject), 8);
    let started = Count::new();
    let begun = started.clone();
    let job = move |ctx: AsyncContext| async move {
        begun.add();
        ctx.sleep(FAR).await
    };
    let asleep = pool.submit_future(job).expect(ROOM);
    started.wait_for(1);
    ended(pool.spawn(|| ()).expect(ROOM)).expect("a worker is free");

    let asked = thread::now();
    let nap = |ctx: AsyncContext| async move {
        ctx.sleep(Duration::ZERO).await?;
        ctx.sleep(SHORT).await?;
        Ok::<_, Interrupted>(thread::now())
    };
    let woke = ended(pool.submit_future(nap).expect(ROOM)).expect("it sleeps its time");
    assert!(woke >= asked + SHORT, "it was woken too early");

    // A sleep that loses a race, and leaves nothing.
    let race = |ctx: AsyncContext| async move {
        let mut long = pin!(ctx.sleep(FAR));
        let lost = poll_once(long.as_mut(), &Count::new()).is_pending();
        ctx.sleep(SHORT).await?;
        Ok::<_, Interrupted>(lost)
    };
    let lost = ended(pool.submit_future(race).expect(ROOM)).expect("it sleeps its time");
    assert!(lost, "an hour has passed at once");
    assert!(!asleep.is_finished(), "the long sleep goes on");
    asleep.cancel();
    let outcome = ended(asleep);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    Applied::Held
}

/// Jobs that note their number, as the tasks that a shutdown hands back, and their handles.
fn handed_back(
    subject: Subject,
    jobs: usize,
    log: &Log<usize>,
) -> Vec<(Task, JobHandle<(), Infallible>)> {
    let pool = pool(subject, 1, jobs);
    let gate = occupy(&pool, 1);
    let submit = |job| {
        let log = log.clone();
        pool.spawn(move || log.note(job)).expect(ROOM)
    };
    let handles: Vec<_> = (0..jobs).map(submit).collect();
    let policy = ShutdownPolicy::now()
        .hand_back()
        .cancel_grace(Duration::ZERO);
    let tasks = pool.shutdown(policy).take_unstarted();
    gate.open();
    assert_eq!(tasks.len(), jobs, "a task was not handed back");
    let mut tasks: Vec<_> = tasks.into_iter().collect();
    let task_of = |handle: JobHandle<(), Infallible>| {
        let mut ids = tasks.iter().map(Task::id);
        let at = ids.position(|id| id == handle.id());
        (tasks.swap_remove(at.expect("it is among them")), handle)
    };
    handles.into_iter().map(task_of).collect()
}

fn r1042(subject: Subject) -> Applied {
    let log = Log::new();
    let tasks = handed_back(subject, 4, &log);
    let (tasks, handles): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    let mut tasks = tasks.into_iter();
    let mut next = || tasks.next().expect("there are four");
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    pool.spawn(|| ()).expect("the one place").detach();

    let (asked, task) = (thread::now(), next());
    let id = task.id();
    let refused = pool.accept_timeout(task, SHORT).expect_err("it is full");
    assert!(thread::now() >= asked + SHORT, "it came back too early");
    assert!(refused.is_full(), "{refused:?}");
    let task = refused.into_job();
    assert_eq!(task.id(), id, "another task came back");

    let mut first = pin!(pool.accept_async(task));
    let mut second = pin!(pool.accept_async(next()));
    assert!(poll_once(first.as_mut(), &Count::new()).is_pending());
    assert!(poll_once(second.as_mut(), &Count::new()).is_pending());
    let (third, fourth) = (next(), next());
    thread::scope(|threads| {
        let blocked = threads.spawn(|| pool.accept(third).map_err(SubmitError::without_job));
        gate.open();
        ready(first.as_mut()).expect("the pool is open");
        ready(second.as_mut()).expect("the pool is open");
        let blocked = blocked.join().expect("it does not panic");
        blocked.expect("the pool is open");
    });
    pool.wait_idle();
    let mut ran = log.take();
    let place = |job| ran.iter().position(|it| *it == job);
    assert!(place(0) < place(1), "out of order: {ran:?}");
    ran.sort_unstable();
    assert_eq!(ran, [0, 1, 2], "each of them ran once");

    pool.close();
    let id = fourth.id();
    let refused = pool.accept(fourth).expect_err("it is closed");
    assert!(refused.is_closed(), "{refused:?}");
    let refused = pool.accept_timeout(refused.into_job(), FAR);
    let refused = refused.expect_err("it is closed");
    let refused = ready(pin!(pool.accept_async(refused.into_job())));
    let refused = refused.expect_err("it is closed");
    assert!(refused.is_closed() && refused.into_job().id() == id);
    let outcomes: Vec<_> = handles.into_iter().map(ended).collect();
    let (last, run) = outcomes.split_last().expect("there are four");
    assert!(run.iter().all(Result::is_ok), "{outcomes:?}");
    assert!(matches!(last, Err(JobError::Abandoned)), "{last:?}");
    Applied::Held
}
