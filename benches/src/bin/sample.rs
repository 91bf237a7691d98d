//! Measures one sample and prints it as a line of JSON: `bench-sample WORKLOAD CONTESTANT SIZE
//! WORKERS [CAPACITY]`.

use std::env;

use anyhow::{Result, bail};
use benches::{Request, measure};

#[expect(clippy::print_stdout, reason = "the line is what the program is for")]
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (arguments, capacity) = match arguments.as_slice() {
        [arguments @ .., capacity] if arguments.len() == 4 => (arguments, Some(capacity)),
        arguments => (arguments, None),
    };
    let [workload, contestant, size, workers] = arguments else {
        bail!("usage: bench-sample WORKLOAD CONTESTANT SIZE WORKERS [CAPACITY]");
    };
    let sample = measure(&Request {
        workload: workload.parse()?,
        entry: contestant.parse()?,
        size: size.parse()?,
        workers: workers.parse()?,
        capacity: capacity.map(|it| it.parse()).transpose()?,
    })?;
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}
