//! A closure that takes the context returns no `Result`.

//~ to return `Result<_, _>`, but it returns `{integer}`
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit(|_: &JobContext<'_>| 42);
}
