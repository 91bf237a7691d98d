//! The samples of a run, ranked: for each workload and measure, the contestants in order, and how
//! ours compare with the best peer.

use super::record::{ContestantInfo, Kind, MeasureInfo, Record, WorkloadInfo};
use super::statistics::{Ratio, Spread};

/// A workload's standings, one for each measure that was taken.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) info: &'a WorkloadInfo,
    pub(crate) standings: Vec<Standing<'a>>,
}

/// The contestants by one measure, the best first.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) measure: &'a MeasureInfo,
    pub(crate) rows: Vec<Row<'a>>,
    /// The contestant that the ratios compare with.
    pub(crate) reference: &'a ContestantInfo,
}

/// A contestant in a standing.
#[derive(Debug, Clone)]
pub(crate) struct Row<'a> {
    pub(crate) contestant: &'a ContestantInfo,
    pub(crate) spread: Spread,
    /// To the reference; smaller is better.
    pub(crate) ratio: Option<Ratio>,
}

/// The best of ours and the contestant that it is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Duel<'a> {
    pub(crate) ours: &'a Row<'a>,
    pub(crate) peer: &'a Row<'a>,
    pub(crate) ratio: Ratio,
}

/// Every workload that has samples, in the order of the record.
pub(crate) fn summaries(record: &Record) -> Vec<Summary<'_>> {
    let summaries = record.workloads.iter().map(|info| Summary {
        info,
        standings: info
            .measures
            .iter()
            .filter_map(|measure| standing(record, info, measure))
            .collect(),
    });
    summaries.filter(|it| !it.standings.is_empty()).collect()
}

impl<'a> Summary<'a> {
    /// The standing that ranks the contestants.
    pub(crate) fn main(&self) -> &Standing<'a> {
        &self.standings[0]
    }
}

impl Standing<'_> {
    /// The best of a kind.
    pub(crate) fn best(&self, is_wanted: impl Fn(Kind) -> bool) -> Option<&Row<'_>> {
        self.rows.iter().find(|row| is_wanted(row.contestant.kind))
    }

    /// The best of ours against the best peer; `None` if one of them did not take part.
    pub(crate) fn duel(&self) -> Option<Duel<'_>> {
        let ours = self.best(|kind| kind == Kind::Ours)?;
        let peer = self.best(Kind::is_peer)?;
        let ratio = ours.ratio?;
        Some(Duel { ours, peer, ratio })
    }
}

/// The figures of a contestant by a measure, at one size and number of workers.
pub(crate) fn figures(
    record: &Record,
    info: &WorkloadInfo,
    measure: &MeasureInfo,
    contestant: &ContestantInfo,
) -> Vec<f64> {
    figures_at(record, info, measure, contestant, (info.size, info.workers))
}

/// The same, at any point.
pub(crate) fn figures_at(
    record: &Record,
    info: &WorkloadInfo,
    measure: &MeasureInfo,
    contestant: &ContestantInfo,
    (size, workers): (usize, usize),
) -> Vec<f64> {
    let samples = record.samples.iter().filter(|sample| {
        let is_of = sample.workload == info.name && sample.contestant == contestant.name;
        is_of && sample.size == size && sample.workers == workers
    });
    let figures = samples.filter_map(|sample| sample.measures.get(&measure.name));
    figures.copied().collect()
}

fn standing<'a>(
    record: &'a Record,
    info: &'a WorkloadInfo,
    measure: &'a MeasureInfo,
) -> Option<Standing<'a>> {
    let figures_of = |contestant| figures(record, info, measure, contestant);
    let rows = record.contestants.iter().filter_map(|contestant| {
        let spread = Spread::of(&figures_of(contestant))?;
        Some(Row {
            contestant,
            spread,
            ratio: None,
        })
    });
    let mut rows: Vec<Row<'_>> = rows.collect();
    rows.sort_by(|a, b| a.spread.median.total_cmp(&b.spread.median));
    let reference = reference(&rows)?;
    let against = figures_of(reference);
    for row in &mut rows {
        let is_itself = row.contestant == reference;
        row.ratio = if is_itself {
            Ratio::of_itself(&against)
        } else {
            Ratio::of(&figures_of(row.contestant), &against)
        };
    }
    Some(Standing {
        measure,
        rows,
        reference,
    })
}

/// The best peer; without peers, the best of all pools.
fn reference<'a>(rows: &[Row<'a>]) -> Option<&'a ContestantInfo> {
    let find = |is_wanted: fn(Kind) -> bool| rows.iter().find(|row| is_wanted(row.contestant.kind));
    let best = find(Kind::is_peer).or_else(|| find(|kind| kind != Kind::Floor));
    Some(best.or(rows.first())?.contestant)
}

#[cfg(test)]
mod tests {
    use super::super::made_up;
    use super::*;

    fn names<'a>(standing: &'a Standing<'_>) -> Vec<&'a str> {
        standing
            .rows
            .iter()
            .map(|row| row.contestant.name.as_str())
            .collect()
    }

    #[test]
    fn the_best_is_first_and_the_best_peer_is_what_ratios_compare_with() {
        let record = made_up::record(&[
            ("empty", "channel", &[300.0, 200.0, 900.0]),
            ("empty", "peer", &[100.0]),
            ("empty", "other-peer", &[150.0]),
            ("empty", "floor", &[1.0]),
        ]);
        let summaries = summaries(&record);
        let standing = summaries[0].main();
        assert_eq!(names(standing), ["floor", "peer", "other-peer", "channel"]);
        assert_eq!(standing.reference.name, "peer");
        let duel = standing.duel().unwrap();
        assert_eq!(
            (
                duel.ours.contestant.name.as_str(),
                duel.peer.contestant.name.as_str()
            ),
            ("channel", "peer")
        );
        assert!((duel.ratio.value - 3.0).abs() < 1e-9);
    }

    #[test]
    fn without_peers_the_best_pool_is_the_reference_and_there_is_no_duel() {
        let record = made_up::record(&[
            ("empty", "channel", &[300.0]),
            ("empty", "rayon", &[200.0]),
            ("empty", "floor", &[1.0]),
        ]);
        let summaries = summaries(&record);
        assert_eq!(summaries[0].main().reference.name, "rayon");
        assert!(summaries[0].main().duel().is_none());
    }

    #[test]
    fn samples_of_another_size_do_not_rank() {
        let mut record =
            made_up::record(&[("empty", "channel", &[100.0]), ("empty", "peer", &[100.0])]);
        let mut other = record.samples[0].clone();
        other.size *= 2;
        other.measures.values_mut().for_each(|figure| *figure = 1.0);
        record.samples.push(other);
        assert_eq!(summaries(&record)[0].main().rows[0].spread.count, 1);
    }

    #[test]
    fn a_workload_without_samples_is_left_out() {
        let record = made_up::record(&[("results", "channel", &[100.0])]);
        let summaries = summaries(&record);
        assert_eq!(summaries.len(), 1);
        assert_eq!(summaries[0].info.name, "results");
    }
}
