//! A closure for `submit` leaves out the type of its context.

//~ consider giving this closure parameter an explicit type
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit(|ctx| Ok::<_, ()>(ctx.id()));
}
