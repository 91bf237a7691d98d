//! `/pool.json`: a snapshot for programs.

use pool::{RunningJob, Snapshot, Stats, WorkerSnapshot};
use serde_json::{Value, json};

pub(crate) fn json(snapshot: &Snapshot) -> Value {
    let workers = snapshot.workers.iter().map(worker);
    let suspended = snapshot.suspended.iter().map(job);
    json!({
        "backend": snapshot.backend,
        "phase": snapshot.phase.to_string(),
        "is_paused": snapshot.is_paused,
        "capacity": snapshot.capacity,
        "workers_asleep": snapshot.asleep,
        "workers": workers.collect::<Vec<_>>(),
        "suspended": suspended.collect::<Vec<_>>(),
        "stats": stats(&snapshot.stats),
    })
}

fn worker(worker: &WorkerSnapshot) -> Value {
    let jobs = worker.jobs.iter().map(job);
    json!({
        "index": worker.index,
        "backend": worker.backend,
        "jobs": jobs.collect::<Vec<_>>(),
    })
}

fn job(job: &RunningJob) -> Value {
    json!({
        "id": job.id.as_u64(),
        "name": job.name,
        "running_for_seconds": job.running_for.as_secs_f64(),
        "is_ending": job.is_ending,
    })
}

fn stats(stats: &Stats) -> Value {
    json!({
        "accepted": stats.accepted,
        "queued": stats.queued,
        "running": stats.running,
        "completed": stats.completed,
        "failed": stats.failed,
        "panicked": stats.panicked,
        "cancelled": stats.cancelled,
        "expired": stats.expired,
        "abandoned": stats.abandoned,
        "unstarted": stats.unstarted,
        "hook_panics": stats.hook_panics,
    })
}
