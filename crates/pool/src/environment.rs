//! What the environment says where the code does not.

use std::env;
use std::ffi::OsString;

use pool_core::{BuildError, MAX_WORKERS};

use crate::choice::Backend;

/// Names the backend.
///
/// Its values are the names of [`Backend`].
const BACKEND: &str = "POOL_BACKEND";
/// Says how many workers there are.
///
/// A number from 1 to [`MAX_WORKERS`].
const WORKERS: &str = "POOL_WORKERS";

/// The backend that the environment names. `None`: the variable is not set.
///
/// # Errors
/// The name is unknown. One that is known and not compiled in is found out at the build.
pub(crate) fn backend() -> Result<Option<Backend>, BuildError> {
    read(BACKEND, |name| {
        name.to_string_lossy()
            .parse()
            .map_err(|error: crate::ParseBackendError| error.to_string())
    })
}

/// The number of workers that the environment gives. `None`: the variable is not set.
///
/// # Errors
/// It is no number, or not one that a pool can have.
pub(crate) fn workers() -> Result<Option<usize>, BuildError> {
    read(WORKERS, |number| {
        let number = number.to_string_lossy();
        match number.trim().parse() {
            Ok(workers @ 1..=MAX_WORKERS) => Ok(workers),
            _ => Err(format!(
                "`{number}` is not a number of workers from 1 to {MAX_WORKERS}"
            )),
        }
    })
}

/// Parses a variable, if it is set.
fn read<T>(
    variable: &'static str,
    parse: impl FnOnce(OsString) -> Result<T, String>,
) -> Result<Option<T>, BuildError> {
    let value = env::var_os(variable);
    value
        .map(parse)
        .transpose()
        .map_err(|reason| BuildError::Environment { variable, reason })
}
