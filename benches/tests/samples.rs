//! Every workload runs on every contestant that is compiled in, to its end.

use std::collections::HashSet;

use anyhow::Result;
use benches::{Entry, Kind, Request, Sample, Workload, measure};

/// Jobs of each sample; an odd tree, so that its halves differ.
const SIZE: usize = 300;

/// Few, if each takes long.
fn size(workload: Workload) -> usize {
    match workload {
        Workload::RoundTripCold | Workload::Idle => 5,
        Workload::Jobs100us | Workload::HeavyTail => 30,
        Workload::OpenLoop10 | Workload::OpenLoopSleep50 | Workload::OpenLoopSleep90 => 50,
        Workload::JoinSmall => 7,
        Workload::JoinSleep10
        | Workload::JoinSleep25
        | Workload::JoinSleep50
        | Workload::JoinSleep90 => 40,
        _ => SIZE,
    }
}

fn takers(workload: Workload) -> impl Iterator<Item = Entry> {
    let all = Entry::ALL.iter().copied();
    all.filter(move |&entry| workload.takes(entry))
}

fn sample(workload: Workload, entry: Entry, capacity: Option<usize>) -> Result<Sample> {
    measure(&Request {
        workload,
        entry,
        size: size(workload),
        workers: workload.workers(2),
        capacity,
    })
}

#[test]
fn each_contestant_runs_each_workload() {
    for &workload in Workload::ALL {
        for entry in takers(workload).filter(|it| it.is_compiled_in()) {
            let sample = sample(workload, entry, None)
                .unwrap_or_else(|error| panic!("{workload} on {entry}: {error:#}"));
            let expected = (size(workload), workload.workers(2));
            assert_eq!((sample.size, sample.workers), expected);
            let names: HashSet<&str> = workload.measures().iter().map(|it| it.name).collect();
            let given: HashSet<&str> = sample.measures.keys().map(String::as_str).collect();
            assert_eq!(given, names, "{workload} on {entry}");
            for (name, figure) in sample.measures {
                let is_sound = figure.is_finite() && figure >= 0.0;
                assert!(is_sound, "{workload} on {entry}: {name} is {figure}");
            }
        }
    }
}

#[test]
fn each_bounded_contestant_runs_at_each_bound() {
    for &workload in Workload::ALL {
        for &capacity in workload.scaling().capacities {
            let takes = |it: &Entry| workload.takes_bound(*it, size(workload), capacity);
            let entries = takers(workload).filter(|it| it.is_compiled_in() && takes(it));
            for entry in entries {
                let sample = sample(workload, entry, Some(capacity))
                    .unwrap_or_else(|error| panic!("{workload} on {entry}: {error:#}"));
                assert_eq!(sample.capacity, Some(capacity));
            }
        }
    }
}

#[test]
fn at_a_bound_below_the_tree_only_those_that_do_not_wait_for_themselves_take_part() {
    let takes = |name: &str, capacity| {
        Workload::SpawnInside.takes_bound(name.parse().unwrap(), SIZE, capacity)
    };
    assert!(takes("channel", SIZE - 1));
    assert!(!takes("peer-kanal", SIZE - 1) && takes("peer-kanal", SIZE));
    assert!(!takes("peer-rayon", SIZE), "it has no bound");
}

#[test]
fn each_workload_measures_something_for_somebody() {
    for &workload in Workload::ALL {
        assert!(!workload.measures().is_empty(), "{workload}");
        assert!(!workload.title().is_empty(), "{workload}");
        assert!(workload.full_size() >= workload.quick_size(), "{workload}");
        assert!(workload.share() > 0.0, "{workload}");
        if cfg!(target_os = "linux") {
            assert_ne!(takers(workload).count(), 0, "{workload}");
        }
    }
}

#[test]
fn each_contestant_takes_part_somewhere_and_says_what_it_is() {
    for &entry in Entry::ALL {
        let runs = Workload::ALL.iter().any(|workload| workload.takes(entry));
        assert!(runs, "{entry}");
        assert!(!entry.note().is_empty(), "{entry}");
        let is_foreign = matches!(entry.kind(), Kind::Library | Kind::HandWritten);
        assert_eq!(entry.name().starts_with("peer-"), is_foreign, "{entry}");
    }
}

#[test]
fn who_takes_no_part_is_told_so() {
    let floor: Entry = "floor".parse().unwrap();
    let error = sample(Workload::Empty, floor, None).unwrap_err();
    assert!(error.to_string().contains("does not take part"), "{error}");
}

#[test]
fn names_lead_back_to_what_they_name() {
    for &workload in Workload::ALL {
        assert_eq!(workload.name().parse::<Workload>().unwrap(), workload);
    }
    for &entry in Entry::ALL {
        assert_eq!(entry.name().parse::<Entry>().unwrap(), entry);
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    let error = "emtpy".parse::<Workload>().unwrap_err().to_string();
    assert!(error.contains("empty, empty-four"), "{error}");
}
