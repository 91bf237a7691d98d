//! What may cross threads and unwinding panics: checked at compile time.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};

use pool::backend::PoolConfig;
use pool::{
    AbortHandle, AsyncContext, BuildError, Builder, CancelOnDrop, CancelToken, Interrupted,
    JobContext, JobError, JobHandle, JobId, JobOptions, JobSet, Pool, ShutdownReport, StateError,
    Stats, SubmitError, Task,
};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn error<T: Error + Send + Sync + 'static>() {}

/// A job's value or error that is neither `Sync` nor unwind safe.
type Odd = Cell<&'static mut u8>;

#[test]
fn what_a_user_holds_crosses_threads() {
    fn both<T: Send + Sync>() {
        send::<T>();
        sync::<T>();
    }
    both::<Pool>();
    both::<Builder>();
    both::<JobHandle<Odd, Odd>>();
    both::<CancelOnDrop<Odd, Odd>>();
    both::<AbortHandle>();
    both::<CancelToken>();
    both::<AsyncContext>();
    both::<JobOptions>();
    both::<ShutdownReport>();
    send::<JobSet<'_, Odd, Odd>>();
    send::<SubmitError<Odd>>();
    send::<JobError<Odd>>();
}

#[cfg(feature = "signals")]
#[test]
fn a_drain_and_its_run_may_move_to_a_task() {
    fn send_value<T: Send>(_value: &T) {}
    fn run(drain: pool::Drain, pool: &Pool) {
        send_value(&drain.run(pool));
    }
    send::<pool::Drain>();
    let _compiles = run;
}

#[test]
fn what_a_user_holds_may_be_captured_past_an_unwinding() {
    unwind_safe::<Pool>();
    unwind_safe::<Builder>();
    unwind_safe::<PoolConfig>();
    unwind_safe::<BuildError>();
    unwind_safe::<JobHandle<Odd, Odd>>();
    unwind_safe::<CancelOnDrop<Odd, Odd>>();
    unwind_safe::<AbortHandle>();
    unwind_safe::<JobSet<'_, Odd, Odd>>();
    unwind_safe::<CancelToken>();
    unwind_safe::<JobContext<'_>>();
    unwind_safe::<AsyncContext>();
    unwind_safe::<ShutdownReport>();
    unwind_safe::<SubmitError<()>>();
    unwind_safe::<JobError<Infallible>>();
    unwind_safe::<Task>();
    unwind_safe::<JobOptions>();
    unwind_safe::<Stats>();
    unwind_safe::<JobId>();
}

#[cfg(feature = "channel")]
#[test]
fn the_pool_of_a_backend_does_so_too() {
    send::<pool::ChannelPool>();
    sync::<pool::ChannelPool>();
    unwind_safe::<pool::ChannelPool>();
}

#[test]
fn what_a_question_mark_meets_is_an_error_that_it_takes() {
    error::<SubmitError<()>>();
    error::<BuildError>();
    error::<JobError<Infallible>>();
    error::<JobError<String>>();
    error::<JobError<Box<dyn Error + Send + Sync>>>();
    error::<JobError<anyhow::Error>>();
    error::<Interrupted>();
    error::<StateError>();
}

/// A pool may be moved into `catch_unwind`, and a handle borrowed there.
#[test]
fn a_pool_is_used_within_catch_unwind() {
    let pool = Pool::builder().workers(1).build().expect("one can be had");
    let inner = pool.clone();
    let caught = std::panic::catch_unwind(move || {
        let handle = inner.spawn(|| 6).expect("there is room");
        handle.join().expect("it completes")
    });
    assert_eq!(caught.expect("nothing panicked"), 6);
    let handle = pool.spawn(|| 7).expect("there is room");
    let caught = std::panic::catch_unwind(|| handle.is_finished());
    assert!(caught.is_ok());
    assert_eq!(handle.join().expect("it completes"), 7);
}
