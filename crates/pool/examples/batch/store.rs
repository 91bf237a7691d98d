//! `Store`: a worker's own connection, and writes that are tried again.

use std::path::Path;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use pool::{Interrupted, JobContext, StateError};
use rusqlite::{Connection, ErrorCode, ffi};

/// A connection. It belongs to one worker, so it needs no lock, and is opened once for all jobs
/// there.
pub(crate) struct Store(Connection);

/// Writes that fail on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// Those of every Nth item; 0: none.
    pub(crate) every: u64,
    /// How often each of them.
    pub(crate) times: u32,
}

/// Why an item is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the database refuses it")]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Store {
    /// Makes the database, if it is not there, and its table.
    pub(crate) fn create(path: &Path) -> rusqlite::Result<()> {
        let Self(connection) = Self::open(path)?;
        // Readers and the one writer do not wait for each other. It stays so in the file.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS results \
             (item INTEGER PRIMARY KEY, hash TEXT NOT NULL, attempts INTEGER NOT NULL)",
        )
    }

    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        // A writer that meets another one says so at once, and leaves the wait to the pool's timer.
        connection.busy_timeout(Duration::ZERO)?;
        Ok(Self(connection))
    }

    fn put(&mut self, item: u64, hash: &str, attempts: u32) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO results VALUES (?1, ?2, ?3)";
        let mut statement = self.0.prepare_cached(sql)?;
        statement.execute((item.cast_signed(), hash, attempts))?;
        Ok(())
    }
}

impl Faults {
    /// What a database says that another connection has locked.
    fn check(self, item: u64, attempt: u32) -> rusqlite::Result<()> {
        let is_due = self.every > 0 && item.is_multiple_of(self.every) && attempt <= self.times;
        if is_due {
            let busy = ffi::Error::new(ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, None));
        }
        Ok(())
    }
}

/// The job of an item: what is computed once is written until it is stored.
pub(crate) fn put_with_retries(
    ctx: &JobContext<'_>,
    item: u64,
    faults: Faults,
) -> Result<(), Failure> {
    let hash = blake3::hash(&item.to_le_bytes()).to_string();
    let delays = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(1))
        .with_max_delay(Duration::from_millis(100))
        .with_max_times(20);
    let mut delays = delays.build();
    for attempt in 1.. {
        let put = |store: &mut Store| {
            faults.check(item, attempt)?;
            store.put(item, &hash, attempt)
        };
        // The state is given back before the sleep.
        let Err(error) = ctx.with_state_mut(put)? else {
            break;
        };
        let delay = delays.next().filter(|_| is_transient(&error));
        let Some(delay) = delay else {
            return Err(error.into());
        };
        ctx.sleep(delay)?;
    }
    Ok(())
}

/// Whether the same write may succeed a moment later.
fn is_transient(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
