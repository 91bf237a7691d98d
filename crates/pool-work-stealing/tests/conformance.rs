//! The contract, rule by rule, on the work-stealing pool.

use pool_conformance::Fixture;
use pool_core::BuildError;
use pool_core::backend::PoolConfig;
use pool_work_stealing::WorkStealingPool;

struct WorkStealing;

impl Fixture for WorkStealing {
    type Pool = WorkStealingPool;

    fn build(config: PoolConfig) -> Result<WorkStealingPool, BuildError> {
        WorkStealingPool::builder().config(config).build()
    }

    fn pause(pool: &WorkStealingPool) -> bool {
        pool.pause();
        true
    }

    fn resume(pool: &WorkStealingPool) {
        pool.resume();
    }
}

pool_conformance::conformance!(WorkStealing);
