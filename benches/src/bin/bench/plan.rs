//! What a run samples: workloads, sizes, numbers of workers, bounds, and the contestants of each.

use benches::{Entry, Measure, Workload};

use super::record::{ContestantInfo, WorkloadInfo};

/// One workload at one size with one number of workers and one bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) workload: Workload,
    pub(crate) size: usize,
    pub(crate) workers: usize,
    /// The bound of the queue, if it is not the workload's usual one.
    pub(crate) capacity: Option<usize>,
    /// Samples of each contestant.
    pub(crate) samples: usize,
    pub(crate) entries: Vec<Entry>,
}

/// What the user asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) entries: Vec<Entry>,
    /// Samples of each contestant, before a workload takes its part.
    pub(crate) samples: usize,
    /// `None`: what suits each workload.
    pub(crate) workers: Option<usize>,
    /// `None`: what suits each workload, and the bounds that it is sampled at.
    pub(crate) capacity: Option<usize>,
    pub(crate) granted: usize,
    pub(crate) quick: bool,
}

/// The part of the samples for a point that only shows how a workload scales.
const SCALING_SHARE: f64 = 1.0 / 3.0;
/// The fewest samples of such a point: two have no real median.
const MIN_SCALING_SAMPLES: usize = 3;

impl Wishes {
    /// Every point with a contestant. Points that rank a workload come before those that show how
    /// it scales.
    pub(crate) fn points(&self) -> Vec<Point> {
        let points = self.workloads.iter().flat_map(|&it| self.points_of(it));
        points.filter(|point| !point.entries.is_empty()).collect()
    }

    fn points_of(&self, workload: Workload) -> Vec<Point> {
        let (size, workers) = (self.size(workload), self.workers(workload));
        let capacity = self.capacity;
        let point = |size, workers, samples| Point {
            workload,
            size,
            workers,
            capacity,
            samples,
            entries: self.takers(workload, size, capacity),
        };
        let samples = share(self.samples, workload.share(), 1);
        let mut points = vec![point(size, workers, samples)];
        if self.quick {
            return points;
        }
        let fewer = share(samples, SCALING_SHARE, MIN_SCALING_SAMPLES.min(samples));
        let scaling = workload.scaling();
        let sizes = scaling.sizes.iter().copied().filter(|&it| it != size);
        points.extend(sizes.map(|size| point(size, workers, fewer)));
        if self.workers.is_none() {
            let counts = scaling.workers.iter().copied().filter(|&it| it != workers);
            points.extend(counts.map(|workers| point(size, workers, fewer)));
        }
        if capacity.is_none() {
            points.extend(self.bounds(workload).map(|bound| Point {
                capacity: Some(bound),
                entries: self.takers(workload, size, Some(bound)),
                ..point(size, workers, fewer)
            }));
        }
        points
    }

    /// The bounds to sample a workload at, besides its usual one.
    fn bounds(&self, workload: Workload) -> impl Iterator<Item = usize> {
        let usual = workload.capacity(self.size(workload));
        let bounds = workload.scaling().capacities.iter().copied();
        bounds.filter(move |&it| it != usual)
    }

    fn takers(&self, workload: Workload, size: usize, capacity: Option<usize>) -> Vec<Entry> {
        let entries = self.entries.iter().copied();
        let takes = |entry| match capacity {
            None => workload.takes(entry),
            Some(capacity) => workload.takes_bound(entry, size, capacity),
        };
        entries.filter(|&entry| takes(entry)).collect()
    }

    fn size(&self, workload: Workload) -> usize {
        if self.quick {
            workload.quick_size()
        } else {
            workload.full_size()
        }
    }

    fn workers(&self, workload: Workload) -> usize {
        self.workers
            .unwrap_or_else(|| workload.workers(self.granted))
    }

    /// What the record says of each workload.
    pub(crate) fn workload_infos(&self, counts_calls: bool) -> Vec<WorkloadInfo> {
        let info = |&it: &Workload| {
            let info = WorkloadInfo::new(it, self.size(it), self.workers(it));
            match it.has_costs() && counts_calls {
                true => info.with(Measure::SYSTEM_CALLS_PER_JOB),
                false => info,
            }
        };
        self.workloads.iter().map(info).collect()
    }

    /// What the record says of each contestant.
    pub(crate) fn contestant_infos(&self) -> Vec<ContestantInfo> {
        self.entries
            .iter()
            .map(|&it| ContestantInfo::from(it))
            .collect()
    }
}

impl Point {
    /// The contestants of a round. Each round starts with another one, so that none always follows
    /// the same neighbour.
    pub(crate) fn order(&self, round: usize) -> Vec<Entry> {
        let mut order = self.entries.clone();
        order.rotate_left(round % self.entries.len());
        order
    }

    /// How many samples count its system calls, if something can: one of each contestant.
    pub(crate) fn counted(&self) -> usize {
        match self.workload.has_costs() {
            true => self.entries.len(),
            false => 0,
        }
    }

    /// How many samples it takes in all, besides those.
    pub(crate) fn total(&self) -> usize {
        self.samples * self.entries.len()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of samples, and a part of it"
)]
fn share(samples: usize, share: f64, least: usize) -> usize {
    ((samples as f64 * share).round() as usize).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes() -> Wishes {
        Wishes {
            workloads: Workload::ALL.to_vec(),
            entries: Entry::ALL.to_vec(),
            samples: 9,
            workers: None,
            capacity: None,
            granted: 4,
            quick: false,
        }
    }

    #[test]
    fn each_contestant_starts_a_round_and_none_is_left_out_of_one() {
        let point = &wishes().points()[0];
        let count = point.entries.len();
        let firsts: Vec<Entry> = (0..count).map(|round| point.order(round)[0]).collect();
        assert_eq!(firsts, point.entries);
        assert_eq!(point.order(count + 1), point.order(1));
        assert_eq!(point.order(3).len(), count);
    }

    #[test]
    fn a_quick_run_samples_what_ranks_alone() {
        let quick = Wishes {
            quick: true,
            ..wishes()
        };
        let points = quick.points();
        assert_eq!(points.len(), Workload::ALL.len());
        for (point, workload) in points.iter().zip(Workload::ALL.iter().copied()) {
            assert_eq!(point.size, workload.quick_size());
            assert!(point.samples >= 1);
        }
    }

    #[test]
    fn the_number_of_workers_that_the_user_names_is_the_only_one() {
        let two = Wishes {
            workers: Some(2),
            ..wishes()
        };
        assert!(two.points().iter().all(|point| point.workers == 2));
    }

    #[test]
    fn the_bound_that_the_user_names_is_the_only_one() {
        let ten = Wishes {
            capacity: Some(10),
            ..wishes()
        };
        for point in ten.points() {
            assert_eq!(point.capacity, Some(10));
            assert!(point.entries.iter().all(|it| it.is_bounded()));
        }
    }

    #[test]
    fn contestants_without_a_bound_are_sampled_at_the_usual_one_alone() {
        let points = wishes().points();
        let of_empty = points.iter().filter(|it| it.workload == Workload::Empty);
        let bounds: Vec<&Point> = of_empty.filter(|it| it.capacity.is_some()).collect();
        let capacities: Vec<_> = bounds.iter().filter_map(|it| it.capacity).collect();
        assert_eq!(capacities, [100, 65_536, 1_000_000, usize::MAX]);
        for point in bounds {
            assert!(point.entries.iter().all(|it| it.is_bounded()), "{point:?}");
        }
        assert!(points[0].entries.iter().any(|it| !it.is_bounded()));
    }

    #[test]
    fn the_record_names_the_point_that_ranks() {
        let wishes = wishes();
        let points = wishes.points();
        for info in wishes.workload_infos(true) {
            let first = points
                .iter()
                .find(|it| it.workload.name() == info.name)
                .unwrap();
            assert_eq!((first.size, first.workers), (info.size, info.workers));
            assert!(!info.measures.is_empty());
        }
    }

    #[test]
    fn a_share_of_the_samples_is_never_none() {
        assert_eq!(share(15, 1.0, 1), 15);
        assert_eq!(share(15, 0.4, 1), 6);
        assert_eq!(share(1, 0.1, 1), 1);
        assert_eq!(share(2, SCALING_SHARE, MIN_SCALING_SAMPLES), 3);
    }
}
