//! The contract, rule by rule, on the channel pool.

use pool_channel::ChannelPool;
use pool_conformance::Fixture;
use pool_core::BuildError;
use pool_core::backend::PoolConfig;

struct Channel;

impl Fixture for Channel {
    type Pool = ChannelPool;

    fn build(config: PoolConfig) -> Result<ChannelPool, BuildError> {
        ChannelPool::builder().config(config).build()
    }

    fn pause(pool: &ChannelPool) -> bool {
        pool.pause();
        true
    }

    fn resume(pool: &ChannelPool) {
        pool.resume();
    }
}

pool_conformance::conformance!(Channel);
