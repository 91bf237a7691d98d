//! R407: limits beyond the range of the clock, and limits that are over before they begin.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use pool_core::{
    AsyncContext, AsyncJobExt, Executor, ExecutorExt, JobContext, JobError, JobExt, Shutdown,
    ShutdownPolicy,
};

use crate::probe::{Count, FAR, PROMPT, ROOM, ended, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

pub(super) fn r407(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    let ran = Count::new();
    let counting = || {
        let ran = ran.clone();
        move |ctx: &JobContext<'_>| {
            ran.add();
            ctx.check().map_err(|_| "told")?;
            Ok::<_, &str>((ctx.deadline(), ctx.remaining()))
        }
    };
    let limitless = ended(
        pool.submit(counting().with_timeout(Duration::MAX))
            .expect(ROOM),
    );
    assert!(matches!(limitless, Ok((None, None))), "{limitless:?}");
    let far = thread::now() + Duration::from_secs(u64::from(u32::MAX));
    let seen = ended(pool.submit(counting().with_deadline(far)).expect(ROOM));
    assert!(
        matches!(seen, Ok((Some(at), Some(left))) if at == far && left > FAR),
        "{seen:?}"
    );
    let waiting = pool.submit_timeout(counting(), Duration::MAX).expect(ROOM);
    let joined = waiting
        .join_timeout(Duration::MAX)
        .expect("no limit passes");
    assert!(joined.is_ok(), "{joined:?}");
    assert_eq!(ran.get(), 3);

    let before = thread::now();
    let past = pool.submit(counting().with_deadline(before)).expect(ROOM);
    let zero = pool
        .submit(counting().with_timeout(Duration::ZERO))
        .expect(ROOM);
    for handle in [past, zero] {
        let outcome = ended(handle);
        assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
    }
    let late = thread::since(before);
    assert!(late <= PROMPT, "a past deadline took {late:?}");
    assert_eq!(ran.get(), 3, "the body of an expired job ran");
    if pool.capability().async_jobs {
        far_and_past_futures(&pool, far);
    }
    let forever = ShutdownPolicy::new(Duration::MAX).cancel_grace(Duration::MAX);
    let report = pool.shutdown(forever);
    assert!(report.is_clean(), "{report}");
    Applied::Held
}

fn far_and_past_futures(pool: &impl Executor, far: Instant) {
    let give_way = |_: AsyncContext| async {
        let mut is_first = true;
        poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if std::mem::take(&mut is_first) {
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        Ok::<_, Infallible>(())
    };
    let far = pool.submit_future(give_way.with_deadline(far)).expect(ROOM);
    assert!(ended(far).is_ok());
    let limitless = pool
        .submit_future(give_way.with_timeout(Duration::MAX))
        .expect(ROOM);
    assert!(ended(limitless).is_ok());
    let past = pool
        .submit_future(give_way.with_deadline(thread::now()))
        .expect(ROOM);
    let outcome = ended(past);
    assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
}
