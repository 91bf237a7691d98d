//! A closure borrows a local variable.

//~ closure may outlive the current function, but it borrows `text`
//~ use the `move` keyword
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    let text = String::from("42");
    pool.spawn(|| text.len());
}
