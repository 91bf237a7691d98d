//! The command line: what it may say, and what it answers to a wrong one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use pool::{Backend, DEFAULT_CAPACITY};

/// Hashes every file below a folder with BLAKE3.
#[derive(Debug, Parser)]
#[command(name = "checksum")]
pub(crate) struct Args {
    /// Who runs the jobs; without it POOL_BACKEND from the environment, otherwise the first
    /// compiled in
    #[arg(long, value_name = "NAME", value_parser = backend)]
    pub(crate) backend: Option<Backend>,
    /// Files hashed at once; without it as many as the system runs in parallel
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = at_least_one)]
    pub(crate) workers: Option<usize>,
    /// Files that may wait for a worker
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_CAPACITY, allow_negative_numbers = true, value_parser = at_least_one)]
    pub(crate) queue: usize,
    /// Seconds that one file may take, from its start; without it no limit
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Seconds that accepted files get to finish after Ctrl-C or SIGTERM
    #[arg(long, value_name = "SECONDS", default_value = "10", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) grace: Duration,
    /// Where to look for files; links below it are not followed
    pub(crate) folder: PathBuf,
}

impl Args {
    /// Reads the command line; one that is wrong ends the process with 2 and says what would be
    /// right.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        let folder = args.folder.display();
        match fs::metadata(&args.folder) {
            Ok(found) if found.is_dir() => args,
            Ok(_) => exit_with(&format!("`{folder}` is not a folder: name a folder")),
            Err(error) => exit_with(&format!(
                "cannot look into `{folder}` ({error}): name a folder that exists and that you may read"
            )),
        }
    }
}

/// Ends the process as clap does for a wrong command line.
pub(crate) fn exit_with(message: &str) -> ! {
    Args::command()
        .error(ErrorKind::ValueValidation, message)
        .exit()
}

fn backend(name: &str) -> Result<Backend, String> {
    let backend: Backend = name
        .parse()
        .map_err(|error: pool::ParseBackendError| error.to_string())?;
    if backend.is_available() {
        return Ok(backend);
    }
    let available: Vec<String> = Backend::available()
        .iter()
        .map(Backend::to_string)
        .collect();
    Err(format!(
        "it is not compiled in (build with `--features {name}`); compiled in: {}",
        available.join(", ")
    ))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be 1 or more".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}: give a whole number, 1 or more")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let right = "give seconds, 0 or more, such as 2.5";
    let seconds: f64 = text.parse().map_err(|error| format!("{error}: {right}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{error}: {right}"))
}
