//! The contract, rule by rule, on the async pool: on its own runtime, and on the caller's.

use pool_async::AsyncPool;
use pool_conformance::Fixture;
use pool_core::BuildError;
use pool_core::backend::PoolConfig;

mod own {
    use super::*;

    struct Own;

    impl Fixture for Own {
        type Pool = AsyncPool;

        fn build(config: PoolConfig) -> Result<AsyncPool, BuildError> {
            AsyncPool::builder().config(config).build()
        }

        fn pause(pool: &AsyncPool) -> bool {
            pool.pause();
            true
        }

        fn resume(pool: &AsyncPool) {
            pool.resume();
        }
    }

    pool_conformance::conformance!(Own);
}

mod adopted {
    use std::sync::OnceLock;

    use tokio::runtime::{Builder, Handle, Runtime};

    use super::*;

    struct Adopted;

    impl Fixture for Adopted {
        type Pool = AsyncPool;

        fn build(config: PoolConfig) -> Result<AsyncPool, BuildError> {
            AsyncPool::builder().config(config).adopt(runtime()).build()
        }

        fn pause(pool: &AsyncPool) -> bool {
            pool.pause();
            true
        }

        fn resume(pool: &AsyncPool) {
            pool.resume();
        }
    }

    /// The caller's runtime, which outlives every pool on it.
    fn runtime() -> Handle {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let build = || Builder::new_multi_thread().enable_all().build();
        let runtime = RUNTIME.get_or_init(|| build().expect("a runtime can be had"));
        runtime.handle().clone()
    }

    pool_conformance::conformance!(Adopted);
}
