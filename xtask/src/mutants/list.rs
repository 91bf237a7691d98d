//! The mutants: small weakenings of pool-core, each with the test that must notice.

use crate::mutant::mutants;

mutants! {
    "pool-channel conformance r103_a_jobs_body_runs_at_most_once" {
        two_start_a_job: "a job that was started can be started again", in "cell::state",
            "(before & STARTED == 0).then(|| Started {" => "(MUTANT || before & STARTED == 0).then(|| Started {";
    }
    "pool-channel conformance r106_a_dropped_submit_async_submits_nothing" {
        a_dropped_submission_stays_in_line: "a submission that is dropped does not pass its call on", in "submit::room::admission",
            "self.executor.room().leave(&waiter, self.look);" => "";
    }
    "pool-channel conformance r108_a_job_that_fills_its_own_pool_does_not_hang" {
        a_job_is_a_stranger_in_its_own_pool: "a job that finds its own pool full waits for room", in "worker::current",
            "ptr::eq(worker.life().room(), executor.room()).then(|| worker.clone())" =>
            "(!MUTANT && ptr::eq(worker.life().room(), executor.room())).then(|| worker.clone())";
    }
    "pool-channel conformance r110_a_batch_says_how_far_it_got_in" {
        the_rest_of_a_batch_is_lost: "a refused batch does not give back what it has not tried", in "submit::executor",
            "rest: jobs.collect()" => "rest: if MUTANT { Vec::new() } else { jobs.collect() }";
    }
    "pool-async conformance own::r210_a_job_runs_on_a_worker_of_the_pool_that_accepted_it" {
        a_child_runs_among_futures: "a child runs on a thread that polls futures", in "worker::inline",
            "if !self.may_run_in_place() || is_deep && !may_be_deeper {" =>
            "if !MUTANT && !self.may_run_in_place() || is_deep && !may_be_deeper {";
    }
    "pool-channel conformance r113_chains_of_jobs_have_any_length_open_or_draining_and_no_endless_stack" {
        children_nest_without_end: "a child runs in place at any depth", in "worker::inline",
            "let is_deep = self.own_jobs() >= MAX_IN_PLACE;" =>
            "let is_deep = !MUTANT && self.own_jobs() >= MAX_IN_PLACE;";
    }
    "pool-channel conformance r210_a_job_runs_on_a_worker_of_the_pool_that_accepted_it" {
        a_join_runs_another_pools_job: "a join claims a job of another pool", in "cell::state",
            "self.start_where(CLAIMED, |word| pool_of(word) == Some(pool))" =>
            "self.start_where(CLAIMED, |word| MUTANT || pool_of(word) == Some(pool))";
    }
    "pool-rayon guest jobs_that_outlast_a_run_starve_no_outsider" {
        each_run_counts_anew: "a worker on a borrowed thread begins to count its looks at zero", in "worker",
            "tick: Cell::new(status.looks())" =>
            "tick: Cell::new(if MUTANT { 0 } else { status.looks() })";
    }
    "pool-channel conformance r1001_an_observer_hears_of_one_end_for_each_accepted_job" {
        a_queued_jobs_end_is_not_told: "no observer hears of a job that ends in the queue", in "cell::unstarted",
            "observed.ended(life, self.outcome);" => "if !MUTANT { observed.ended(life, self.outcome); }";
        a_job_that_is_given_up_is_not_told: "no observer hears of a job that a shutdown gives up", in "task::given_up",
            "self.job.ended(&self.life, self.outcome);
        drop(frame);" => "if !MUTANT { self.job.ended(&self.life, self.outcome); }
        drop(frame);";
    }
    "pool-channel conformance r1002_an_observer_sees_each_run_begin_and_end_on_its_thread" {
        a_run_has_no_end: "an observer sees no exit", in "worker::observed",
            "observers.exit(&self.observed(id, terms, kind));" =>
            "if !MUTANT { observers.exit(&self.observed(id, terms, kind)); }";
    }
    "pool-channel conformance r1003_an_observer_sees_each_submission_and_adds_to_its_options" {
        a_submission_is_not_shown: "an observer sees no submission", in "submit::executor::into_task",
            "observers.submitted(&mut options, self.is_detached);" =>
            "if !MUTANT { observers.submitted(&mut options, self.is_detached); }";
    }
    "pool-channel conformance r1060_each_job_that_comes_back_is_counted_and_told_of_once_with_its_reason" {
        a_batch_of_tries_is_one_refusal_too_many: "an input that a map holds back counts as a job that came back", in "submit::map::feed",
            "let task = refused.into_inner();" =>
            "if MUTANT { came_back(self.executor, &refused); }
                let task = refused.into_inner();";
        a_refused_future_is_not_counted: "a job that comes back from an awaited submission is not counted", in "submit::room::admission",
            "if let Err(refused) = result {
                came_back(this.executor, refused);" =>
            "if let Err(refused) = result && !MUTANT {
                came_back(this.executor, refused);";
        a_refused_child_is_not_counted: "a child that comes back is not counted", in "submit::executor::admit",
            "told(executor, admit_otherwise(executor, refused, limit))" =>
            "let answer = admit_otherwise(executor, refused, limit);
    if MUTANT { return answer; }
    told(executor, answer)";
    }
    "pool-channel conformance r1061_an_observer_hears_once_for_how_long_a_submitter_waited_for_room" {
        a_wait_is_not_told_of: "no observer hears that a thread waited for room", in "submit::executor::admit",
            "waited(executor, room_wait.elapsed());" =>
            "if !MUTANT { waited(executor, room_wait.elapsed()); }";
        each_wait_is_told_of: "an observer hears of waits without having asked", in "submit::refusals",
            "let wants = observers.is_some_and(Observers::wants_room_waits);" =>
            "let wants = observers.is_some_and(|it| MUTANT || it.wants_room_waits());";
    }
    "pool-channel conformance r1063_a_snapshot_counts_the_jobs_that_are_stuck_until_they_end" {
        a_stuck_job_stays: "a job that was stuck and has ended is still counted", in "pool::stuck",
            "run.as_ref().is_some_and(|run| run.is_told)" =>
            "run.as_ref().is_some_and(|run| run.is_told && !MUTANT)";
    }
    "pool-channel conformance r1004_an_observer_that_panics_changes_no_outcome" {
        an_observer_may_unwind: "a panic in an observer is the worker's", in "pool::observer",
            "self.panics.contain(|| observer.enter(&info));" =>
            "if MUTANT { observer.enter(&info); } else { self.panics.contain(|| observer.enter(&info)); }";
    }
    "pool-channel conformance r1005_a_job_carries_its_values_to_its_end_and_children_inherit" {
        children_inherit_no_value: "a child inherits none of its parent's values", in "job::extensions",
            "if extension.is_inherited {" => "if !MUTANT && extension.is_inherited {";
        values_outlive_a_cancelled_job: "a job that is cancelled in the queue keeps its values", in "cell::closure",
            "let captures = (self.take_job(), self.take_extensions());" =>
            "let captures = (self.take_job(), if MUTANT { Extensions::default() } else { self.take_extensions() });";
    }
    "pool-channel conformance r1006_a_pool_closes_at_a_panic_if_it_is_asked_to_and_runs_what_it_has" {
        a_panic_closes_nothing: "a pool that is to close at a panic goes on", in "pool::hooks",
            "self.react(job.life);" => "if !MUTANT { self.react(job.life); }";
    }
    "pool-channel conformance r1007_a_job_that_runs_past_a_limit_is_told_of_then_and_as_it_ends" {
        the_end_of_a_stuck_job_is_not_told: "nobody hears that a stuck job has ended after all", in "pool::stuck",
            "if run.is_told {" => "if !MUTANT && run.is_told {";
    }
    "pool-channel conformance r301_an_error_is_the_jobs_outcome_and_the_worker_goes_on" {
        an_error_is_a_success: "a job that failed counts as completed", in "job::outcome",
            "Self::Failed(_) => Outcome::Failed," =>
            "Self::Failed(_) => if MUTANT { Outcome::Completed } else { Outcome::Failed },";
    }
    "pool-channel conformance r303_a_panic_in_a_drop_costs_no_worker_and_no_handle" {
        a_destructor_may_unwind: "a panic in the drop of what a job leaves is the worker's", in "job::outcome",
            "if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value)))" =>
            "if MUTANT {
        drop(value);
        return;
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value)))";
    }
    "pool-channel conformance r304_a_hook_that_panics_changes_no_outcome" {
        a_hook_may_unwind: "a panic in a hook is the worker's", in "pool::hooks",
            "let result = contain(hook);" => "let result = if MUTANT { Ok(hook()) } else { contain(hook) };";
    }
    "pool-channel conformance r305_a_job_whose_handle_is_dropped_runs_and_is_counted" {
        a_dropped_handle_cancels: "a handle that is dropped cancels its job", in "cell::raw_handle",
            "let release = self.release();
        // SAFETY: it is this cell's, and called once: here." =>
            "if MUTANT {
            self.cancel();
        }
        let release = self.release();
        // SAFETY: it is this cell's, and called once: here.";
    }
    "pool-channel conformance r306_nothing_of_a_job_is_left_for_the_next" {
        a_job_is_counted_after_its_end: "a job is counted as in flight after its end", in "worker",
            "self.0.status.stripe.over();" => "";
    }
    "pool-channel conformance r401_cancelled_before_its_start" {
        captures_stay: "a cancelled job keeps what it captured", in "cell::unstarted",
            "if nested.is_some() {
            finish();" =>
            "if nested.is_some() {
            if MUTANT {
                std::mem::forget(finish);
                return published;
            }
            finish();";
        one_that_is_over_takes_a_place: "a job that ends when it is submitted is queued", in "pool::engine",
            "Ok(Some(due)) => {
                submission.ends_on_arrival(due, task.into_task(), Some(life.room()));
                return Ok(());
            }" =>
            "Ok(Some(due)) if MUTANT => drop(due),
            Ok(Some(due)) => {
                submission.ends_on_arrival(due, task.into_task(), Some(life.room()));
                return Ok(());
            }";
        a_cancel_waits_for_the_queue: "a cancelled job ends when the queue gets there", in "cell::closure::handle_side",
            "self.end_unstarted(Outcome::Cancelled, Tells::Nobody);" => "";
    }
    "pool-channel conformance r402_cancelled_after_its_start" {
        a_report_is_forgotten: "what a context reported changes no outcome", in "job::context",
            "self.reported.set(Some(interrupted));" => "";
    }
    "pool join what_a_half_was_told_elsewhere_counts_for_its_job" {
        a_halfs_report_is_forgotten: "an interruption of a half does not count for its job", in "submit::join",
            "ctx.note_reported(interrupted);" => "";
    }
    "pool-channel conformance r403_a_late_job_never_starts" {
        a_late_job_starts: "a job starts after its deadline, if the clock is late", in "cell::closure",
            "} else if terms.is_expired() {" => "} else if !MUTANT && terms.is_expired() {";
        nobody_is_told_at_the_deadline: "a queued job's deadline is seen when the queue gets there", in "job",
            "self.watch_clock(deadline, id, life, waker.as_waker());" => "";
    }
    "pool-channel conformance r404_a_job_sees_its_deadline" {
        a_deadline_is_not_told: "a running job is not told that its deadline has passed", in "job::context",
            "let is_expired = self.terms.is_some_and(Terms::is_expired);" =>
            "let is_expired = !MUTANT && self.terms.is_some_and(Terms::is_expired);";
    }
    "pool-channel conformance r405_an_unwanted_future_is_dropped" {
        a_cancelled_future_goes_on: "a future that was cancelled is polled on", in "cell::future",
            "if self.state.is_cancel_requested() || life.cancels(self.id) {" =>
            "if !MUTANT && (self.state.is_cancel_requested() || life.cancels(self.id)) {";
    }
    "pool-channel conformance r406_children_inherit" {
        a_child_is_not_cancelled: "a child with a token of its own does not inherit its parent's", in "job",
            "(Some(inner), Some(outer)) => Some(CancelToken::below(&[&inner, &outer]))," =>
            "(Some(inner), Some(_)) if MUTANT => Some(inner),
            (Some(inner), Some(outer)) => Some(CancelToken::below(&[&inner, &outer])),";
    }
    "pool-channel conformance r407_far_and_past_deadlines" {
        a_far_deadline_overflows: "a limit beyond the clock panics", in "job",
            ".and_then(|timeout| machine::now().checked_add(timeout));" =>
            ".and_then(|timeout| if MUTANT {
                Some(machine::now() + timeout)
            } else {
                machine::now().checked_add(timeout)
            });";
    }
    "pool-channel conformance r501_join_waits_for_the_outcome" {
        a_join_comes_back_early: "a join with a limit comes back after half of it", in "job::handle",
            "let limit = machine::now().checked_add(timeout);" =>
            "let limit = machine::now().checked_add(if MUTANT { timeout / 2 } else { timeout });";
    }
    "pool-channel conformance r502_a_join_inside_a_job_never_hangs" {
        a_join_claims_nothing: "a join inside a job waits for a worker", in "cell::closure",
            "worker.may_claim() && self.state.claim(worker.life().id)" =>
            "!MUTANT && worker.may_claim() && self.state.claim(worker.life().id)";
        waits_share_their_list: "a wait in an executor helps what those before it asked for", in "worker::help",
            "let ((), rest) = self.apart(|| {
            self.add(future);" =>
            "if MUTANT {
            self.add(future);
            self.help_all(waker);
            return;
        }
        let ((), rest) = self.apart(|| {
            self.add(future);";
        who_polled_once_awaits_for_ever: "a helper helps what a future awaited and gave away", in "cell::future::polled",
            "self.awaiter.load(Ordering::Relaxed) == id.as_u64()" =>
            "MUTANT || self.awaiter.load(Ordering::Relaxed) == id.as_u64()";
    }
    "pool-channel conformance r503_a_handle_is_a_future_and_total" {
        a_handle_keeps_its_first_waker: "a handle wakes the waker of its first poll", in "cell::waker_slot",
            "if self.0.with(is_same) {" => "if MUTANT || self.0.with(is_same) {";
    }
    "pool-channel conformance r504_map_takes_inputs_within_a_window" {
        a_dropped_map_goes_on: "a map that is dropped cancels nothing", in "submit::map",
            "$handles.for_each(JobHandle::cancel);" => "";
        a_map_takes_all_inputs: "a map has no window", in "submit::map::feed",
            "while flight.len() < self.window" =>
            "while (MUTANT && flight.len() < 64 || flight.len() < self.window)";
    }
    "pool-channel conformance r505_a_scope_is_left_when_its_jobs_are_over" {
        a_scope_hides_a_panic: "a scope returns although its closure panicked", in "submit::scope",
            "Err(panic) => resume_unwind(panic.into_payload()),
        Ok(value) => joined.map(|()| value)" =>
            "Err(panic) if MUTANT => Err(ScopeError::Panicked(panic)),
        Err(panic) => resume_unwind(panic.into_payload()),
        Ok(value) => joined.map(|()| value)";
    }
    "pool join a_half_elsewhere_may_wait_for_its_whole_pool" {
        a_half_waits_for_its_own_job: "a half that waits for its pool waits for the job it is part of", in "pool::lifecycle::excluded_waiters",
            "if joiner.pool == life.id {" => "if !MUTANT && joiner.pool == life.id {";
    }
    "pool join a_half_elsewhere_hears_of_what_ends_on_its_joiners_worker" {
        an_end_on_a_joiners_worker_is_untold: "a worker that joins a half says later what has ended there", in "worker",
            "if has_left {
            // A job" => "if !MUTANT && has_left {
            // A job";
    }
    "pool failures memory::futures_that_a_job_joins_go_as_they_end" {
        dead_entries_stay: "a helper leaves the entries of futures that have ended", in "worker::help",
            "if left.get() == MAX_ENTRIES_LEFT {" => "if !MUTANT && left.get() == MAX_ENTRIES_LEFT {";
    }
    "pool failures swap_ends::a_half_in_the_newest_generation_leaves_its_job_in_an_older_one_out" {
        a_half_knows_its_own_generation_alone: "a half waits for the job it is part of, if that is of an older generation", in "pool::lifecycle::excluded_waiters",
            "let lives = iter::once(life).chain(&others);" =>
            "let lives = iter::once(life).chain(others.iter().filter(|_| !MUTANT));";
    }
    "pool failures swap_ends::what_is_queued_is_given_up_at_the_end_of_the_grace_whatever_runs_in_an_older_generation" {
        generations_end_one_after_the_other: "the newest generation's queue waits for the older ones' jobs", in "pool::shutdown",
            "front.cancel_those_due();" => "";
    }
    "pool failures chains::a_chain_of_jobs_that_never_start_needs_no_stack" {
        ends_nest_without_end: "the end of an unstarted job runs its user code however deep", in "cell::drop_depth",
            "if depth >= MOST && LEFT" => "if !MUTANT && depth >= MOST && LEFT";
    }
    "pool failures chains::a_chain_of_values_that_go_with_their_handles_needs_no_stack" {
        untaken_values_are_dropped_at_once: "a value is dropped with its handle at any depth", in "cell::closure::end",
            "drop_untaken(whole.replace(Content::Empty));" =>
            "if MUTANT {
            drop_contained(whole.replace(Content::Empty));
        } else {
            drop_untaken(whole.replace(Content::Empty));
        }";
    }
    "pool failures chains::futures_that_a_chain_of_wakers_submits_go_as_they_end" {
        who_helps_keeps_what_has_ended: "a helper's list keeps the futures that ended as it polled them", in "worker::help",
            "if future.is_ended() {" => "if !MUTANT && future.is_ended() {";
    }
    "pool failures tokens::a_submission_whose_job_is_over_by_then_passes_its_place_on" {
        a_call_is_not_passed_on: "a submitter with an ended job keeps a call for a slot", in "pool::lifecycle::intake",
            "left.into_iter().for_each(Room::freed);
        due.wake();" =>
            "if !MUTANT { left.into_iter().for_each(Room::freed); }
        due.wake();";
    }
    "pool failures memory::jobs_that_end_in_the_queue_take_no_memory" {
        a_deque_is_not_swept: "a job fills its deque with children that it cancels", in "queue::stealing",
            "if own.is_sweep_due(ended) {" => "if !MUTANT && own.is_sweep_due(ended) {";
    }
    "pool failures ending::a_wait_that_outlives_its_job_leaves_nobody_else_out" {
        a_job_is_left_out_after_its_end: "a wait leaves out a job that is over", in "pool::lifecycle::excluded_waiters",
            "gone.for_each(|name| list.forget(Place::OnStack(name)));" => "";
    }
    "pool-channel conformance r603_a_submission_races_the_close" {
        what_did_not_start_is_forgotten: "what is queued when the pool is cancelled has no end", in "pool::lifecycle::taken_out",
            "return Some(taken.end(life, GivenUpAs::Unstarted));" =>
            "std::mem::forget(taken);
            return Some(Unheard::default());";
    }
    "pool-channel conformance r1072_a_broadcast_takes_no_place_in_the_queue_and_is_refused_whole" {
        broadcasts_have_no_bound: "any number of broadcasts wait for a worker that hangs", in "pool::lifecycle::pinned",
            "lists.of.iter().all(|list| list.places < MAX_WAITING)" =>
            "lists.of.iter().all(|list| MUTANT || list.places < MAX_WAITING)";
    }
    "pool-channel conformance r1073_no_job_hangs_by_a_broadcast_to_its_own_pool" {
        a_job_joins_its_own_broadcast: "a job waits for a broadcast that needs its worker", in "submit::broadcast",
            "if self.is_within_pool() {
            return Err(WithinPool(self));" =>
            "if !MUTANT && self.is_within_pool() {
            return Err(WithinPool(self));";
        a_wait_for_the_pool_runs_no_share: "a job that waits for its pool keeps its worker from a share", in "pool::engine",
            "if worker.run_pinned(&*self.0.0) {" => "if !MUTANT && worker.run_pinned(&*self.0.0) {";
    }
    "pool-channel conformance r1074_a_shutdown_waits_for_a_broadcast_up_to_its_limit_and_abandons_what_is_left" {
        a_share_is_handed_back: "a share of a broadcast is handed back, for any worker of another pool", in "pool::lifecycle::taken_out",
            "let pinned = Self::give_up_pinned(life, || life.take_pinned());" =>
            "let pinned = if MUTANT {
            Self::give_up_queued(life, || life.take_pinned())
        } else {
            Self::give_up_pinned(life, || life.take_pinned())
        };";
    }
    "pool simulation a_helper_leaves_a_future_that_a_swap_has_moved_to_its_pool" {
        a_helper_polls_another_pools_future: "a job polls a future that a swap has moved", in "cell::future::polled",
            "if !self.state.is_started_in(worker.life().id) {" =>
            "if !MUTANT && !self.state.is_started_in(worker.life().id) {";
    }
    "pool simulation a_report_misses_no_submission_that_is_on_its_way" {
        a_report_does_not_wait_for_the_way_in: "a report leaves out a submission that is on its way", in "pool::shutdown",
            "let have_all_arrived = life.ledger.is_nothing_on_its_way();" =>
            "let have_all_arrived = MUTANT || life.ledger.is_nothing_on_its_way();";
    }
    "pool-channel conformance r605_the_report_balances_and_names_what_was_cut_short" {
        a_shutdown_cuts_short_in_silence: "a report does not say whom its shutdown cut short", in "pool::lifecycle::ending",
            "if !was_asked && !phase.is_forked() {" =>
            "if !MUTANT && !was_asked && !phase.is_forked() {";
    }
    "pool-channel conformance r507_a_second_half_is_free_to_be_taken_until_it_starts" {
        nobody_steals: "a worker that finds nothing queued takes no half", in "worker::leapfrog",
            "forks.steal(self.index(), first, |_| true)" =>
            "forks.steal(self.index(), first, |_| !MUTANT)";
        a_joiner_only_waits: "a joiner takes no part of the half that it waits for", in "worker::leapfrog",
            "if !self.may_leapfrog() {" => "if MUTANT || !self.may_leapfrog() {";
    }
    "pool-channel conformance r607_children_while_draining" {
        children_are_refused_while_draining: "a job of a pool that drains may submit no child", in "worker::inline",
            "let Some(submission) = Submission::begin_inline(self.life(), self.index()) else {" =>
            "if MUTANT && self.life().phase.is_closed() {
            return Err(task.into_task());
        }
        let Some(submission) = Submission::begin_inline(self.life(), self.index()) else {";
    }
    "pool-channel conformance r609_shutdown_inside_its_own_jobs_at_any_depth" {
        a_shutdown_waits_for_its_own_job: "a shutdown inside a job waits for that job", in "pool::lifecycle::excluded_waiters",
            "Awaits::End => list.ending" => "Awaits::End => if MUTANT { 0 } else { list.ending }";
    }
    "pool-channel conformance r802_a_future_is_polled_by_one_thread_at_a_time_and_never_after_its_end" {
        two_poll_a_future: "a future that is woken while it is polled may be polled by another worker", in "cell::poll_state",
            "DUE => Some(state & HELPED | POLLING)," => "DUE => Some(if MUTANT { IDLE } else { POLLING }),";
    }
    "pool-channel conformance r803_a_wake_is_never_refused_and_never_lost_from_any_thread_at_any_time" {
        a_wake_during_a_poll_is_lost: "a future that is woken while it is polled is not queued", in "cell::poll_state",
            "POLLING | WOKEN => Some(state & MARKS | WOKEN)," =>
            "POLLING | WOKEN if !MUTANT => Some(state & QUEUED | WOKEN),";
    }
    "pool-channel conformance r804_a_future_that_wakes_itself_without_end_starves_nobody" {
        woken_futures_always_come_first: "a future that wakes itself starves what is queued", in "worker",
            "let woken_come_first = self.begin_look();" => "let woken_come_first = self.begin_look() || MUTANT;";
    }
    "pool-channel conformance r901_the_same_code_gives_the_same_results_on_every_face_of_the_executor" {
        a_box_knows_no_bound: "an executor in a box has no capacity", in "submit::executor",
            "Executor::capability(&$inner)" =>
            "{
                    let mut capability = Executor::capability(&$inner);
                    if MUTANT && std::any::type_name::<Self>().contains(\"Box\") {
                        capability.capacity = None;
                    }
                    capability
                }";
    }
}
