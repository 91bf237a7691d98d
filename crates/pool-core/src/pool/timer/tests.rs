//! The timer's threads: when they look, what a waker that does not return holds up, and how they
//! end.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::{Alarms, END_PATIENCE, MAX_CALLS, Timer};
use crate::job::id::JobId;
use crate::job::watch_list::Watch;

/// What does not happen within this time never will.
const LIMIT: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// Does something when it is woken.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

fn on_wake(act: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(act)))
}

/// A waker that says so when it is called.
fn telling() -> (Waker, Receiver<()>) {
    let (send, told) = mpsc::channel();
    let send = Mutex::new(send);
    let waker = on_wake(move || {
        let _nobody_listens = send.lock().expect("no panic").send(());
    });
    (waker, told)
}

/// A waker that says so when it is called, and does not return until the sender goes.
fn hanging() -> (Waker, Receiver<()>, Sender<()>) {
    let (send, told) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let both = Mutex::new((send, released));
    let waker = on_wake(move || {
        let both = both.lock().expect("no panic");
        let _nobody_listens = both.0.send(());
        let _released = both.1.recv();
    });
    (waker, told, release)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(1)
}

fn happens(told: &Receiver<()>) {
    told.recv_timeout(LIMIT).expect("it happens");
}

fn alarms(clock: &Timer) -> usize {
    clock.lock().by_time.len()
}

fn looks(clock: &Timer) -> usize {
    clock.lock().looks
}

/// Sets an alarm that nobody takes back.
fn set(clock: &Timer, when: Instant, id: JobId, waker: &Waker) -> bool {
    clock.wake_at(&Watch::default(), when, id, waker)
}

/// Waits until no thread holds the alarms.
fn all_have_ended(shared: &Weak<Mutex<Alarms>>, holders: usize) {
    let limit = Instant::now() + LIMIT;
    while shared.strong_count() > holders {
        assert!(Instant::now() < limit, "a thread is left");
        std::thread::yield_now();
    }
}

#[test]
fn deadlines_far_away_wake_no_thread_and_leave_no_memory() {
    const MANY: u32 = 10_000;
    let clock = Timer::default();
    let (waker, told) = telling();
    let start = Instant::now() + HOUR;
    let ids: Vec<_> = (0..MANY)
        .map(|_| (Watch::default(), JobId::next()))
        .collect();
    for (n, (watch, id)) in (0..).zip(&ids) {
        assert!(clock.wake_at(watch, start + Duration::from_millis(n), *id, &waker));
    }
    for (watch, id) in &ids {
        clock.forget(watch, *id);
    }
    // Set and forgotten alternately, as by jobs that start at once.
    for (watch, id) in &ids {
        assert!(clock.wake_at(watch, Instant::now() + HOUR, *id, &waker));
        clock.forget(watch, *id);
    }
    assert_eq!(alarms(&clock), 0);
    assert!(set(&clock, soon(), JobId::next(), &waker));
    happens(&told);
    let looks = looks(&clock);
    assert!(looks <= 6, "{looks} looks");
}

#[test]
fn an_earlier_alarm_is_seen_and_a_forgotten_one_is_not_called() {
    let clock = Timer::default();
    let (far, never) = telling();
    let (near, told) = telling();
    let id = JobId::next();
    clock.wake_at(&Watch::default(), Instant::now() + HOUR, id, &far);
    let watch = Watch::default();
    for _ in 0..20 {
        clock.wake_at(&watch, soon(), id, &near);
        happens(&told);
    }
    clock.wake_at(&watch, soon() + HOUR, id, &near);
    clock.forget(&watch, id);
    assert_eq!(alarms(&clock), 1);
    clock.stop();
    assert!(never.try_recv().is_err() && told.try_recv().is_err());
}

#[test]
fn a_waker_that_never_returns_holds_up_no_other_alarm() {
    let clock = Timer::default();
    let at_once = Instant::now();
    let hanging: Vec<_> = (1..MAX_CALLS).map(|_| hanging()).collect();
    for (waker, ..) in &hanging {
        assert!(set(&clock, at_once, JobId::next(), waker));
    }
    hanging.iter().for_each(|(_, told, _)| happens(told));
    let (waker, told) = telling();
    for _ in 0..20 {
        assert!(set(&clock, soon(), JobId::next(), &waker));
        happens(&told);
    }
    let shared = Arc::downgrade(&clock.0);
    // It waits for none of the threads that hang.
    drop(clock);
    drop(hanging);
    all_have_ended(&shared, 0);
}

#[test]
fn with_too_many_that_hang_alarms_come_when_one_returns() {
    let clock = Timer::default();
    let mut hanging: Vec<_> = (0..MAX_CALLS).map(|_| hanging()).collect();
    for (waker, ..) in &hanging {
        set(&clock, Instant::now(), JobId::next(), waker);
    }
    hanging.iter().for_each(|(_, told, _)| happens(told));
    let (waker, told) = telling();
    for _ in 0..20 {
        set(&clock, Instant::now(), JobId::next(), &waker);
    }
    set(&clock, soon(), JobId::next(), &waker);
    drop(hanging.pop());
    (0..21).for_each(|_| happens(&told));
    assert!(clock.lock().threads.len() <= MAX_CALLS + 1);
}

#[test]
fn a_waker_that_panics_costs_nobody_an_alarm() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("it is contained");
        }
    }
    let clock = Timer::default();
    // Two wakers, since a panic in a drop during another panic ends the process.
    let bomb = Bomb;
    let panics_on_drop = on_wake(move || {
        let _held = &bomb;
    });
    let panics = on_wake(|| panic!("it is contained"));
    for waker in [panics_on_drop, panics] {
        let id = JobId::next();
        set(&clock, soon(), id, &waker);
        set(&clock, Instant::now() + HOUR, id, &waker);
        drop(crate::job::outcome::contain(|| drop(waker)));
    }
    let (waker, told) = telling();
    set(&clock, soon(), JobId::next(), &waker);
    happens(&told);
    clock.stop();
    assert_eq!(alarms(&clock), 0);
}

#[test]
fn a_waker_may_stop_the_clock_that_calls_it() {
    let clock = Arc::new(Timer::default());
    let (send, told) = mpsc::channel();
    let waker = {
        let (clock, send) = (Arc::downgrade(&clock), Mutex::new(send));
        on_wake(move || {
            clock.upgrade().expect("the test holds it").stop();
            let _nobody_listens = send.lock().expect("no panic").send(());
        })
    };
    let (far, never) = telling();
    assert!(set(&clock, Instant::now() + HOUR, JobId::next(), &far));
    assert!(set(&clock, soon(), JobId::next(), &waker));
    happens(&told);
    assert_eq!(alarms(&clock), 0);
    all_have_ended(&Arc::downgrade(&clock.0), 1);
    // Too late for an alarm.
    set(&clock, soon(), JobId::next(), &far);
    assert_eq!(alarms(&clock), 0);
    drop(far);
    assert!(never.recv().is_err(), "its waker has gone");
}

#[test]
fn a_waker_may_drop_the_clock_that_calls_it() {
    let clock = Timer::default();
    let shared = Arc::downgrade(&clock.0);
    let (send, told) = mpsc::channel();
    let held = Arc::new(Mutex::new(None));
    let waker = {
        let (held, send) = (Arc::clone(&held), Mutex::new(send));
        on_wake(move || {
            let clock = held.lock().expect("no panic").take();
            drop::<Option<Timer>>(clock);
            let _nobody_listens = send.lock().expect("no panic").send(());
        })
    };
    let mut place = held.lock().expect("no panic");
    set(&clock, Instant::now(), JobId::next(), &waker);
    *place = Some(clock);
    drop(place);
    happens(&told);
    all_have_ended(&shared, 0);
}

#[test]
fn the_threads_have_ended_when_a_stop_returns() {
    for _ in 0..20 {
        let clock = Timer::default();
        let (waker, told) = telling();
        for _ in 0..10 {
            set(&clock, soon(), JobId::next(), &waker);
        }
        happens(&told);
        let start = Instant::now();
        clock.stop();
        // On a busy machine it may have given up on a thread that is in a call.
        if start.elapsed() < END_PATIENCE {
            assert_eq!(Arc::strong_count(&clock.0), 1);
        }
        all_have_ended(&Arc::downgrade(&clock.0), 1);
    }
}
