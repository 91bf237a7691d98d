//! The life of a pool is out of reach.

//~ method `lives` is private
use pool::{Executor, Pool};

fn main() {
    let pool = Pool::builder().build().unwrap();
    pool.pools().lives()[0].close();
}
