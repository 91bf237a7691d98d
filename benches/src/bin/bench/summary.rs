//! The samples of a run, ranked: for each workload and measure, the contestants in order, and how
//! ours compare with the best peer.

use super::record::{ContestantInfo, Kind, MeasureInfo, Record, Scale, WorkloadInfo};
use super::statistics::{Ratio, Spread, median};
use super::words;

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
    /// At the bound where the contestant is worst.
    pub(crate) spread: Spread,
    /// That bound, if it was sampled at several.
    pub(crate) bound: Option<usize>,
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

impl Row<'_> {
    /// `channel`, or `channel, bound 100` if it was sampled at several bounds.
    pub(crate) fn who(&self) -> String {
        let name = &self.contestant.name;
        match self.bound {
            Some(bound) => format!("{name}, {}", words::bound(bound)),
            None => name.clone(),
        }
    }
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

/// The figures of a contestant by a measure, at one size, number of workers and bound.
pub(crate) fn figures_at(
    record: &Record,
    (info, measure): (&WorkloadInfo, &MeasureInfo),
    contestant: &ContestantInfo,
    scale: Scale,
) -> Vec<f64> {
    let samples = record.samples.iter().filter(|sample| {
        let is_of = sample.workload == info.name && sample.contestant == contestant.name;
        is_of && Scale::from(*sample) == scale
    });
    let figures = samples.filter_map(|sample| sample.measures.get(&measure.name));
    figures.copied().collect()
}

/// The bounds that a workload was sampled at with the size and number of workers that rank, the
/// lowest first.
pub(crate) fn bounds(record: &Record, info: &WorkloadInfo) -> Vec<Option<usize>> {
    let samples = record.samples.iter().filter(|it| it.workload == info.name);
    let scales = samples.map(Scale::from);
    let ranking = scales.filter(|it| (it.size, it.workers) == (info.size, info.workers));
    let mut bounds: Vec<_> = ranking.map(|it| it.capacity).collect();
    bounds.sort_by_key(|it| it.or(info.capacity));
    bounds.dedup();
    bounds
}

/// The figures of a contestant at the bound where it is worst: what a user who did not look for the
/// best one must expect. Also the bound, if there were several.
fn worst(
    record: &Record,
    (info, measure): (&WorkloadInfo, &MeasureInfo),
    contestant: &ContestantInfo,
) -> Option<(Vec<f64>, Option<usize>)> {
    let at = bounds(record, info).into_iter().filter_map(|capacity| {
        let scale = Scale {
            capacity,
            ..info.scale()
        };
        let figures = figures_at(record, (info, measure), contestant, scale);
        Some((median(&figures)?, figures, capacity))
    });
    let at: Vec<_> = at.collect();
    let has_several = at.len() > 1;
    let (_, figures, capacity) = at.into_iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let bound = capacity.or(info.capacity).filter(|_| has_several);
    Some((figures, bound))
}

fn standing<'a>(
    record: &'a Record,
    info: &'a WorkloadInfo,
    measure: &'a MeasureInfo,
) -> Option<Standing<'a>> {
    let rows = record.contestants.iter().filter_map(|contestant| {
        let (figures, bound) = worst(record, (info, measure), contestant)?;
        let row = Row {
            contestant,
            spread: Spread::of(&figures)?,
            bound,
            ratio: None,
        };
        Some((row, figures))
    });
    let mut rows: Vec<(Row<'_>, Vec<f64>)> = rows.collect();
    rows.sort_by(|(a, _), (b, _)| a.spread.median.total_cmp(&b.spread.median));
    let reference = reference(rows.iter().map(|(row, _)| row))?;
    let (_, against) = rows.iter().find(|(row, _)| row.contestant == reference)?;
    let ratio = |row: &Row<'_>, figures: &[f64]| {
        if row.contestant == reference {
            Ratio::of_itself(against)
        } else {
            Ratio::of(figures, against)
        }
    };
    let ranked = rows.iter().map(|(row, figures)| Row {
        ratio: ratio(row, figures),
        ..row.clone()
    });
    Some(Standing {
        measure,
        rows: ranked.collect(),
        reference,
    })
}

/// The best peer; without peers, the best of all pools.
fn reference<'a, 'r>(rows: impl Iterator<Item = &'r Row<'a>> + Clone) -> Option<&'a ContestantInfo>
where
    'a: 'r,
{
    let find = |is_wanted: fn(Kind) -> bool| {
        let mut rows = rows.clone();
        rows.find(|row| is_wanted(row.contestant.kind))
    };
    let best = find(Kind::is_peer).or_else(|| find(|kind| kind != Kind::Floor));
    Some(best.or_else(|| find(|_| true))?.contestant)
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
    fn a_contestant_ranks_by_its_worst_bound() {
        let mut record = made_up::record(&[
            ("empty", "channel", &[50.0]),
            ("empty", "rayon", &[90.0]),
            ("empty", "peer", &[100.0]),
        ]);
        record.workloads[0].capacity = Some(1024);
        let record = made_up::with_bounds(
            record,
            ("empty", "channel"),
            &[(100, &[60.0]), (usize::MAX, &[200.0])],
        );
        let record = made_up::with_bounds(record, ("empty", "rayon"), &[(100, &[80.0])]);
        let summaries = summaries(&record);
        let standing = summaries[0].main();
        let who: Vec<String> = standing.rows.iter().map(Row::who).collect();
        assert_eq!(
            who,
            ["rayon, bound 1\u{202f}024", "peer", "channel, no bound"]
        );
        assert_eq!(standing.rows[2].ratio.unwrap().value, 2.0);
        assert_eq!(standing.duel().unwrap().ours.contestant.name, "rayon");
    }

    #[test]
    fn a_workload_without_samples_is_left_out() {
        let record = made_up::record(&[("results", "channel", &[100.0])]);
        let summaries = summaries(&record);
        assert_eq!(summaries.len(), 1);
        assert_eq!(summaries[0].info.name, "results");
    }
}
