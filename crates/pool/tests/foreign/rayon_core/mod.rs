//! After the tests of rayon-core: pools that stop, jobs that join, scopes that nest.

mod joins;
mod scopes;
mod workers;
