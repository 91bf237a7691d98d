//! After the tests of `java.util.concurrent`'s `ThreadPoolExecutor` and `ForkJoinPool`.

mod abrupt;
mod counts;
mod fork_join;
mod invoke;
mod saturated;
mod threads;
