//! Futures that are larger than tokio's own examples, on workers with the usual stack.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;

use pool_async::AsyncPool;
use pool_core::{AsyncContext, JobHandle};

use crate::on::{on_each_runtime, value};

/// A future of this many bytes and a little more.
#[expect(clippy::manual_async_fn, reason = "the bounds are what is tested")]
fn large<const BYTES: usize>() -> impl Future<Output = u64> + Send + 'static {
    async {
        let mut bytes = [1_u8; BYTES];
        black_box(&mut bytes);
        tokio::task::yield_now().await;
        bytes.iter().map(|&byte| u64::from(byte)).sum()
    }
}

/// Submits one in its own stack frame: without optimization, a frame has room for each value that
/// it ever handles.
#[inline(never)]
fn spawn<const BYTES: usize>(pool: &AsyncPool) -> JobHandle<u64, Infallible> {
    pool.spawn_future(large::<BYTES>()).expect("there is room")
}

#[inline(never)]
fn submit<const BYTES: usize>(pool: &AsyncPool) -> JobHandle<u64, Infallible> {
    let job = |_ctx: AsyncContext| async { Ok(large::<BYTES>().await) };
    pool.submit_future(job).expect("there is room")
}

fn runs<const BYTES: usize>() {
    on_each_runtime(|builder| {
        let pool = builder.workers(2).build().unwrap();
        assert_eq!(value(submit::<BYTES>(&pool)), BYTES as u64);
        // Driven in place by a worker.
        let inside = pool.clone();
        let joined = pool.spawn(move || spawn::<BYTES>(&inside).join());
        assert_eq!(value(joined.unwrap()).unwrap(), BYTES as u64);
        // Awaited by a future, which is polled directly.
        let inside = pool.clone();
        let awaited = pool.spawn_future(async move { spawn::<BYTES>(&inside).await });
        assert_eq!(value(awaited.unwrap()).unwrap(), BYTES as u64);
    });
}

#[test]
fn a_future_of_128_kib_fits_on_a_worker() {
    runs::<{ 128 * 1024 }>();
}

#[test]
fn a_future_of_200_kib_fits_on_a_worker() {
    runs::<{ 200 * 1024 }>();
}
