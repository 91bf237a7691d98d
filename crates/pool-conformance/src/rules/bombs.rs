//! Chapter 3, drops: values that panic when they are dropped, wherever a pool may drop one.

mod futures;

use std::convert::Infallible;
use std::panic::panic_any;

use pool_core::{
    CancelToken, Executor, ExecutorExt, Job, JobContext, JobError, JobExt, Shutdown, ShutdownPolicy,
};

use crate::probe::{Count, Gate, ended, occupy, pool};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};
use crate::thread;

/// Panics when it is dropped, with a payload that does so too.
#[derive(Debug)]
struct Bomb {
    went_off: Count,
    charges: usize,
}

impl Bomb {
    fn new(went_off: &Count) -> Self {
        Self {
            went_off: went_off.clone(),
            charges: 2,
        }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        // A panic during another panic would end the process, and no pool could prevent it.
        if self.charges == 0 || thread::panicking() {
            return;
        }
        self.went_off.add();
        panic_any(Self {
            went_off: self.went_off.clone(),
            charges: self.charges - 1,
        });
    }
}

/// Where the bomb is when the pool drops it.
#[derive(Debug, Clone, Copy)]
enum Place {
    Captured,
    Output,
    Error,
    InterruptedError,
    Payload,
}

const PLACES: [Place; 5] = [
    Place::Captured,
    Place::Output,
    Place::Error,
    Place::InterruptedError,
    Place::Payload,
];

/// A job with a bomb in it. Its run waits at the gate, if it has one.
struct Armed {
    bomb: Bomb,
    place: Place,
}

impl Job for Armed {
    type Output = Option<Bomb>;
    type Error = Bomb;

    fn run(self, ctx: &JobContext<'_>) -> Result<Option<Bomb>, Bomb> {
        match self.place {
            Place::Captured => {
                drop(self.bomb);
                Ok(None)
            }
            Place::Output => Ok(Some(self.bomb)),
            Place::Error => Err(self.bomb),
            Place::InterruptedError => {
                assert!(ctx.check().is_err(), "the job was cancelled as it started");
                Err(self.bomb)
            }
            Place::Payload => panic_any(self.bomb),
        }
    }
}

pub(crate) fn r303(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    for place in PLACES {
        dropped_by_the_worker(&pool, place);
        dropped_with_the_handle(&pool, place);
    }
    never_started(&pool);
    unstarted(subject);
    if subject.capability().async_jobs {
        futures::contained(subject, &pool);
    }
    Applied::Held
}

/// The worker is still there, and the counts are right.
#[track_caller]
fn goes_on(pool: &TestedPool) {
    let next = pool.spawn(|| 7).expect("there is room");
    assert_eq!(ended(next).expect("the worker goes on"), 7);
    pool.wait_idle();
    let stats = pool.stats();
    assert_eq!(stats.workers, 1, "{stats}");
    assert_eq!(stats.finished(), stats.accepted, "{stats}");
}

fn arm(
    place: Place,
    went_off: &Count,
) -> (
    impl Job<Output = Option<Bomb>, Error = Bomb> + use<>,
    CancelToken,
) {
    let token = CancelToken::new();
    let armed = Armed {
        bomb: Bomb::new(went_off),
        place,
    };
    // The token is cancelled once the job has started: before that it would keep the job from it.
    let own = token.clone();
    let job = move |ctx: &JobContext<'_>| {
        own.cancel();
        armed.run(ctx)
    };
    (job.with_token(&token), token)
}

/// No handle is left when the job ends.
fn dropped_by_the_worker(pool: &TestedPool, place: Place) {
    let went_off = Count::new();
    let gate = occupy(pool, 1);
    drop(pool.submit(arm(place, &went_off).0).expect("there is room"));
    pool.execute(arm(place, &went_off).0)
        .expect("there is room");
    gate.open();
    goes_on(pool);
    assert!(went_off.get() >= 2, "{place:?}: both bombs were dropped");
}

/// The handle holds the outcome, and drops it, on a thread that must not notice.
fn dropped_with_the_handle(pool: &TestedPool, place: Place) {
    let went_off = Count::new();
    let handle = pool.submit(arm(place, &went_off).0).expect("there is room");
    goes_on(pool);
    assert!(handle.is_finished(), "{place:?}");
    drop(handle);
    assert!(went_off.get() >= 1, "{place:?}: the bomb was dropped");

    // Taken out of the handle, it belongs to the caller, which can defuse it.
    let handle = pool
        .submit(arm(place, &Count::new()).0)
        .expect("there is room");
    let outcome = ended(handle);
    match (place, outcome) {
        (Place::Output, Ok(Some(mut bomb))) | (Place::Error, Err(JobError::Failed(mut bomb))) => {
            bomb.charges = 0
        }
        (Place::InterruptedError, Err(JobError::Cancelled)) => {}
        (Place::Captured | Place::Payload, Err(JobError::Panicked(info))) => {
            let mut payload = info.into_payload();
            payload
                .downcast_mut::<Bomb>()
                .expect("the payload is the bomb")
                .charges = 0;
        }
        (place, other) => panic!(
            "{place:?} became {:?}",
            other.map(|_| ()).map_err(|error| error.outcome())
        ),
    }
    goes_on(pool);
}

/// Jobs that are dropped because they will never start: on the canceller's thread, and on the
/// worker.
fn never_started(pool: &TestedPool) {
    let went_off = Count::new();
    let job = || {
        let bomb = Bomb::new(&went_off);
        move |_: &JobContext<'_>| {
            let mut bomb = bomb;
            bomb.charges = 0;
            Ok::<_, Infallible>(())
        }
    };
    let gate = occupy(pool, 1);
    let cancelled = pool.submit(job()).expect("there is room");
    cancelled.cancel();
    assert!(matches!(ended(cancelled), Err(JobError::Cancelled)));
    let token = CancelToken::new();
    let by_token = pool
        .submit(job().with_token(&token))
        .expect("there is room");
    pool.execute(job().with_token(&token))
        .expect("there is room");
    token.cancel();
    let late = pool
        .submit(job().with_deadline(thread::now()))
        .expect("there is room");
    gate.open();
    assert!(matches!(ended(by_token), Err(JobError::Cancelled)));
    assert!(matches!(ended(late), Err(JobError::Expired)));
    goes_on(pool);
    assert!(went_off.get() >= 4, "all four bombs were dropped");
}

/// Jobs that a report drops, or that the workers drop.
fn unstarted(subject: Subject) {
    for policy in [ShutdownPolicy::now(), ShutdownPolicy::now().hand_back()] {
        let went_off = Count::new();
        let pool = pool(subject, 1, 8);
        let gate: Gate = occupy(&pool, 1);
        let bomb = Bomb::new(&went_off);
        let captured = pool.submit(move |_: &JobContext<'_>| {
            let mut bomb = bomb;
            bomb.charges = 0;
            Ok::<_, Infallible>(())
        });
        let captured = captured.expect("there is room");
        pool.execute(arm(Place::Captured, &went_off).0)
            .expect("there is room");
        let report = pool.shutdown(policy);
        assert_eq!(report.unstarted(), 2, "{report}");
        drop(report);
        assert!(matches!(ended(captured), Err(JobError::Abandoned)));
        gate.open();
        went_off.wait_for(2);
    }
}
