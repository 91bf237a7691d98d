//! Records for the tests of this folder, made from figures only.

use benches::{Measures, Sample};

use super::environment::Environment;
use super::record::{ContestantInfo, Kind, MeasureInfo, Record, Unit, WorkloadInfo};

/// Samples of these figures: workload, contestant, time for a job. `channel`, `rayon` and `async`
/// are ours, `floor` is the floor, `variant` a variant, all others are peers.
pub(crate) fn record(figures: &[(&str, &str, &[f64])]) -> Record {
    let samples = figures.iter().flat_map(|(workload, contestant, nanos)| {
        nanos
            .iter()
            .map(|&nanos| sample(workload, contestant, nanos))
    });
    let mut contestants: Vec<ContestantInfo> = Vec::new();
    for (_, name, _) in figures {
        if contestants.iter().all(|it| it.name != *name) {
            contestants.push(contestant(name));
        }
    }
    Record {
        environment: environment(),
        workloads: ["empty", "results", "round-trip"].map(workload).to_vec(),
        contestants,
        failures: Vec::new(),
        samples: samples.collect(),
    }
}

/// The same record, and samples of a workload and a contestant at other bounds.
pub(crate) fn with_bounds(
    mut record: Record,
    (workload, contestant): (&str, &str),
    bounds: &[(usize, &[f64])],
) -> Record {
    for &(capacity, figures) in bounds {
        let samples = figures.iter().map(|&nanos| Sample {
            capacity: Some(capacity),
            ..sample(workload, contestant, nanos)
        });
        record.samples.extend(samples);
    }
    record
}

/// `count` figures around `middle`, some below and some above.
pub(crate) fn around(middle: f64) -> Vec<f64> {
    (0..15)
        .map(|index| middle * (0.986 + 0.002 * f64::from(index)))
        .collect()
}

fn sample(workload: &str, contestant: &str, nanos: f64) -> Sample {
    Sample {
        workload: workload.to_owned(),
        contestant: contestant.to_owned(),
        size: 10,
        workers: 2,
        capacity: None,
        measures: Measures::from([("time-per-job".to_owned(), nanos)]),
    }
}

fn workload(name: &str) -> WorkloadInfo {
    WorkloadInfo {
        name: name.to_owned(),
        title: format!("The workload {name}"),
        measures: vec![MeasureInfo {
            name: "time-per-job".to_owned(),
            unit: Unit::Nanoseconds,
        }],
        size: 10,
        workers: 2,
        capacity: None,
    }
}

fn contestant(name: &str) -> ContestantInfo {
    let kind = match name {
        "channel" | "rayon" | "async" => Kind::Ours,
        "floor" => Kind::Floor,
        "variant" => Kind::Variant,
        _ => Kind::Library,
    };
    ContestantInfo {
        name: name.to_owned(),
        kind,
        note: format!("what {name} is"),
        is_bounded: kind != Kind::Library,
    }
}

fn environment() -> Environment {
    Environment {
        began: "2030-01-02 03:04".to_owned(),
        commit: "0123456789abcdef".to_owned(),
        rustc: "rustc 1.88.0".to_owned(),
        cpu: "A Fast One".to_owned(),
        cores: 2,
        memory: "8.0 GiB".to_owned(),
        kernel: "Linux 6.0".to_owned(),
        allocator: "the system's".to_owned(),
        quick: false,
        load: [Some(0.5), None],
        line_ns: Some(30.0),
        unsteady: 0,
        retaken: 0,
        stalled: 0,
    }
}
