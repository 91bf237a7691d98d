//! What the threads and jobs of one program share.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pool::CancelToken;

use super::books::{Books, Record, lock};
use super::handle::Handle;
use super::pools::AnyPool;
use super::program::{Op, Program, each_op};
use super::told::Short;

/// How long the main thread waits for borrowers of a pool before it reports that.
const MOMENT: Duration = Duration::from_micros(50);

/// A handle that was kept, and its job.
type Kept = (Arc<Record>, Handle);

/// Everything that a thread or a job of a program may use.
#[derive(Debug)]
pub(super) struct World {
    pub(super) program: Program,
    pub(super) books: Arc<Books>,
    pools: Vec<Lent>,
    /// By the job's number: its handle, if it was kept.
    handles: Vec<Mutex<Option<Kept>>>,
    pub(super) tokens: Vec<CancelToken>,
    /// By thread: the address of the operation that it is in.
    pub(super) at: Vec<AtomicUsize>,
    pub(super) main_at: Mutex<String>,
}

/// The main thread's handle of a pool, which others may borrow.
#[derive(Debug)]
struct Lent {
    pool: Mutex<Option<AnyPool>>,
    loans: AtomicUsize,
}

/// A pool in use: borrowed from the main thread, or the user's own clone.
pub(super) struct Lease<'a> {
    pool: Option<AnyPool>,
    lender: Option<&'a Lent>,
}

impl Lease<'_> {
    pub(super) fn own(pool: AnyPool) -> Self {
        Self {
            pool: Some(pool),
            lender: None,
        }
    }

    pub(super) fn pool(&self) -> &AnyPool {
        self.pool.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Lease<'_> {
    /// The main thread keeps its handle until all loans are back: a borrower's is never the last.
    fn drop(&mut self) {
        drop(self.pool.take());
        if let Some(lender) = self.lender {
            lender.loans.fetch_sub(1, SeqCst);
        }
    }
}

impl World {
    pub(super) fn new(program: Program, books: Arc<Books>, pools: Vec<AnyPool>) -> Arc<Self> {
        let lend = |pool| Lent {
            pool: Mutex::new(Some(pool)),
            loans: AtomicUsize::new(0),
        };
        Arc::new(Self {
            books,
            pools: pools.into_iter().map(lend).collect(),
            handles: program.jobs.iter().map(|_| Mutex::default()).collect(),
            tokens: (0..program.tokens).map(|_| CancelToken::new()).collect(),
            at: program
                .threads
                .iter()
                .map(|_| AtomicUsize::new(0))
                .collect(),
            main_at: Mutex::default(),
            program,
        })
    }

    /// Borrows a pool, if the main thread still has it.
    pub(super) fn borrow(&self, pool: u8) -> Option<Lease<'_>> {
        let lent = self.pools.get(usize::from(pool))?;
        let held = lock(&lent.pool);
        let pool = held.clone()?;
        lent.loans.fetch_add(1, SeqCst);
        drop(held);
        Some(Lease {
            pool: Some(pool),
            lender: Some(lent),
        })
    }

    /// The main thread's own handle, once no borrower is left.
    pub(super) fn take_back(&self, pool: u8) -> Option<AnyPool> {
        let lent = self.pools.get(usize::from(pool))?;
        let taken = lock(&lent.pool).take();
        while lent.loans.load(SeqCst) > 0 {
            thread::sleep(MOMENT);
        }
        taken
    }

    pub(super) fn keep(&self, record: Arc<Record>, handle: Handle) {
        let before = match self.handles.get(record.number as usize) {
            Some(place) => lock(place).replace((record, handle)),
            None => Some((record, handle)),
        };
        drop(before);
    }

    pub(super) fn take_handle(&self, job: u16) -> Option<Kept> {
        lock(self.handles.get(usize::from(job))?).take()
    }

    pub(super) fn main_is_at(&self, what: String) {
        *lock(&self.main_at) = what;
    }

    /// The operation at an address, in words.
    pub(super) fn op_at(&self, address: usize) -> String {
        let mut found = None;
        for list in self.program.lists() {
            each_op(list, &mut |op| {
                if address == address_of(op) {
                    found = Some(Short(op).to_string());
                }
            });
        }
        found.unwrap_or_else(|| "between operations".to_owned())
    }

    /// Hangs in which several jobs wait for a whole pool are told apart from others, and from those
    /// in which the main thread joins a handle.
    pub(super) fn class_of_hang(&self) -> &'static str {
        let mut waits = 0;
        for record in self.books.open_records() {
            let at = self.op_at(record.at.load(SeqCst));
            waits += usize::from(at.starts_with("WaitIdle") || at.starts_with("Shutdown"));
        }
        match lock(&self.main_at).as_str() {
            _ if waits > 1 => "hang-of-waits",
            at if at.starts_with("joins job") => "hang-of-handle",
            at if at.starts_with("ends pool") => "hang-of-end",
            _ => "hang",
        }
    }

    /// What each thread and each job that has begun is doing.
    pub(super) fn told(&self) -> Vec<String> {
        let mut told = vec![format!("main: {}", lock(&self.main_at))];
        for (thread, at) in self.at.iter().enumerate() {
            let at = at.load(SeqCst);
            told.push(format!("thread {thread}: {}", self.op_at(at)));
        }
        for record in self.books.open_records() {
            let at = self.op_at(record.at.load(SeqCst));
            told.push(format!("{record}; at: {at}"));
        }
        for (index, lent) in self.pools.iter().enumerate() {
            let pool = lock(&lent.pool).clone();
            if let Some(pool) = pool {
                let stats = pool.stats();
                told.push(format!("pool {index}: {stats}"));
                // It must not be the last.
                std::mem::forget(pool);
            }
        }
        told
    }
}

pub(super) fn address_of(op: &Op) -> usize {
    std::ptr::from_ref(op).addr()
}
