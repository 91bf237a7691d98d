//! `RunningJob`: what a pool runs at this moment, as anybody may look at any time; and what a
//! shutdown has left running.
//!
//! # Where running jobs are noted
//! Each worker notes the jobs on its stack in its seat's frames (`worker/status.rs`): the job that
//! it took, then those that run in place within it. A future that was suspended is noted apart
//! (`off_worker`), also while a worker polls it again. So both are read, of each generation of a
//! pool. Nothing is written for the reader's sake, and the reader writes nothing.
//!
//! # Which of them are over
//! A frame stands a little longer than its job: a thread that has joined the job may look before
//! the frame is gone. What the job leaves may run still: a hook, a destructor, a waker. That is
//! the user's code, which may take long. Where the worker knows so beforehand, it has marked the
//! frame. For the rest the reader has the seat's stripe of the books. Each job's end is
//! **recorded** there before the outcome is published, and the job is counted as **over** after its
//! frame is gone. Both counts grow, and jobs on one stack get over in the opposite order of their
//! starts.
//!
//! So the reader reads the recorded ends first. That count includes each job that had ended before
//! the look began. Then it reads the jobs that are over, the frames, and again those that are over.
//! If the two agree, as far as the recorded ones go, then `recorded - over` of the frames, and not
//! more, belong to jobs whose end is on record; these are the marked ones and the innermost of the
//! others. If they do not, some of those have left meanwhile, and the next look finds fewer. So
//! there are as many looks as jobs on a stack, at most.
//!
//! One case is left. Between the end of a nested job's frame and its count as over lie a few
//! instructions, and a reader that looks there would take the job around it for the one that has
//! ended. So while something is to be left out by count alone, the reader yields and looks again, a
//! number of times. A worker that loses its core just there may make it miss a job for a moment.
//! It never finds one that had ended. (A waker that runs another job in place, on the worker that
//! calls it, is taken for running in its place: nothing marks the frame of a job that only wakes.)
//!
//! # A future that moves
//! A future that is suspended is noted before its frame ends, and the frames are read before the
//! notes: it is found. A hosted future that gets a slot again has a frame before its note goes, the
//! other way round. So such returns are counted, and the reader looks again if there were any.
//!
//! # Locks
//! Nobody who runs jobs, and not the reader: it takes the locks of the named frames and of one
//! stripe of notes at a time, which are held for a push or a copy, never while user code runs. In a
//! forked child nothing runs, and a lock may stay taken: the reader looks at the phase first.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::sys::machine;
use crate::worker::status::{FrameNote, Status};

/// How often a reader looks again where what it has read may be of two moments.
const MAX_LOOKS: usize = if cfg!(pool_loom) { 2 } else { 64 };

/// How often the whole of a pool is looked at again, whose notes may be many. Each look lists only
/// jobs that ran at some moment of it.
const MAX_WHOLE_LOOKS: usize = if cfg!(pool_loom) { 2 } else { 4 };

/// A job that had started and was not over when somebody looked.
///
/// By [`ExecutorExt::running`](crate::ExecutorExt::running) and
/// [`snapshot`](crate::ExecutorExt::snapshot) while the pool works, and in the
/// [report](crate::ShutdownReport::still_running) of a shutdown that could not end it.
///
/// # Examples
///
/// ```
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// let report = pool.shutdown(std::time::Duration::from_secs(30));
/// for job in report.still_running() {
///     eprintln!("{job}"); // its id, its name, its worker, and for how long it has run
/// }
/// assert!(report.still_running().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningJob {
    /// The job.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// The worker whose place it has; `None` for a future that was suspended and gave its place up,
    /// also while a worker polls it again, or a job that another pool's worker runs.
    ///
    /// After a swap, workers of two backends may have the same index.
    pub worker: Option<usize>,
    /// For how long, never too short.
    ///
    /// Where jobs are short, the start is noted once for up to 64 of them that follow each other on
    /// a worker. So this may be too long, by what the jobs right before this one took, or the job
    /// around it up to this one's start. The time that a worker slept is never in it.
    pub running_for: Duration,
    /// Its end is decided, and what runs is code of the user's that it leaves: a hook, a
    /// destructor, a waker. Its handle may have resolved.
    pub is_ending: bool,
}

impl RunningJob {
    /// The job of a frame on the stack of `worker`. It is `now`, in nanoseconds of the pool's age.
    pub(crate) fn in_frame(frame: FrameNote, worker: usize, now: u64) -> Self {
        Self {
            id: frame.id,
            name: frame.name,
            worker: Some(worker),
            running_for: Duration::from_nanos(now.saturating_sub(frame.since)),
            is_ending: frame.is_ending,
        }
    }
}

/// A job's name as a text for a log has it. A name may come from a client: it gets no line of its
/// own, and no sequence that a terminal obeys.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            char if char.is_control() => write!(f, "{}", char.escape_default()),
            char => write!(f, "{char}"),
        })
    }
}

impl fmt::Display for RunningJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " `{}`", Printable(name))?;
        }
        match self.worker {
            Some(worker) => write!(f, " on worker {worker}")?,
            None => write!(f, " on no worker")?,
        }
        write!(f, ", running for {:.1?}", self.running_for)?;
        if self.is_ending {
            write!(f, ", ended but for a hook, a destructor or a waker")?;
        }
        Ok(())
    }
}

/// What one pool runs.
pub(crate) struct Running {
    /// Each worker's jobs, outermost first; those that are ending included.
    pub(crate) on_workers: Vec<Vec<RunningJob>>,
    /// Futures that were suspended.
    pub(crate) suspended: Vec<RunningJob>,
}

impl Running {
    /// Looks at `life`. In a forked child there is nothing.
    pub(crate) fn of(life: &Lifecycle) -> Self {
        if life.is_forked() {
            return Self {
                on_workers: Vec::new(),
                suspended: Vec::new(),
            };
        }
        let mut looks = MAX_WHOLE_LOOKS;
        loop {
            let returns = life.off_worker.returns();
            let running = Self::look(life);
            looks -= 1;
            if life.off_worker.returns() == returns || looks == 0 {
                return running;
            }
        }
    }

    /// Reads the frames and then the notes. A job that has both is on its worker.
    fn look(life: &Lifecycle) -> Self {
        let statuses = life.roster.statuses.iter().enumerate();
        let on_workers: Vec<Vec<RunningJob>> = statuses
            .map(|(worker, status)| {
                let frames = frames_of(status);
                // After the frames: no job has run for less than nothing.
                let now = life.age.nanos();
                let in_frame = |frame| RunningJob::in_frame(frame, worker, now);
                frames.into_iter().map(in_frame).collect()
            })
            .collect();
        let in_frames: HashSet<JobId> = on_workers.iter().flatten().map(|job| job.id).collect();
        let mut suspended = life.off_worker.jobs(life.age.nanos());
        suspended.retain(|job| !in_frames.contains(&job.id));
        Self {
            on_workers,
            suspended,
        }
    }
}

/// Returns the jobs of these pools that are not over: those on workers first, outermost first, then
/// futures that were suspended.
pub(crate) fn running(lives: &[Arc<Lifecycle>]) -> Vec<RunningJob> {
    let mut jobs = Vec::new();
    let mut suspended = Vec::new();
    for life in lives {
        let running = Running::of(life);
        let on_workers = running.on_workers.into_iter().flatten();
        jobs.extend(on_workers.filter(|job| !job.is_ending));
        suspended.extend(running.suspended.into_iter().filter(|job| !job.is_ending));
    }
    jobs.append(&mut suspended);
    jobs
}

/// Returns the frames of a seat, outermost first, of which those are marked whose jobs have ended;
/// see the module's head.
fn frames_of(status: &Status) -> Vec<FrameNote> {
    let recorded = status.recorded();
    let mut looks = MAX_LOOKS;
    loop {
        let before = status.over();
        let mut frames = status.frames();
        let after = status.over();
        if before.min(recorded) != after.min(recorded) {
            continue; // some that had ended have left meanwhile: there are fewer now
        }
        let marked = frames.iter().filter(|frame| frame.is_counted()).count();
        // How many have ended and left a frame that is not marked.
        let silent = recorded.saturating_sub(after).saturating_sub(marked as u64);
        if silent == 0 || frames.is_empty() || looks == 0 {
            let unmarked = frames.iter_mut().rev().filter(|frame| !frame.is_ending);
            let silent = usize::try_from(silent).unwrap_or(usize::MAX);
            unmarked
                .take(silent)
                .for_each(|frame| frame.is_ending = true);
            return frames;
        }
        looks -= 1;
        machine::yield_now();
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::Printable;

    #[test]
    fn a_name_writes_no_line_of_its_own_and_moves_no_cursor() {
        let name = "invoice 17\n\u{1b}[2J \u{e9}`\\";
        let shown = Printable(name).to_string();
        assert_eq!(shown, "invoice 17\\n\\u{1b}[2J \u{e9}`\\");
    }
}
