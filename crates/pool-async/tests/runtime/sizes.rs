//! Futures that are larger than tokio's own examples, on workers with the usual stack.

use std::future::Future;
use std::hint::black_box;

use pool_core::AsyncContext;

use crate::on::{on_each_runtime, value};

/// A future of so many bytes and a little more.
fn large<const BYTES: usize>() -> impl Future<Output = u64> + Send + 'static {
    async {
        let mut bytes = [1_u8; BYTES];
        black_box(&mut bytes);
        tokio::task::yield_now().await;
        bytes.iter().map(|&byte| u64::from(byte)).sum()
    }
}

fn runs<const BYTES: usize>() {
    on_each_runtime(|builder| {
        let pool = builder.workers(2).build().unwrap();
        let spawned = pool.spawn_future(large::<BYTES>()).unwrap();
        assert_eq!(value(spawned), BYTES as u64);
        let job = |_ctx: AsyncContext| async { Ok::<_, ()>(large::<BYTES>().await) };
        assert_eq!(value(pool.submit_future(job).unwrap()), BYTES as u64);
        // In place, where its joiner drives it.
        let inside = pool.clone();
        let joined = pool.spawn(move || inside.spawn_future(large::<BYTES>()).unwrap().join());
        assert_eq!(value(joined.unwrap()).unwrap(), BYTES as u64);
        // One that is refused comes back.
        pool.close();
        let refused = pool.spawn_future(large::<BYTES>()).unwrap_err();
        drop(refused);
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
