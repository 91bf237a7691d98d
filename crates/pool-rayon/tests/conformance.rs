//! The contract, rule by rule, on the rayon pool: on its own threads, and on the caller's.

use pool_conformance::Fixture;
use pool_core::BuildError;
use pool_core::backend::PoolConfig;
use pool_rayon::RayonPool;

mod own {
    use super::*;

    struct Own;

    impl Fixture for Own {
        type Pool = RayonPool;

        fn build(config: PoolConfig) -> Result<RayonPool, BuildError> {
            RayonPool::builder().config(config).build()
        }

        fn pause(pool: &RayonPool) -> bool {
            pool.pause();
            true
        }

        fn resume(pool: &RayonPool) {
            pool.resume();
        }
    }

    pool_conformance::conformance!(Own);
}

mod adopted {
    use std::sync::Arc;

    use rayon::ThreadPoolBuilder;

    use super::*;

    /// More than any rule has workers. If more are asked for, the pool must refuse.
    const MAX_THREADS: usize = 64;
    /// Threads beyond one for each worker.
    const OTHERS: usize = 3;

    struct Adopted;

    impl Fixture for Adopted {
        type Pool = RayonPool;

        fn build(config: PoolConfig) -> Result<RayonPool, BuildError> {
            let threads = (config.workers().clamp(1, MAX_THREADS) + OTHERS).min(MAX_THREADS);
            let threads = ThreadPoolBuilder::new().num_threads(threads).build();
            let threads = Arc::new(threads.expect("a few threads can be had"));
            RayonPool::builder().config(config).adopt(threads).build()
        }

        fn pause(pool: &RayonPool) -> bool {
            pool.pause();
            true
        }

        fn resume(pool: &RayonPool) {
            pool.resume();
        }
    }

    pool_conformance::conformance!(Adopted);
}
