//! A value is given to `submit`.

//~ `{integer}` is not a job
//~ `job_fn(|ctx| ..)` makes a job
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit(42);
}
