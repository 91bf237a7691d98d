//! `cargo xtask ci`: what the continuous integration runs.

use anyhow::Result;

use crate::{bench, test};

/// Tests, then shows that the benches still build and run; their figures mean nothing on a shared machine.
pub(crate) fn run() -> Result<()> {
    test::run()?;
    bench::run(&bench::Options::smoke())
}
