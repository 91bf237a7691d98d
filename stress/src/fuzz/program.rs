//! A random program as data: what it builds, what its threads and jobs do, and how it ends.

use serde::{Deserialize, Serialize};

/// The token that the reaper cancels, so that jobs that wait for a cancellation end.
pub(super) const REAPED: u8 = 0;

/// One program. Jobs are in a flat list: a job's number is its index, and a job that another one
/// submits has the larger number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) pools: Vec<PoolSpec>,
    pub(super) threads: Vec<Script>,
    pub(super) jobs: Vec<Job>,
    /// How many cancellation tokens there are, including the reaper's.
    pub(super) tokens: u8,
    /// When the reaper cancels its token, in microseconds from the start.
    pub(super) reaps_after: u32,
    /// The handles that were kept are joined before the last act of the pools, not after it.
    pub(super) joins_first: bool,
}

/// The backend that runs the jobs of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Engine {
    Channel,
    WorkStealing,
    Rayon,
    Async,
    AdoptedRayon,
    AdoptedTokio,
    AdoptedCurrentThread,
}

impl Engine {
    pub(super) fn is_adopted(self) -> bool {
        matches!(
            self,
            Self::AdoptedRayon | Self::AdoptedTokio | Self::AdoptedCurrentThread
        )
    }
}

/// One pool and its last act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PoolSpec {
    pub(super) engine: Engine,
    pub(super) workers: u8,
    pub(super) capacity: u16,
    pub(super) last: LastAct,
}

/// What the main thread finally does with a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum LastAct {
    Ends(Limit),
    /// Waits for an idle moment, then drops the handle.
    Idles,
    Drops,
}

/// The limit of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Limit {
    Now,
    /// Milliseconds of grace, and of cancel grace.
    Within(u16, u16),
    Drain,
}

/// How a shutdown is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum How {
    Blocks,
    Awaits,
    PolledOnce,
}

/// A thread outside the pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Script {
    /// Pools of which it holds its own clone.
    pub(super) holds: Vec<u8>,
    pub(super) ops: Vec<Op>,
}

/// A closure or a future; the way in decides which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) ops: Vec<Op>,
    pub(super) end: End,
    pub(super) named: bool,
    pub(super) token: Option<u8>,
    pub(super) deadline: Option<Deadline>,
    /// Pools of which it captures a clone.
    pub(super) holds: Vec<u8>,
    pub(super) on_drop: OnDrop,
    pub(super) on_result_drop: OnDrop,
}

impl Job {
    /// A job that does nothing.
    pub(super) fn empty() -> Self {
        Self {
            ops: Vec::new(),
            end: End::Ok,
            named: false,
            token: None,
            deadline: None,
            holds: Vec::new(),
            on_drop: OnDrop::Nothing,
            on_result_drop: OnDrop::Nothing,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Deadline {
    Past,
    /// Microseconds from the submission.
    In(u32),
    Far,
}

/// How a job ends once its operations are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    Ok,
    Err,
    Panics,
    /// It panics with a payload that panics when it is dropped.
    PanicsTwice,
    /// It waits to be cancelled.
    Never,
}

/// The action when something of a job is dropped, on whatever thread that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum OnDrop {
    Nothing,
    Panics,
    /// Submits an empty job, without waiting.
    Submits(u8),
    CancelsToken(u8),
    CancelsJob(u16),
    DropsHandle(u16),
    WakesAll,
}

/// The ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    Submit,
    TrySubmit,
    /// Microseconds.
    SubmitTimeout(u32),
    SubmitAsync,
    /// `submit_async`, polled once and dropped.
    SubmitAsyncDropped,
    /// `submit_async`, polled once and kept until the thread or job that called it ends.
    SubmitAsyncKept,
    Execute,
    TryExecute,
    Spawn,
    SubmitFuture,
    TrySubmitFuture,
    SpawnFuture,
    /// Through the context, as a child.
    CtxSubmit,
    CtxExecute,
}

impl Way {
    pub(super) fn is_future(self) -> bool {
        matches!(
            self,
            Self::SubmitFuture | Self::TrySubmitFuture | Self::SpawnFuture
        )
    }

    /// The job can have neither options nor an error.
    pub(super) fn is_sure(self) -> bool {
        matches!(self, Self::Spawn | Self::SpawnFuture)
    }

    /// There is no handle.
    pub(super) fn is_bare(self) -> bool {
        matches!(self, Self::Execute | Self::TryExecute | Self::CtxExecute)
    }

    /// It waits for room without a limit, except in a job of the same pool.
    pub(super) fn waits(self) -> bool {
        matches!(
            self,
            Self::Submit
                | Self::SubmitAsync
                | Self::Execute
                | Self::Spawn
                | Self::SubmitFuture
                | Self::SpawnFuture
        )
    }

    pub(super) fn is_of_context(self) -> bool {
        matches!(self, Self::CtxSubmit | Self::CtxExecute)
    }
}

/// What to do with a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Then {
    Keep,
    Join,
    /// Microseconds; the handle is kept if the time passes.
    JoinTimeout(u32),
    Await,
    PollOnceKeep,
    PollOnceDrop,
    CancelKeep,
    CancelJoin,
    CancelDrop,
    Look,
    Detach,
    Forget,
}

impl Then {
    /// It waits for the job without a limit.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Join | Self::Await | Self::CancelJoin)
    }

    /// It may run the job in place.
    pub(super) fn polls(self) -> bool {
        matches!(self, Self::PollOnceKeep | Self::PollOnceDrop)
    }

    /// Whether the job that does it runs others meanwhile.
    pub(super) fn helps(self) -> bool {
        matches!(
            self,
            Self::Join
                | Self::CancelJoin
                | Self::JoinTimeout(_)
                | Self::Await
                | Self::PollOnceKeep
                | Self::PollOnceDrop
        )
    }

    pub(super) fn cancels(self) -> bool {
        matches!(self, Self::CancelKeep | Self::CancelJoin | Self::CancelDrop)
    }
}

/// Which half of a fork panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Bad {
    None,
    Left,
    Right,
}

/// One step of a thread or a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Op {
    Submit {
        pool: u8,
        way: Way,
        job: u16,
        then: Then,
    },
    SubmitAll {
        pool: u8,
        jobs: Vec<u16>,
        then: Then,
    },
    Map {
        pool: u8,
        inputs: u8,
        ordered: bool,
        /// Outcomes that are taken before the map is dropped.
        taken: u8,
        panics: bool,
    },
    Scope {
        pool: u8,
        jobs: Vec<u16>,
        panics: bool,
    },
    Fork {
        left: Vec<Op>,
        right: Vec<Op>,
        bad: Bad,
    },
    /// Takes a handle that was kept, if it is there.
    Handle {
        job: u16,
        then: Then,
    },
    CancelToken(u8),
    /// Busy for this many microseconds.
    Work(u32),
    /// Sleeps for this many microseconds: a future by a timer, others with their thread.
    Sleep(u32),
    Yield,
    Check,
    WaitIdle(u8),
    Stats(u8),
    Swap(u8, Engine),
    Close(u8),
    Shutdown {
        pool: u8,
        limit: Limit,
        how: How,
        /// If set, what did not start is submitted to this pool; otherwise it is dropped.
        resubmit: Option<u8>,
    },
    /// Drops the thread's or the job's own clone.
    DropPool(u8),
}

impl Op {
    /// Lists of operations within this one.
    pub(super) fn nested(&self) -> [&[Self]; 2] {
        match self {
            Self::Fork { left, right, .. } => [left, right],
            _ => [&[], &[]],
        }
    }

    /// The jobs that it submits.
    pub(super) fn jobs(&self) -> &[u16] {
        match self {
            Self::Submit { job, .. } => std::slice::from_ref(job),
            Self::SubmitAll { jobs, .. } | Self::Scope { jobs, .. } => jobs,
            _ => &[],
        }
    }
}

/// Calls `visit` with each operation of a list, nested ones included.
pub(super) fn each_op<'a>(ops: &'a [Op], visit: &mut impl FnMut(&'a Op)) {
    for op in ops {
        visit(op);
        for nested in op.nested() {
            each_op(nested, visit);
        }
    }
}

impl Program {
    /// Every list of operations: of the threads, then of the jobs.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Vec<Op>> {
        let threads = self.threads.iter().map(|script| &script.ops);
        threads.chain(self.jobs.iter().map(|job| &job.ops))
    }

    pub(super) fn lists_mut(&mut self) -> impl Iterator<Item = &mut Vec<Op>> {
        let threads = self.threads.iter_mut().map(|script| &mut script.ops);
        threads.chain(self.jobs.iter_mut().map(|job| &mut job.ops))
    }

    /// How many operations it has, including those of jobs that are never submitted.
    pub(super) fn size(&self) -> usize {
        let mut size = 0;
        for list in self.lists() {
            each_op(list, &mut |_| size += 1);
        }
        size
    }

    /// Whether any operation satisfies `is_it`.
    pub(super) fn has(&self, mut is_it: impl FnMut(&Op) -> bool) -> bool {
        let mut has = false;
        for list in self.lists() {
            each_op(list, &mut |op| has |= is_it(op));
        }
        has
    }
}
