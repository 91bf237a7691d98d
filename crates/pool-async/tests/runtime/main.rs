//! A pool and the runtime that it runs on, its own or the caller's.

mod ending;
mod lending;
mod on;
mod sizes;
mod whole;
