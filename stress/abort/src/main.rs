//! A pool in a build with `panic = "abort"`: everything that does not panic works as usual, and a
//! panic ends the process.
//!
//! `cargo run -p abort --profile abort`
//!
//! A package of its own, since a profile builds all dependencies anew: those of the tests and
//! examples of `pool`, a database and a web server among them, are not wanted here.

#![expect(clippy::print_stdout, reason = "the program says what works")]

use std::process::Command;
use std::time::Duration;

use pool::{Backend, CancelToken, JobContext, JobError, JobExt, Pool};

/// The argument that makes the program show what a panic does.
const PANICS: &str = "panics";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if !cfg!(panic = "abort") {
        return Err("this build catches panics: add --profile abort".into());
    }
    if std::env::args().any(|argument| argument == PANICS) {
        let pool = Pool::builder().workers(1).build()?;
        // Neither this call nor the process comes back.
        let _never = pool.spawn(|| -> () { panic!("out of ink") })?.join();
        return Ok(());
    }
    for backend in Backend::available() {
        works(backend)?;
        println!("{backend}: works");
    }
    let status = Command::new(std::env::current_exe()?)
        .arg(PANICS)
        .status()?;
    // On Unix there is no code, since a signal ended it; elsewhere it is any code other than
    // success.
    assert!(
        !status.success(),
        "a panic was survived, which this build cannot do"
    );
    println!("a panic: ends the process ({status})");
    Ok(())
}

/// Each kind of job, and each end except a panic.
fn works(backend: Backend) -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().backend(backend).workers(2).build()?;
    assert_eq!(pool.spawn(|| 6 * 7)?.join()?, 42);
    let failed = pool.submit(|_: &JobContext<'_>| "no".parse::<u32>())?;
    assert!(matches!(failed.join(), Err(JobError::Failed(_))));
    let token = CancelToken::new();
    token.cancel();
    let nothing = |_: &JobContext<'_>| Ok::<_, ()>(());
    let cancelled = pool.submit(nothing.with_token(&token))?;
    assert!(matches!(cancelled.join(), Err(JobError::Cancelled)));
    let expired = pool.submit(nothing.with_timeout(Duration::ZERO))?;
    assert!(matches!(expired.join(), Err(JobError::Expired)));
    assert_eq!(pool.spawn_future(async { 1 })?.join()?, 1);
    let squares: Vec<u32> = pool.map(0..4, |n| n * n).flatten().collect();
    assert_eq!(squares, [0, 1, 4, 9]);
    let report = pool.shutdown(Duration::from_secs(30));
    assert!(report.is_clean() && report.is_safe_to_exit(), "{report}");
    Ok(())
}
