//! The contestants: the table, and the implementation of each.

#[cfg(feature = "peers")]
mod data_parallel;
mod floor;
#[cfg(feature = "peers")]
mod hand_written;
#[cfg(feature = "peers")]
mod libraries;
mod ours;
mod row;
#[cfg(feature = "peers")]
mod runtimes;
mod table;

#[cfg(feature = "peers")]
use crate::contestant::Contestant;
pub(crate) use row::Row;
pub(crate) use table::TABLE;

/// Runs a job on a pool without handles and gets its value through a channel that is made for one
/// value.
#[cfg(feature = "peers")]
fn by_oneshot<C: Contestant, T: Send + 'static>(
    contestant: &C,
    job: impl FnOnce() -> T + Send + 'static,
) -> impl FnOnce() -> T {
    let (send, value) = oneshot::channel();
    contestant.execute(move || {
        send.send(job())
            .map_err(|_| "gone")
            .expect("the submitter waits for each value");
    });
    || value.recv().expect("an accepted job runs")
}

#[cfg(all(test, feature = "peers"))]
mod tests {
    use std::sync::{Arc, Mutex};

    use pool::Backend;

    use super::data_parallel::{Chili, RayonSpawn};
    use super::floor::Sequential;
    use super::ours::Ours;
    use crate::contestant::ForkJoin;
    use crate::setup::Setup;
    use crate::workload::Workload;

    /// The leaves of a tree, numbered from left to right, in the order in which they are visited.
    fn order<C: ForkJoin>(contestant: C) -> Vec<u32> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        contestant.enter(move |inside| visit::<C>(inside, 0..16, all));
        contestant.finish();
        let seen = seen.lock().unwrap();
        seen.clone()
    }

    fn visit<C: ForkJoin>(
        inside: &mut C::Inside<'_>,
        leaves: std::ops::Range<u32>,
        seen: Arc<Mutex<Vec<u32>>>,
    ) {
        if leaves.len() == 1 {
            seen.lock().unwrap().push(leaves.start);
            return;
        }
        let middle = leaves.start.midpoint(leaves.end);
        let (left, right) = (leaves.start..middle, middle..leaves.end);
        let also_seen = Arc::clone(&seen);
        C::join(
            inside,
            move |inside| visit::<C>(inside, left, seen),
            move |inside| visit::<C>(inside, right, also_seen),
        );
    }

    #[test]
    fn each_contestant_visits_a_tree_in_the_same_order() {
        let setup = Setup {
            workload: Workload::JoinSmall,
            size: 16,
            workers: 1,
            capacity: 16,
            before: None,
        };
        let in_order: Vec<u32> = (0..16).collect();
        assert_eq!(order(Sequential), in_order);
        assert_eq!(order(RayonSpawn::build(&setup).unwrap()), in_order);
        assert_eq!(order(Chili::build(&setup).unwrap()), in_order);
        for backend in Backend::available() {
            let ours = Ours::through_pool(backend, &setup).unwrap();
            assert_eq!(order(ours), in_order, "{backend}");
        }
    }
}
