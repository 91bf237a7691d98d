//! `Backend`: a backend by name, whether compiled in or not.

use std::fmt;
use std::str::FromStr;

use pool_core::BuildError;

use crate::environment;

/// What runs the jobs. All names always exist; one that is not compiled in is an error at build,
/// which names the feature.
///
/// Its text and its name are the same, and parse back to it.
///
/// # Examples
///
/// ```
/// use pool::Backend;
///
/// let named: Backend = "work-stealing".parse()?;
/// assert_eq!(named, Backend::WorkStealing);
/// assert_eq!(named.to_string(), named.name());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// Returns those of [`ALL`](Self::ALL) that are compiled in.
    ///
    /// For a program that offers the choice to its user, or tests on all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    ///
    /// for backend in Backend::available() {
    ///     let pool = Pool::builder().backend(backend).workers(1).build()?;
    ///     assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|backend| backend.is_available())
            .collect()
    }

    /// Returns whether the backend is compiled in.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Backend;
    ///
    /// assert!(Backend::default().is_available());
    /// ```
    pub fn is_available(self) -> bool {
        match self {
            Self::Channel => cfg!(feature = "channel"),
            Self::WorkStealing => cfg!(feature = "work-stealing"),
            Self::Rayon => cfg!(feature = "rayon"),
            Self::Async => cfg!(feature = "async"),
            Self::Sim => cfg!(feature = "sim"),
        }
    }

    /// Returns the backend's name, which is that of its feature as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Backend;
    ///
    /// assert_eq!(Backend::Async.name(), "async"); // compiled in or not
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::WorkStealing => "work-stealing",
            Self::Rayon => "rayon",
            Self::Async => "async",
            Self::Sim => "sim",
        }
    }

    /// Returns the backend that the environment names in `POOL_BACKEND`, otherwise the default.
    ///
    /// [`Builder::build`](crate::Builder::build) asks it where the code chooses no backend.
    ///
    /// # Errors
    /// [`BuildError::Environment`] if the name is unknown: it lists those compiled in.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    ///
    /// let backend = Backend::from_env()?;
    /// let pool = Pool::builder().workers(1).build()?; // asks likewise
    /// assert_eq!(pool.backend(), backend);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
///
/// Its message lists the backends that are compiled in.
///
/// # Examples
///
/// ```
/// use pool::Backend;
///
/// let unknown = "threads".parse::<Backend>().unwrap_err();
/// assert!(unknown.to_string().contains("channel"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseBackendError {
    /// What was to be a name.
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
