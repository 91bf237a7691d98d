//! A bare future is given to `submit`.

//~ is not a job
//~ a future goes to `spawn_future`
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit(async { 42 });
}
