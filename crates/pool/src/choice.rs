//! `Backend`: a backend by name, whether compiled in or not.

use std::fmt;
use std::str::FromStr;

use pool_core::BuildError;

use crate::environment;

/// Who runs the jobs. All names always exist; one that is not compiled in is an error at build,
/// which names the feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Threads on one bounded queue, first in, first out.
    Channel,
    /// A deque for each worker, and stealing between them.
    WorkStealing,
    /// A rayon thread pool.
    Rayon,
    /// A tokio runtime.
    Async,
    /// The simulation that the test runs in, which the feature `sim` has: its threads take turns as
    /// a seed says, and time is its own. Built anywhere else, it is an error that says so.
    Sim,
}

impl Backend {
    /// Every backend for production, compiled in or not: all but [`Sim`](Self::Sim), which only a
    /// test asks for, by its name.
    pub const ALL: [Self; 4] = [Self::Channel, Self::WorkStealing, Self::Rayon, Self::Async];

    /// Those of [`ALL`](Self::ALL) that are compiled in.
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|backend| backend.is_available())
            .collect()
    }

    /// Whether the backend is compiled in.
    pub fn is_available(self) -> bool {
        match self {
            Self::Channel => cfg!(feature = "channel"),
            Self::WorkStealing => cfg!(feature = "work-stealing"),
            Self::Rayon => cfg!(feature = "rayon"),
            Self::Async => cfg!(feature = "async"),
            Self::Sim => cfg!(feature = "sim"),
        }
    }

    /// The backend's name, which is that of its feature as well.
    pub fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::WorkStealing => "work-stealing",
            Self::Rayon => "rayon",
            Self::Async => "async",
            Self::Sim => "sim",
        }
    }

    /// The backend that the environment names in `POOL_BACKEND`, otherwise the default.
    ///
    /// # Errors
    /// [`BuildError::Environment`] if the name is unknown: it lists those compiled in.
    pub fn from_env() -> Result<Self, BuildError> {
        environment::backend().map(Option::unwrap_or_default)
    }
}

/// The first that is compiled in, in the order of [`Backend::ALL`].
impl Default for Backend {
    fn default() -> Self {
        Self::available().first().copied().unwrap_or(Self::Channel)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = ParseBackendError;

    fn from_str(name: &str) -> Result<Self, ParseBackendError> {
        let mut all = Self::ALL.into_iter().chain([Self::Sim]);
        let found = all.find(|backend| backend.name() == name);
        found.ok_or_else(|| ParseBackendError {
            name: name.to_owned(),
        })
    }
}

/// No backend has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseBackendError {
    name: String,
}

impl fmt::Display for ParseBackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no backend is named `{}`; compiled in: ", self.name)?;
        let names: Vec<&str> = Backend::available()
            .into_iter()
            .map(Backend::name)
            .collect();
        if names.is_empty() {
            return f.write_str("none (enable a feature of the crate `pool`)");
        }
        f.write_str(&names.join(", "))
    }
}

impl std::error::Error for ParseBackendError {}
