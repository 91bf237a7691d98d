//! The example `batch` as a user meets it: what is in the database, its output, and its exit code.
//!
//! Where threads are: its workers have state.
#![cfg(unix)]

mod example_binary;

use std::fs;
use std::path::{Path, PathBuf};

use example_binary::{Running, command};
use pool::Backend;
use rusqlite::Connection;

const ITEMS: u32 = 40;

/// A database of one test's own, gone with it.
struct Database(PathBuf);

impl Database {
    fn new(test: &str, backend: Backend) -> Self {
        let name = format!("batch-{test}-{backend}-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("the target folder is writable");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("results.db")
    }

    /// The numbers of the items with how often each was written, in their order.
    fn attempts(&self) -> Vec<(u32, u32)> {
        let connection = Connection::open(self.path()).expect("it is there");
        let mut statement = connection
            .prepare("SELECT item, attempts FROM results ORDER BY item")
            .expect("it has the table");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.expect("it can be read")
            .collect::<Result<_, _>>()
            .expect("they are numbers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What cannot be removed is below the target folder, and goes with that.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn run(database: &Database, backend: Backend, arguments: &[&str]) -> example_binary::Finished {
    let mut command = command("batch");
    command
        .arg(database.path())
        .args(["--items", &ITEMS.to_string(), "--workers", "3"])
        .args(arguments)
        .env("POOL_BACKEND", backend.name());
    Running::start(command).finish()
}

#[test]
fn what_fails_at_first_is_tried_again_until_it_is_stored() {
    for backend in Backend::available() {
        let database = Database::new("retries", backend);
        let finished = run(
            &database,
            backend,
            &["--fail-every", "5", "--fail-times", "2"],
        );
        assert_eq!(finished.code, Some(0), "{backend}: {}", finished.stderr);
        let attempts = database.attempts();
        let items: Vec<u32> = attempts.iter().map(|(item, _)| *item).collect();
        assert_eq!(items, (0..ITEMS).collect::<Vec<_>>(), "on {backend}");
        for (item, attempts) in attempts {
            // A database that is locked in earnest adds to these.
            let least = if item % 5 == 0 { 3 } else { 1 };
            assert!(attempts >= least, "item {item} on {backend}: {attempts}");
        }
    }
}

#[test]
fn what_fails_for_good_is_named_and_the_exit_code_says_so_and_a_second_run_stores_it() {
    for backend in Backend::available() {
        let database = Database::new("failures", backend);
        let hopeless = ["--fail-every", "20", "--fail-times", "1000"];
        let finished = run(&database, backend, &hopeless);
        assert_eq!(finished.code, Some(1), "{backend}: {}", finished.stdout);
        for item in [0, 20] {
            let line = format!("item {item} is not stored: ");
            assert!(finished.stdout.contains(&line), "{}", finished.stdout);
        }
        assert_eq!(database.attempts().len(), 38, "on {backend}");
        let again = run(&database, backend, &[]);
        assert_eq!(again.code, Some(0), "{backend}: {}", again.stderr);
        assert_eq!(database.attempts().len(), 40, "on {backend}");
    }
}
