//! Nothing says what the error of a job is.

//~ cannot infer type of the type parameter `E` declared on the enum `Result`
#![allow(unused_imports, unused_must_use)]
use pool::{JobContext, Pool, job_fn};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.submit(job_fn(|_| {
        let number: u32 = "42".parse()?;
        Ok(number)
    }));
}
