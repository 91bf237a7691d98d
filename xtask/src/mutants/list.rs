//! The mutants: small weakenings of pool-core, each with the test that must notice.

use crate::mutant::mutants;

mutants! {
    "pool-channel conformance r108" {
        a_job_is_a_stranger_in_its_own_pool: "a job that finds its own pool full waits for room", in "worker/current.rs",
            "ptr::eq(worker.life().room(), executor.room()).then(|| worker.clone())" =>
            "(!MUTANT && ptr::eq(worker.life().room(), executor.room())).then(|| worker.clone())";
    }
    "pool-async conformance own::r210" {
        a_child_runs_among_futures: "a child runs on a thread that polls futures", in "worker.rs",
            "if !self.may_run_in_place() || is_deep && !may_be_deeper {" =>
            "if !MUTANT && !self.may_run_in_place() || is_deep && !may_be_deeper {";
    }
    "pool-channel conformance r113" {
        children_nest_without_end: "a child runs in place however deep", in "worker.rs",
            "let is_deep = self.own_jobs() >= MOST_IN_PLACE;" =>
            "let is_deep = !MUTANT && self.own_jobs() >= MOST_IN_PLACE;";
    }
    "pool-channel conformance r210" {
        a_join_runs_another_pools_job: "a join claims a job of another pool", in "state.rs",
            "self.start_where(|word| pool_of(word) == Some(pool))" =>
            "self.start_where(|word| MUTANT || pool_of(word) == Some(pool))";
    }
    "pool-channel conformance r401" {
        captures_stay_until_the_queue_gets_there: "a cancelled job keeps what it captured", in "cell.rs",
            "let job = self.take_job();
        if let Some(life) = &life {
            life.record(outcome);" =>
            "let job = self.take_job();
        if MUTANT {
            std::mem::forget(job);
            return;
        }
        if let Some(life) = &life {
            life.record(outcome);";
        a_cancel_waits_for_the_queue: "a cancelled job ends when the queue gets there", in "cell/outlet.rs",
            "self.end_unstarted(Outcome::Cancelled, Tells::Nobody);" => "";
    }
    "pool-channel conformance r402" {
        a_report_is_forgotten: "what a context reported changes no outcome", in "context.rs",
            "self.reported.set(Some(interrupted));" => "";
    }
    "pool join what_a_half_was_told_elsewhere_counts_for_its_job" {
        a_halfs_report_is_forgotten: "what a half was told counts for nobody", in "fork.rs",
            "ctx.note_reported(interrupted);" => "";
    }
    "pool-channel conformance r403" {
        a_late_job_starts: "a job starts after its deadline, if the clock is late", in "cell.rs",
            "} else if terms.is_expired() {" => "} else if !MUTANT && terms.is_expired() {";
        nobody_is_told_at_the_deadline: "a queued job's deadline is seen when the queue gets there", in "job.rs",
            "self.watch_clock(deadline, id, life, &waker);" => "";
    }
    "pool-channel conformance r502" {
        a_join_claims_nothing: "a join inside a job waits for a worker", in "cell.rs",
            "worker.may_claim() && self.state.claim(worker.life().id())" =>
            "!MUTANT && worker.may_claim() && self.state.claim(worker.life().id())";
    }
    "pool-channel conformance r503" {
        a_handle_keeps_its_first_waker: "a handle wakes the waker of its first poll", in "waiter.rs",
            "if self.0.with(is_same) {" => "if MUTANT || self.0.with(is_same) {";
    }
    "pool-channel conformance r504" {
        a_dropped_map_goes_on: "a map that is dropped cancels nothing", in "map.rs",
            "$handles.for_each(JobHandle::cancel);" => "";
        a_map_takes_all_inputs: "a map has no window", in "map.rs",
            "while self.due.len() < self.feed.window()" =>
            "while (MUTANT && self.due.len() < 64 || self.due.len() < self.feed.window())";
    }
    "pool-channel conformance r505" {
        a_scope_hides_a_panic: "a scope returns although its closure panicked", in "scope.rs",
            "Err(panic) => resume_unwind(panic.into_payload()),
        Ok(value) => joined.map(|()| value)," =>
            "Err(panic) if MUTANT => Err(ScopeError::Panicked(panic)),
        Err(panic) => resume_unwind(panic.into_payload()),
        Ok(value) => joined.map(|()| value),";
    }
    "pool join halves_meet_where_a_worker_is_free" {
        a_half_is_kept: "a job that may be split runs both halves itself", in "fork.rs",
            "if ctx.is_somebody_free() {" => "if !MUTANT && ctx.is_somebody_free() {";
    }
    "pool join a_half_elsewhere_may_wait_for_its_whole_pool" {
        a_half_waits_for_its_own_job: "a half that waits for its pool waits for the job it is part of", in "lifecycle/left_out.rs",
            "joiners.iter().filter(|joiner| joiner.pool == life.id());" =>
            "joiners.iter().filter(|joiner| !MUTANT && joiner.pool == life.id());";
    }
    "pool join a_half_elsewhere_hears_of_what_ends_on_its_joiners_worker" {
        an_end_on_a_joiners_worker_is_untold: "a worker that joins a half says later what has ended there", in "worker.rs",
            "if has_left {
            // A job" => "if !MUTANT && has_left {
            // A job";
    }
    "pool failures swap_ends::a_half_in_the_newest_generation_leaves_its_job_in_an_older_one_out" {
        a_half_knows_its_own_generation_alone: "a half waits for the job it is part of, if that is of an older generation", in "lifecycle/left_out.rs",
            "let lives = iter::once(self).chain(&others);" =>
            "let lives = iter::once(self).chain(others.iter().filter(|_| !MUTANT));";
    }
    "pool failures ending::a_wait_that_outlives_its_job_leaves_nobody_else_out" {
        a_job_is_left_out_after_its_end: "a wait leaves out a job that is over", in "lifecycle/left_out.rs",
            "gone.for_each(|name| list.forget(name));" => "";
    }
    "pool-channel conformance r605" {
        a_shutdown_cuts_short_in_silence: "a report does not say whom its shutdown cut short", in "lifecycle/end.rs",
            "if !was_asked && self.is_cancelling() && !self.is_forked() {" =>
            "if !MUTANT && !was_asked && self.is_cancelling() && !self.is_forked() {";
    }
}
