//! A bare future is given to `submit_future`.

//~ expected a `FnOnce(AsyncContext)` closure, found `{async block
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit_future(async { 42 });
}
