//! Measures one sample and prints it as a line of JSON: `bench-sample WORKLOAD CONTESTANT SIZE
//! WORKERS`.

use std::env;

use anyhow::{Result, bail};
use benches::measure;

#[expect(clippy::print_stdout, reason = "the line is what the program is for")]
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [workload, contestant, size, workers] = arguments.as_slice() else {
        bail!("usage: bench-sample WORKLOAD CONTESTANT SIZE WORKERS");
    };
    let sample = measure(
        workload.parse()?,
        contestant.parse()?,
        size.parse()?,
        workers.parse()?,
    )?;
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}
