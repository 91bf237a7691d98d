//! The backends behind one type: what a pool holds of the one it runs on.

use pool_core::{BuildError, Executor, HandOver, PoolConfig};

use crate::backend::Backend;

/// A backend's pool, whichever it is.
pub(crate) trait Strategy: Executor + HandOver {}

impl<P: Executor + HandOver> Strategy for P {}

/// A builder of one backend's pools.
type Build = fn(PoolConfig) -> Result<Box<dyn Strategy>, BuildError>;

pub(crate) fn build(backend: Backend, config: PoolConfig) -> Result<Box<dyn Strategy>, BuildError> {
    let build = builder(backend).ok_or(BuildError::NotCompiledIn {
        backend: backend.name(),
        feature: backend.name(),
    })?;
    build(config)
}

fn builder(backend: Backend) -> Option<Build> {
    match backend {
        Backend::Channel => channel::BUILD,
        Backend::WorkStealing => work_stealing::BUILD,
        Backend::Rayon => rayon::BUILD,
        Backend::Async => on_runtime::BUILD,
        Backend::Sim => sim::BUILD,
    }
}

/// One module for each backend: with its feature the builder, without it none.
macro_rules! backend {
    ($module:ident, $feature:literal, $pool:path) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::{Build, Strategy};

            pub(super) const BUILD: Option<Build> = Some(|config| {
                let pool = <$pool>::builder().config(config).build()?;
                Ok(Box::new(pool) as Box<dyn Strategy>)
            });
        }

        #[cfg(not(feature = $feature))]
        mod $module {
            pub(super) const BUILD: Option<super::Build> = None;
        }
    };
}

backend!(channel, "channel", ::pool_channel::ChannelPool);
backend!(
    work_stealing,
    "work-stealing",
    ::pool_work_stealing::WorkStealingPool
);
backend!(rayon, "rayon", ::pool_rayon::RayonPool);
backend!(on_runtime, "async", ::pool_async::AsyncPool);
backend!(sim, "sim", ::pool_sim::SimPool);
