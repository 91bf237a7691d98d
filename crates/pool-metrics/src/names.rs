//! The metrics: their names, units and texts, and what each is renamed to.

use metrics::{SharedString, Unit, describe_counter, describe_gauge, describe_histogram};

/// What a metric is, for its description.
#[derive(Clone, Copy)]
enum Form {
    Counter,
    Gauge,
    Histogram,
}

/// The metrics, each the index of its row in [`TABLE`].
#[derive(Clone, Copy)]
pub(crate) enum Metric {
    Accepted,
    Finished,
    Refused,
    Queued,
    Running,
    LongestRunning,
    Stuck,
    Capacity,
    OldestAge,
    Workers,
    BusyTime,
    WaitTime,
    RunTime,
    SubmitWait,
    HookPanics,
    Swaps,
}

struct Row {
    name: &'static str,
    form: Form,
    unit: Unit,
    text: &'static str,
}

const TABLE: [Row; 16] = [
    Row {
        name: "worker_pool.job.accepted",
        form: Form::Counter,
        unit: Unit::Count,
        text: "Jobs that the pool accepted.",
    },
    Row {
        name: "worker_pool.job.finished",
        form: Form::Counter,
        unit: Unit::Count,
        text: "Jobs that reached an outcome.",
    },
    Row {
        name: "worker_pool.job.refused",
        form: Form::Counter,
        unit: Unit::Count,
        text: "Jobs that came back to their submitters.",
    },
    Row {
        name: "worker_pool.job.queued",
        form: Form::Gauge,
        unit: Unit::Count,
        text: "Jobs accepted and not started.",
    },
    Row {
        name: "worker_pool.job.running",
        form: Form::Gauge,
        unit: Unit::Count,
        text: "Jobs started and not over, suspended futures included.",
    },
    Row {
        name: "worker_pool.job.longest_running",
        form: Form::Gauge,
        unit: Unit::Seconds,
        text: "For how long the job that runs longest has run; zero if none runs.",
    },
    Row {
        name: "worker_pool.job.stuck",
        form: Form::Gauge,
        unit: Unit::Count,
        text: "Jobs that run for longer than the limit of the pool's stuck_after.",
    },
    Row {
        name: "worker_pool.queue.capacity",
        form: Form::Gauge,
        unit: Unit::Count,
        text: "The most jobs that are queued.",
    },
    Row {
        name: "worker_pool.queue.oldest_age",
        form: Form::Gauge,
        unit: Unit::Seconds,
        text: "For how long a job has waited that still waits, as a probe sees it; zero if none does.",
    },
    Row {
        name: "worker_pool.worker.count",
        form: Form::Gauge,
        unit: Unit::Count,
        text: "Workers that have a job, and workers that have none.",
    },
    Row {
        name: "worker_pool.worker.busy_time",
        form: Form::Counter,
        unit: Unit::Seconds,
        text: "For how long the workers have run jobs, all of them together.",
    },
    Row {
        name: "worker_pool.job.wait_time",
        form: Form::Histogram,
        unit: Unit::Seconds,
        text: "The time from a job's submission to its start.",
    },
    Row {
        name: "worker_pool.job.run_time",
        form: Form::Histogram,
        unit: Unit::Seconds,
        text: "The time from a job's start to its end.",
    },
    Row {
        name: "worker_pool.submit.wait_time",
        form: Form::Histogram,
        unit: Unit::Seconds,
        text: "For how long a submitter waited for a place in the queue, if it waited.",
    },
    Row {
        name: "worker_pool.hook.panics",
        form: Form::Counter,
        unit: Unit::Count,
        text: "Hooks and observers that panicked.",
    },
    Row {
        name: "worker_pool.swaps",
        form: Form::Counter,
        unit: Unit::Count,
        text: "How often the pool was swapped or reconfigured.",
    },
];

/// Names that dashboards for Micrometer's executors know, for
/// [`PoolMetrics::renamed`](crate::PoolMetrics::renamed). Micrometer has none for the others.
///
/// # Examples
/// ```
/// use pool_metrics::{MICROMETER, PoolMetrics};
///
/// let metrics = PoolMetrics::new("thumbs").renamed(MICROMETER);
/// # drop(metrics);
/// ```
pub const MICROMETER: [(&str, &str); 6] = [
    ("worker_pool.job.finished", "executor.completed"),
    ("worker_pool.job.queued", "executor.queued"),
    ("worker_pool.job.running", "executor.active"),
    ("worker_pool.worker.count", "executor.pool.size"),
    ("worker_pool.job.wait_time", "executor.idle"),
    ("worker_pool.job.run_time", "executor"),
];

/// The names that the metrics have.
#[derive(Debug, Clone)]
pub(crate) struct Names([SharedString; TABLE.len()]);

impl Default for Names {
    fn default() -> Self {
        Self(TABLE.each_ref().map(|row| row.name.into()))
    }
}

impl Names {
    pub(crate) fn of(&self, metric: Metric) -> SharedString {
        self.0[metric as usize].clone()
    }

    /// Panics if no metric has the name `from`.
    pub(crate) fn rename(&mut self, from: &str, to: SharedString) {
        let index = TABLE.iter().position(|row| row.name == from);
        let Some(index) = index else {
            let known = TABLE.each_ref().map(|row| row.name).join(", ");
            panic!("no metric is named `{from}`: rename one of {known}");
        };
        self.0[index] = to;
    }

    /// Describes all metrics to the recorder. To do so again changes nothing.
    pub(crate) fn describe(&self) {
        for (row, name) in TABLE.iter().zip(&self.0) {
            let name = name.clone();
            match row.form {
                Form::Counter => describe_counter!(name, row.unit, row.text),
                Form::Gauge => describe_gauge!(name, row.unit, row.text),
                Form::Histogram => describe_histogram!(name, row.unit, row.text),
            }
        }
    }
}
