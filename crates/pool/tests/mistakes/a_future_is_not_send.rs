//! A future keeps what must not leave its thread across an await.

//~ future cannot be sent between threads safely
//~ with `count` maybe used later
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.spawn_future(async {
        let count = std::rc::Rc::new(1);
        std::future::ready(()).await;
        *count
    });
}
