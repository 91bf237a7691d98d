//! Boxes: what comes out of them, and what becomes of their memory.

use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::thread;

use super::{BoxedTask, Boxes, MAX_SPARE};
use crate::job::context::JobContext;
use crate::job::id::JobId;
use crate::task::fire_and_forget;
use crate::task::{Task, TaskRef};

/// A task that holds a reference to `it`, until its job has run or is dropped.
fn task_with(it: &Arc<()>) -> Task {
    let it = Arc::clone(it);
    let job = move |_: &JobContext<'_>| {
        drop(it);
        Ok::<_, Infallible>(())
    };
    fire_and_forget::task(job).1
}

fn wrap(boxes: &Boxes, task: Task) -> BoxedTask {
    boxes.wrap(TaskRef::new(&mut MaybeUninit::uninit(), task))
}

/// The id of the task in a box, which is dropped.
fn id_of(boxes: &Boxes, boxed: BoxedTask) -> JobId {
    boxes.unwrap(boxed, &mut MaybeUninit::uninit()).id()
}

#[test]
fn a_task_comes_out_as_it_went_in() {
    let (boxes, it) = (Boxes::default(), Arc::new(()));
    for _ in 0..3 * MAX_SPARE {
        let (first, second) = (task_with(&it), task_with(&it));
        let ids = [first.id(), second.id()];
        let boxed = [wrap(&boxes, first), wrap(&boxes, second)];
        assert_eq!(Arc::strong_count(&it), 3, "both jobs are in their boxes");
        assert_eq!(boxed.map(|boxed| id_of(&boxes, boxed)), ids);
        assert_eq!(Arc::strong_count(&it), 1, "each job was dropped once");
    }
}

#[test]
fn a_box_that_is_dropped_drops_its_job() {
    let (boxes, it) = (Boxes::default(), Arc::new(()));
    let boxed = wrap(&boxes, task_with(&it));
    assert_eq!(Arc::strong_count(&it), 2);
    drop(boxed);
    assert_eq!(Arc::strong_count(&it), 1);
}

#[test]
fn the_memory_that_was_emptied_last_is_used_next() {
    let (boxes, it) = (Boxes::default(), Arc::new(()));
    let (kept, emptied) = (wrap(&boxes, task_with(&it)), wrap(&boxes, task_with(&it)));
    let memory = emptied.0.memory;
    let _id = id_of(&boxes, emptied);
    let next = wrap(&boxes, task_with(&it));
    assert_eq!(next.0.memory, memory);
    assert_ne!(kept.0.memory, memory);
}

#[test]
fn so_many_spare_boxes_are_kept_and_no_more() {
    let (boxes, it) = (Boxes::default(), Arc::new(()));
    let boxed: Vec<_> = (0..2 * MAX_SPARE)
        .map(|_| wrap(&boxes, task_with(&it)))
        .collect();
    for (spare, boxed) in (1..).zip(boxed) {
        let _id = id_of(&boxes, boxed);
        assert_eq!(boxes.spare.get(), MAX_SPARE.min(spare));
    }
}

#[test]
fn a_box_may_be_emptied_by_another_thread_and_outlive_the_boxes_of_its_own() {
    let it = Arc::new(());
    let boxes = Boxes::default();
    let boxed: Vec<_> = (0..100).map(|_| wrap(&boxes, task_with(&it))).collect();
    drop(boxes);
    let thief = thread::spawn(move || {
        let boxes = Boxes::default();
        for boxed in boxed {
            let _id = id_of(&boxes, boxed);
        }
    });
    thief.join().expect("it ends");
    assert_eq!(Arc::strong_count(&it), 1);
}
