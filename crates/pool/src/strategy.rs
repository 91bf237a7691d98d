//! The backends behind one type: what a pool holds of the one it runs on.

use pool_core::backend::PoolConfig;
use pool_core::swap::HandOver;
use pool_core::{BuildError, Executor};

use crate::adopted::AdoptedEngines;
use crate::choice::Backend;

/// A backend's pool, whichever it is.
///
/// It has no methods of its own: a submission, a shutdown, and the steps of a swap are all that a
/// generation is used for.
pub(crate) trait Strategy: Executor + HandOver {}

impl<P: Executor + HandOver> Strategy for P {}

/// A builder of one backend's pools.
type Build = fn(PoolConfig, &AdoptedEngines) -> Result<Box<dyn Strategy>, BuildError>;

/// Builds a backend's pool, on the caller's engine for it if there is one.
///
/// # Errors
/// [`BuildError::NotCompiledIn`] for a backend without its feature; what the backend's own builder
/// says.
pub(crate) fn build(
    backend: Backend,
    config: PoolConfig,
    adopted: &AdoptedEngines,
) -> Result<Box<dyn Strategy>, BuildError> {
    let build = builder(backend).ok_or(BuildError::NotCompiledIn {
        backend: backend.name(),
        feature: backend.name(),
    })?;
    build(config, adopted)
}

/// `None`: the backend is not compiled in.
fn builder(backend: Backend) -> Option<Build> {
    match backend {
        Backend::Channel => channel::BUILD,
        Backend::WorkStealing => work_stealing::BUILD,
        Backend::Rayon => rayon::BUILD,
        Backend::Async => on_runtime::BUILD,
        Backend::Sim => sim::BUILD,
    }
}

/// One module for each backend: with its feature the builder, without it none. A last argument
/// names the engine that may be adopted.
macro_rules! backend {
    ($module:ident, $feature:literal, $pool:path $(, $engine:ident)?) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::{Build, Strategy};

            pub(super) const BUILD: Option<Build> = Some(|config, _adopted| {
                let builder = <$pool>::builder().config(config);
                $(
                    let builder = match &_adopted.$engine {
                        Some(engine) => builder.adopt(engine.clone()),
                        None => builder,
                    };
                )?
                let pool = builder.build()?;
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
backend!(rayon, "rayon", ::pool_rayon::RayonPool, rayon);
backend!(on_runtime, "async", ::pool_async::AsyncPool, tokio);
backend!(sim, "sim", ::pool_sim::SimPool);
