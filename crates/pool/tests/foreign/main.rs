//! The cases of other pools' suites, in this project's own words, on every backend; `README.md`
//! next to this file is the table.

mod each;
mod jsr166;
mod pools;
mod rayon_core;
mod threadpool;
mod tokio_runtime;
