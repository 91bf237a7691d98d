//! The engines that a caller lends to a pool.

use std::fmt;

use crate::choice::Backend;

/// An engine of the caller's for each backend that can run on one.
#[derive(Clone, Default)]
pub(crate) struct AdoptedEngines {
    #[cfg(feature = "rayon")]
    pub(crate) rayon: Option<std::sync::Arc<rayon::ThreadPool>>,
    #[cfg(feature = "async")]
    pub(crate) tokio: Option<tokio::runtime::Handle>,
    /// The backend of the one that was given last.
    pub(crate) latest: Option<Backend>,
}

impl fmt::Debug for AdoptedEngines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptedEngines")
            .field("latest", &self.latest)
            .finish_non_exhaustive()
    }
}

// Nothing in here is called by a builder or a pool of this crate: the engines are passed on as they
// are.
impl std::panic::UnwindSafe for AdoptedEngines {}
impl std::panic::RefUnwindSafe for AdoptedEngines {}
