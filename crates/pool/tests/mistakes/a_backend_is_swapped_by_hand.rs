//! The seam of a swap is out of reach.

//~ could not find `swap` in `pool`
use pool::ChannelPool;
use pool::swap::HandOver;

fn main() {
    let pool = ChannelPool::builder().build().unwrap();
    pool.retire();
}
