//! A plain closure is given to `submit`.

//~ closure is expected to take 1 argument, but it takes 0 arguments
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit(|| 42);
}
