//! The engine of a pool is out of reach.

//~ method `engine` is private
use pool::ChannelPool;

fn main() {
    let pool = ChannelPool::builder().build().unwrap();
    pool.engine();
}
