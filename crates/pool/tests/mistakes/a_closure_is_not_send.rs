//! A closure captures what must not leave its thread.

//~ `Rc<i32>` cannot be sent between threads safely
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    let count = std::rc::Rc::new(1);
    pool.submit(job_fn(move |_| Ok::<_, ()>(*count)));
}
