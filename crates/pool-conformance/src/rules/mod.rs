//! Every rule of the contract, with one file for each chapter.

mod bombs;
mod broadcasting;
mod cancellation;
mod counts;
mod execution;
mod failures;
mod futures;
mod inspection;
mod intake;
mod ledger;
mod observing;
mod operating;
mod outcomes;
mod placement;
mod results;
mod sharing;
mod shutdown;
mod swapping;
mod timers;
mod waiting;
mod workers;

use crate::rule::Rule;
pub(crate) use swapping::concrete_face;

/// Every rule, in the order of the contract.
pub fn all() -> Vec<Rule> {
    [
        intake::rules(),
        execution::rules(),
        failures::rules(),
        cancellation::rules(),
        results::rules(),
        shutdown::rules(),
        ledger::rules(),
        futures::rules(),
        swapping::rules(),
        observing::rules(),
        inspection::rules(),
        sharing::rules(),
        operating::rules(),
        timers::rules(),
        counts::rules(),
        broadcasting::rules(),
    ]
    .concat()
}

/// Calls a macro with the given tokens, then the name of every rule: its number and its promise.
/// The test `every_rule_has_its_promise_for_a_name` checks it against [`all`].
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_rule {
    (($($call:tt)+) $($given:tt)*) => {
        $($call)+! { $($given)*
            r101_an_accepted_job_has_one_outcome
            r102_a_refused_job_comes_back_whole
            r103_a_jobs_body_runs_at_most_once
            r104_no_more_jobs_wait_than_the_capacity_allows
            r105_each_way_in_waits_as_it_says_and_never_past_the_jobs_deadline
            r106_a_dropped_submit_async_submits_nothing
            r107_nobody_waits_for_room_for_ever_whoever_else_waits_or_submits
            r108_a_job_that_fills_its_own_pool_does_not_hang
            r109_a_wrong_configuration_is_an_error_value
            r110_a_batch_says_how_far_it_got_in
            r111_a_capacity_is_a_bound_whatever_its_size
            r112_a_thread_that_ends_can_still_submit
            r113_chains_of_jobs_have_any_length_open_or_draining_and_no_endless_stack
            r201_a_pool_is_built_with_its_workers_ready
            r202_as_many_jobs_run_at_once_as_there_are_workers
            r203_no_wake_up_is_lost
            r204_no_job_waits_while_a_worker_is_idle
            r205_first_in_first_out
            r206_no_source_of_jobs_starves_another
            r207_workers_have_their_names_and_stacks
            r208_hooks_and_state_are_each_workers_own
            r209_an_idle_pool_burns_no_cpu
            r210_a_job_runs_on_a_worker_of_the_pool_that_accepted_it
            r301_an_error_is_the_jobs_outcome_and_the_worker_goes_on
            r302_a_panic_is_the_jobs_outcome_and_the_worker_goes_on
            r303_a_panic_in_a_drop_costs_no_worker_and_no_handle
            r304_a_hook_that_panics_changes_no_outcome
            r305_a_job_whose_handle_is_dropped_runs_and_is_counted
            r306_nothing_of_a_job_is_left_for_the_next
            r401_cancelled_before_its_start
            r402_cancelled_after_its_start
            r403_a_late_job_never_starts
            r404_a_job_sees_its_deadline
            r405_an_unwanted_future_is_dropped
            r406_children_inherit
            r407_far_and_past_deadlines
            r501_join_waits_for_the_outcome
            r502_a_join_inside_a_job_never_hangs
            r503_a_handle_is_a_future_and_total
            r504_map_takes_inputs_within_a_window
            r505_a_scope_is_left_when_its_jobs_are_over
            r506_wait_until_the_pool_is_idle
            r507_a_second_half_is_free_to_be_taken_until_it_starts
            r601_a_closed_pool_refuses_and_lets_blocked_submitters_go
            r602_what_was_accepted_before_the_close_runs
            r603_a_submission_races_the_close
            r604_one_limit_holds_whatever_hangs
            r605_the_report_balances_and_names_what_was_cut_short
            r606_unstarted_jobs_resolve_or_are_handed_back
            r607_children_while_draining
            r608_one_report_for_all_callers
            r609_shutdown_inside_its_own_jobs_at_any_depth
            r610_the_last_handle_drains_or_returns_inside
            r611_nothing_is_left
            r612_shutdown_blocks_no_runtime
            r701_the_books_never_run_ahead_or_back_and_are_exact_once_the_pool_is_quiet
            r702_reading_the_books_waits_for_no_job_and_holds_up_none
            r801_futures_and_closures_share_workers_bound_ledger_and_shutdown
            r802_a_future_is_polled_by_one_thread_at_a_time_and_never_after_its_end
            r803_a_wake_is_never_refused_and_never_lost_from_any_thread_at_any_time
            r804_a_future_that_wakes_itself_without_end_starves_nobody
            r901_the_same_code_gives_the_same_results_on_every_face_of_the_executor
            r902_a_swap_under_load_runs_every_job_once_and_resolves_every_handle
            r903_a_swap_leaves_nothing_of_the_old_backend_once_that_is_quiet_and_its_jobs_children_go_to_the_new_one
            r1001_an_observer_hears_of_one_end_for_each_accepted_job
            r1002_an_observer_sees_each_run_begin_and_end_on_its_thread
            r1003_an_observer_sees_each_submission_and_adds_to_its_options
            r1004_an_observer_that_panics_changes_no_outcome
            r1005_a_job_carries_its_values_to_its_end_and_children_inherit
            r1006_a_pool_closes_at_a_panic_if_it_is_asked_to_and_runs_what_it_has
            r1007_a_job_that_runs_past_a_limit_is_told_of_then_and_as_it_ends
            r1020_what_runs_is_named_with_its_id_its_name_and_its_worker_and_no_job_that_is_over
            r1021_a_look_at_what_runs_waits_for_no_job_and_holds_up_none
            r1022_a_snapshot_shows_each_worker_the_queue_and_where_the_pool_is_in_its_life
            r1023_every_job_sees_the_values_that_the_pool_which_runs_it_shares
            r1024_a_shared_value_is_dropped_once_when_the_pool_and_its_jobs_are_gone
            r1030_a_paused_pool_starts_no_queued_job_and_does_all_else
            r1031_after_a_pause_every_queued_job_runs
            r1032_a_pause_holds_up_neither_a_shutdown_nor_a_last_drop
            r1033_a_reconfiguration_under_load_runs_every_job_once_in_order_and_keeps_the_bound
            r1040_a_sleep_ends_early_once_its_job_is_to_stop
            r1041_a_future_that_sleeps_keeps_no_worker_and_sleeps_its_time
            r1042_a_task_that_was_handed_back_waits_for_room_in_line_or_comes_back
            r1043_a_delayed_job_runs_once_and_not_before_its_time
            r1044_a_close_ends_a_delayed_job_which_nothing_waits_for
            r1060_each_job_that_comes_back_is_counted_and_told_of_once_with_its_reason
            r1061_an_observer_hears_once_for_how_long_a_submitter_waited_for_room
            r1062_a_swap_is_counted_once_it_is_done_and_changes_no_other_count
            r1063_a_snapshot_counts_the_jobs_that_are_stuck_until_they_end
            r1070_a_broadcast_runs_once_on_every_workers_own_thread_and_gives_the_results_by_worker
            r1071_neither_a_busy_queue_nor_a_pause_keeps_a_worker_from_its_share_of_a_broadcast
            r1072_a_broadcast_takes_no_place_in_the_queue_and_is_refused_whole
            r1073_no_job_hangs_by_a_broadcast_to_its_own_pool
            r1074_a_shutdown_waits_for_a_broadcast_up_to_its_limit_and_abandons_what_is_left
        }
    };
}
