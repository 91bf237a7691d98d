//! After the tests of tokio's runtime: tasks in every combination, wakes at every moment, nested
//! runtimes.

mod blocking;
mod cancelled;
mod combinations;
mod ending;
mod futures;
mod thread_locals;
