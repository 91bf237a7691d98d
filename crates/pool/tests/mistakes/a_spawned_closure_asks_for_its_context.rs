//! A closure for `spawn` takes the context.

//~ closure is expected to take 0 arguments, but it takes 1 argument
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.spawn(|ctx: &JobContext<'_>| ctx.id());
}
