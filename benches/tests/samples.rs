//! Every workload runs on every contestant that is compiled in, to its end.

use benches::{Entry, Workload, measure};

/// Jobs of each sample; an odd tree, so that its halves differ.
const SIZE: usize = 300;

#[test]
fn each_contestant_runs_each_workload() {
    for &workload in Workload::ALL {
        for &entry in Entry::ALL
            .iter()
            .filter(|it| it.is_compiled_in() && workload.takes(**it))
        {
            let sample = measure(workload, entry, SIZE, 2)
                .unwrap_or_else(|error| panic!("{workload} on {entry}: {error:#}"));
            assert_eq!(sample.size, SIZE);
            for measure in workload.measures() {
                let figure = sample.measures.get(measure.name);
                assert!(
                    figure.is_some(),
                    "{workload} on {entry}: no {}",
                    measure.name
                );
            }
        }
    }
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
    assert!(error.contains("empty, results"), "{error}");
}
