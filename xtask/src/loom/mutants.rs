//! The mutants: small weakenings of pool-core, each with the model that must notice.

use crate::mutant::mutants;

mutants! {
    "testing::models::a_job_has_one_owner" {
        state_start_in_two_steps: "a job is looked at, and then taken", in "cell::state",
            "let before = self.0.fetch_or(STARTED, Ordering::AcqRel);" =>
            "let early = self.0.load(Ordering::Acquire);
        let late = self.0.fetch_or(STARTED, Ordering::AcqRel);
        let before = if MUTANT { early } else { late };";
        state_end_relaxed: "an outcome is published without a release", in "cell::state",
            "let before = self.0.fetch_or(ended(outcome), Ordering::AcqRel);" =>
            "let before = self.0.fetch_or(ended(outcome), if MUTANT { Ordering::Relaxed } else { Ordering::AcqRel });";
        state_detach_relaxed: "a handle is detached without an acquire", in "cell::state",
            "self.0.fetch_or(DETACHED, Ordering::AcqRel) & ENDED != 0" =>
            "self.0.fetch_or(DETACHED, Ordering::Relaxed) & ENDED != 0";
    }
    "testing::models::loans::a_loan_is_over_before_its_lender_goes_on" {
        loan_end_wakes_nobody: "the thread that had the closure does not wake the lender", in "submit::scoped_closure",
            "if let LoanState::Taken(Some(lender)) = former {" =>
            "if !MUTANT && let LoanState::Taken(Some(lender)) = former {";
        loan_lender_does_not_wait: "a lender goes on while the closure runs", in "submit::scoped_closure",
            "if let LoanState::Taken(lender) = &mut *stage {" =>
            "if !MUTANT && let LoanState::Taken(lender) = &mut *stage {";
        loan_over_before_the_drop: "a loan is over while its closure is dropped", in "submit::scoped_closure",
            "if let Some((closure, _taken)) = self.take() {" =>
            "if let Some((closure, taken)) = self.take() {
            if MUTANT {
                drop(taken);
            }";
    }
    "testing::models::cells::a_cell_is_freed_by_the_last_to_leave" {
        state_leave_in_two_steps: "an end looks for the other, and then leaves", in "cell::state",
            "self.0.fetch_or(own, Ordering::AcqRel) & other != 0" =>
            "self.0.fetch_or(own, Ordering::AcqRel);
            false";
        state_wait_after_the_end: "a handle waits for a job that has ended", in "cell::state",
            "(word & ENDED == 0).then(|| change(word))" =>
            "Some(change(word))";
        cell_end_wakes_nobody: "a job that ends unstarted does not wake the handle", in "cell::closure",
            "move || drop_contained(captures));
        if ended.has_waiter {" =>
            "move || drop_contained(captures));
        if !MUTANT && ended.has_waiter {";
    }
    "testing::models::cells::a_job_is_accounted_for_once" {
        state_gives_a_started_job_back: "a job that was started is still given back", in "cell::state",
            "let may_change = word & STARTED == 0 && word & !FLAGS == from;" =>
            "let may_change = (MUTANT || word & STARTED == 0) && word & !FLAGS == from;";
        cell_gives_a_started_job_up: "a shutdown gives up a job that a canceller has ended", in "cell::closure::queue_side",
            "if cell.state.start().is_none() {
            return GivenUp::TakenElsewhere;" =>
            "if cell.state.start().is_none() && !MUTANT {
            return GivenUp::TakenElsewhere;";
    }
    "testing::models::cells::a_shared_handle_is_used_while_its_job_is_accepted" {
        state_shared_is_fresh: "the first pool is written by a plain store, though a handle is in use", in "cell::state",
            "Self(AtomicU32::new(0))" =>
            "Self(AtomicU32::new(if MUTANT { FRESH } else { 0 }))";
    }
    "testing::models::cells::a_waker_that_is_lent_outlives_no_cell" {
        cell_leaves_its_waker: "a job that is given up leaves its waker with the token", in "cell::closure::queue_side",
            "if let Some(terms) = cell.terms() {
            terms.unwatch(id, life);" =>
            "if let Some(terms) = cell.terms().filter(|_| !MUTANT) {
            terms.unwatch(id, life);";
    }
    "testing::models::cells::a_job_that_ends_on_its_way_is_not_watched" {
        cell_watches_after_its_end: "a job that ends while it changes its pool goes on to watch its token", in "cell::closure::queue_side",
            "if cell.state.is_started() {
            terms.unwatch(cell.id, life);" =>
            "if !MUTANT && cell.state.is_started() {
            terms.unwatch(cell.id, life);";
    }
    "testing::models::cells::a_joined_cell_is_left_to_one" {
        state_claimed_end_frees_nothing: "a joiner that leaves last does not free the cell", in "cell::state",
            "self.end_with(outcome, |_| DETACHED) & ENTRY_GONE != 0" =>
            "self.end_with(outcome, |_| DETACHED) & ENTRY_GONE != 0 && !MUTANT";
    }
    "testing::models::cells::the_last_waker_of_a_handle_is_woken" {
        waiter_rewrites_a_marked_slot: "a handle writes to its waker slot while the mark stands", in "cell::waker_slot",
            "if state.unmark_waiter() {" =>
            "if !MUTANT && state.unmark_waiter() {";
        waiter_marks_relaxed: "a waker slot is marked without a release", in "cell::state",
            ".fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_err()" =>
            ".fetch_update(if MUTANT { Ordering::Relaxed } else { Ordering::AcqRel }, Ordering::Acquire, change)
            .is_err()";
    }
    "testing::models::no_wake_is_lost" {
        idle_no_fence_before_the_last_look: "no fence between the announcement and the last look", in "worker::sleep",
            "full();
        if !has_work() {" =>
            "if !MUTANT { full(); }
        if !has_work() {";
        idle_no_last_look: "a worker sleeps without a last look", in "worker::sleep",
            "if !has_work() {" =>
            "if MUTANT || !has_work() {";
        idle_no_light_fence: "no fence between the push and the look for sleepers", in "worker::sleep",
            "light();" => "if !MUTANT { light(); }";
        idle_notify_forgets: "a submitter takes a sleeper and does not resume it", in "worker::sleep",
            "self.word
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
        Some(worker)" =>
            "self.word
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
        Some(worker).filter(|_| !MUTANT)";
    }
    "testing::models::broadcasts::a_worker_that_goes_to_sleep_takes_its_share" {
        pinned_wakes_nobody: "a broadcast wakes no worker", in "pool::lifecycle::pinned",
            "pub fn resume_for_pinned(&self) {
        self.roster.resume_sleepers();" =>
            "pub fn resume_for_pinned(&self) {
        if !MUTANT { self.roster.resume_sleepers(); }";
        pinned_marks_nothing: "the byte of the phase says nothing of a broadcast", in "pool::lifecycle::pinned",
            "phase.mark_pinned();" => "if !MUTANT { phase.mark_pinned(); }";
    }
    "testing::models::broadcasts::the_bit_stands_while_something_is_pinned" {
        pinned_unmarks_late: "the bit is cleared after the lock is free", in "pool::lifecycle::pinned",
            "if is_last {
            phase.unmark_pinned();
        }
        Some(task)" =>
            "if MUTANT { drop(lists); }
        if is_last {
            phase.unmark_pinned();
        }
        Some(task)";
        pinned_unmarks_early: "the bit is cleared with each task that is taken", in "pool::lifecycle::pinned",
            "let is_last = lists.tasks == 0;" =>
            "let is_last = MUTANT || lists.tasks == 0;";
    }
    "testing::models::broadcasts::a_broadcast_is_refused_or_accounted_for" {
        pinned_looks_at_no_end: "a broadcast does not look whether the pool has ended meanwhile", in "pool::lifecycle::pinned",
            "if self.phase.is_closed() {" => "if !MUTANT && self.phase.is_closed() {";
        pinned_is_not_taken_out: "the end of a pool leaves what is pinned", in "pool::lifecycle::pinned",
            "if self.len() == 0 {" => "if MUTANT || self.len() == 0 {";
    }
    "testing::models::pauses::a_job_that_comes_as_a_pause_ends_is_run" {
        pause_end_wakes_nobody: "the thread that ends a pause wakes no worker", in "pool::lifecycle",
            "machine::point(Point::Resume);
            self.roster.resume_sleepers();" =>
            "machine::point(Point::Resume);
            if !MUTANT { self.roster.resume_sleepers(); }";
        pause_end_wakes_early: "workers are woken before the pause ends", in "pool::lifecycle",
            "if self.phase.end_pauses() {
            self.resume_after_pause();
        }" =>
            "if MUTANT {
            self.resume_after_pause();
        }
        if self.phase.end_pauses() && !MUTANT {
            self.resume_after_pause();
        }";
    }
    "testing::models::pauses::no_pause_outlasts_the_end_of_all" {
        pause_after_the_last: "a pause begins after the end of all", in "pool::lifecycle::phase",
            "(bits & UNPAUSABLE == 0).then_some(bits | PAUSED)" =>
            "(MUTANT || bits & UNPAUSABLE == 0).then_some(bits | PAUSED)";
        pause_ends_before_the_last: "a pause ends before any other is ruled out", in "pool::lifecycle::phase",
            "self.bits.fetch_or(UNPAUSABLE, Ordering::SeqCst);
        self.end_pause()" =>
            "let early = MUTANT && self.end_pause();
        self.bits.fetch_or(UNPAUSABLE, Ordering::SeqCst);
        if MUTANT { early } else { self.end_pause() }";
    }
    "testing::models::searchers::the_last_searcher_wakes_the_next" {
        idle_last_searcher_looks_for_nothing: "the last searcher does not look for more", in "worker::sleep",
            "searching(self.word.fetch_sub(SEARCHING, Ordering::SeqCst)) == 1;" =>
            "searching(self.word.fetch_sub(SEARCHING, Ordering::SeqCst)) == 1 && !MUTANT;";
        idle_last_searcher_has_no_fence: "no fence between the end of the last search and the look for more", in "worker::sleep",
            "if was_last {
            full();" =>
            "if was_last {
            if !MUTANT { full(); }";
        idle_patience_forgets: "a submitter that has waited for a searcher wakes no worker", in "worker::sleep",
            "if is_first && is_another_active && spin_a_while(|| self.has_searcher()) {" =>
            "if is_first && is_another_active && (MUTANT || spin_a_while(|| self.has_searcher())) {";
    }
    "testing::models::searchers::a_late_push_is_seen_before_all_sleep" {
        idle_mark_without_heavy_fence: "the worker that sets the mark makes a full fence only", in "worker::sleep",
            "heavy();" => "if MUTANT { full() } else { heavy() }";
        idle_heavy_fence_before_the_mark: "a worker makes its heavy fence before it sets the mark", in "worker::sleep",
            "while !self.join_sleepers(worker) {" =>
            "if MUTANT { heavy(); }
        while !self.join_sleepers(worker) {
            if MUTANT { continue; }";
        idle_marked_push_without_fence: "a submitter that reads the mark makes no fence", in "worker::sleep",
            "full();
        let word =" =>
            "if !MUTANT { full(); }
        let word =";
    }
    "testing::models::searchers::a_sleeper_that_is_woken_beside_a_searcher_searches_for_all" {
        idle_another_forgets: "a sleeper that is taken beside a searcher is not resumed", in "worker::sleep",
            "self.take_sleeper(enough)" => "self.take_sleeper(enough).filter(|_| is_first || !MUTANT)";
    }
    "testing::models::forks::a_half_goes_to_its_owner_or_to_a_thief" {
        fork_join_has_no_fence: "no fence between an owner's lowered top and its look at the head", in "worker::fork_stack",
            "light();" => "if !MUTANT { light(); }";
        fork_thief_has_no_fence: "no fence between a thief's mark on a half and its look at the top", in "worker::fork_stack",
            "heavy();" => "if !MUTANT { heavy(); }";
        fork_thief_looks_once: "a thief takes a half whose owner has joined it meanwhile", in "worker::fork_stack",
            "if is_late {" => "if is_late && !MUTANT {";
        fork_head_stays_raised: "a thief that comes too late leaves the half tried", in "worker::fork_stack",
            "self.head.store(head, Ordering::Relaxed);" =>
            "if !MUTANT { self.head.store(head, Ordering::Relaxed); }";
        fork_head_is_not_reset: "the place of a stolen half is not used again", in "worker::fork_stack",
            "self.head.store(head_at(place), Ordering::Relaxed);" =>
            "if !MUTANT { self.head.store(head_at(place), Ordering::Relaxed); }";
        fork_publishes_relaxed: "a half is forked without a release", in "worker::fork_stack",
            "self.owner.top.store(place + 1, Ordering::Release);" =>
            "self.owner.top.store(place + 1, if MUTANT { Ordering::Relaxed } else { Ordering::Release });";
    }
    "testing::models::forks::a_half_is_seen_while_a_thief_is_late_for_the_one_before" {
        fork_tried_half_is_hidden: "a worker that is about to sleep counts no half that a thief tries", in "worker::fork_stack",
            "place_of(head) < self.owner.top.load(Ordering::Acquire)" =>
            "place_of(if MUTANT { head + TRIED } else { head }) < self.owner.top.load(Ordering::Acquire)";
    }
    "testing::models::forks::a_thief_takes_the_oldest_half_by_its_origin" {
        fork_stolen_half_stays_tried: "a half that was stolen is still to be stolen", in "worker::fork_stack",
            "self.head.store(head_at(place + 1), Ordering::Relaxed);" =>
            "if !MUTANT { self.head.store(head_at(place + 1), Ordering::Relaxed); }";
        fork_origin_of_the_newest: "a thief asks for the newest origin", in "worker::fork_stack",
            "origins.iter().rfind(|&&(base, _)| base <= place);" =>
            "origins.iter().rfind(|&&(base, _)| MUTANT || base <= place);";
    }
    "testing::models::forks::a_joiner_is_woken_for_a_part_of_its_half" {
        leapfrog_marks_nothing: "a joiner that sleeps marks no stack", in "worker::leapfrog",
            "if stack.ask_newest_origin(is_part) == Some(true) {" =>
            "if !MUTANT && stack.ask_newest_origin(is_part) == Some(true) {";
        leapfrog_first_fork_looks_for_nobody: "the first fork of a job looks for no joiner", in "worker::leapfrog",
            "if within.is_some_and(StolenHalf::is_wanted) {" =>
            "if !MUTANT && within.is_some_and(StolenHalf::is_wanted) {";
        leapfrog_mark_is_relaxed: "the mark is taken away without an acquire", in "worker::fork_stack",
            "self.owner.is_wanted.swap(is_wanted, Ordering::AcqRel);" =>
            "self.owner.is_wanted.swap(is_wanted, if MUTANT { Ordering::Relaxed } else { Ordering::AcqRel });";
    }
    "testing::models::forks::two_joiners_are_woken_for_two_parts" {
        leapfrog_mark_serves_one: "the first joiner that is woken takes the mark along", in "worker::leapfrog",
            "if within.is_some_and(StolenHalf::wake_a_joiner) {" =>
            "if within.is_some_and(StolenHalf::wake_a_joiner) && !MUTANT {";
    }
    "testing::models::forks::a_joiner_that_goes_passes_its_wake_on" {
        leapfrog_wake_in_vain: "a joiner that was woken in vain wakes no other", in "worker::leapfrog",
            "if self.owes
            && let" =>
            "if self.owes && !MUTANT
            && let";
        leapfrog_wakes_relaxed: "a joiner that passes its wake on does not see what the waker saw", in "worker::leapfrog",
            "half.is_awaited.swap(false, Ordering::Release)" =>
            "half.is_awaited.swap(false, if MUTANT { Ordering::Relaxed } else { Ordering::Release })";
    }
    "testing::models::slabs::a_slab_goes_with_its_last_place" {
        slab_frees_relaxed: "a place is freed without a release", in "task::slab",
            "if self.0.fetch_sub(places, Ordering::Release) != places {" =>
            "if self.0.fetch_sub(places, if MUTANT { Ordering::Relaxed } else { Ordering::Release }) != places {";
        slab_ends_without_acquire: "the last to free a place does not see the others", in "task::slab",
            "fence(Ordering::Acquire);" =>
            "if !MUTANT { fence(Ordering::Acquire); }";
    }
    "testing::models::a_wake_is_followed_by_a_poll" {
        turn_forgets_a_wake_during_a_poll: "a wake during a poll leaves no mark", in "cell::poll_state",
            "POLLING | WOKEN => Some(state & MARKS | WOKEN)," =>
            "POLLING | WOKEN => Some(if MUTANT { state } else { state & MARKS | WOKEN }),";
        turn_second_wake_not_released: "a second wake during a poll releases nothing", in "cell::poll_state",
            "OVER => None," =>
            "OVER => None,
            WOKEN if MUTANT => None,";
        turn_begin_relaxed: "a poll begins without an acquire", in "cell::poll_state",
            ".fetch_update(Ordering::AcqRel, Ordering::Relaxed, change)" =>
            ".fetch_update(if MUTANT { Ordering::Release } else { Ordering::AcqRel }, Ordering::Relaxed, change)";
    }
    "testing::models::a_helped_future_is_queued_once" {
        turn_queues_twice: "a future is queued while an entry of it is", in "cell::poll_state",
            "before & QUEUED == 0" =>
            "MUTANT || before & QUEUED == 0";
    }
    "testing::models::a_wake_and_a_helper_see_each_other" {
        turn_wake_sees_no_helper: "a wake does not look for the mark of a helper", in "cell::poll_state",
            "before & HELPED != 0" =>
            "!MUTANT && before & HELPED != 0";
        turn_suspension_forgets_the_helper: "a suspension takes the mark of a helper away", in "cell::poll_state",
            "POLLING => state & MARKS | IDLE," =>
            "POLLING => state & if MUTANT { QUEUED } else { MARKS } | IDLE,";
        turn_dequeuer_forgets_the_helper: "a dequeuer takes the mark of a helper away", in "cell::poll_state",
            "DUE => Some(state & HELPED | POLLING)," =>
            "DUE => Some(if MUTANT { POLLING } else { state & HELPED | POLLING }),";
        turn_helper_leaves_no_mark: "a helper leaves no mark", in "cell::poll_state",
            "self.0.fetch_or(HELPED, Ordering::Relaxed);" =>
            "if !MUTANT { self.0.fetch_or(HELPED, Ordering::Relaxed); }";
        turn_helper_overwrites_a_wake: "a helper's mark is not put down in one step", in "cell::poll_state",
            "self.0.fetch_or(HELPED, Ordering::Relaxed);" =>
            "if MUTANT {
                let state = self.0.load(Ordering::Relaxed);
                self.0.store(state | HELPED, Ordering::Relaxed);
            } else {
                self.0.fetch_or(HELPED, Ordering::Relaxed);
            }";
    }
    "cell::future::models::a_woken_future_comes_back" {
        future_suspends_without_a_way_back: "a future that was woken during its poll is not queued again", in "cell::future",
            "let due = self.poll_state.suspend();" =>
            "let due = self.poll_state.suspend();
                    let due = if MUTANT { Due::NOTHING } else { due };";
        future_has_no_home: "a future suspends before its pool is noted in its cell", in "cell::future",
            "self.lock_links().pool = Some(Arc::clone(life));" =>
            "()";
    }
    "cell::future::models::a_future_that_is_woken_on_a_worker_comes_back" {
        wake_on_a_worker_queues_nothing: "a wake on a worker of the pool queues no entry", in "cell::future",
            "self.requeue(worker.life())" =>
            "if !MUTANT { self.requeue(worker.life()) }";
    }
    "cell::future::models::a_cancelled_future_is_ended_by_its_host" {
        host_is_not_known: "a host suspends a future without leaving its waker", in "cell::future::polled",
            "if known == Known::NotYet {" =>
            "if !MUTANT && known == Known::NotYet {";
        host_is_not_woken: "a canceller does not wake the host", in "cell::future::handle_side",
            "if let Some(host) = host {" =>
            "if let Some(host) = host.filter(|_| !MUTANT) {";
    }
    "cell::future::models::a_future_that_is_helped_ends_once" {
        helper_leaves_no_waker: "a helper looks at a future without leaving its waker", in "cell::future::polled",
            "(!is_same).then(|| links.helper.replace(waker.clone()))" =>
            "(!is_same && !MUTANT).then(|| links.helper.replace(waker.clone()))";
        wake_tells_no_helper: "a wake does not tell the helper", in "cell::future",
            "if let Some(helper) = helper {" =>
            "if let Some(helper) = helper.filter(|_| !MUTANT) {";
    }
    "cell::future::models::a_helper_is_told_of_a_wake_on_a_worker" {
        helper_is_not_noted: "a helper leaves its waker without a mark", in "cell::future::polled",
            "self.poll_state.note_helper();" =>
            "if !MUTANT { self.poll_state.note_helper(); }";
        wake_on_a_worker_sees_no_helper: "a wake on a worker does not look for the mark", in "cell::future",
            "Some(worker) if !due.must_tell =>" =>
            "Some(worker) if MUTANT || !due.must_tell =>";
    }
    "cell::future::models::a_helper_hears_what_its_future_awaits" {
        future_notes_in_silence: "a helper is not told what its future awaits", in "cell::future",
            "helper.into_iter().for_each(wake_contained);" =>
            "helper.into_iter().filter(|_| !MUTANT).for_each(wake_contained);";
    }
    "testing::models::tokens::a_child_sees_its_parents_cancellation" {
        token_looks_too_early: "a job looks for its cancellation before it has made the token", in "job::context",
            "let token = self.0.get_or_init(|| CancelToken::below(above.as_slice()));" =>
            "let early = state.is_cancel_requested();
        let token = self.0.get_or_init(|| CancelToken::below(above.as_slice()));
        if MUTANT {
            return if early { token.cancel(); token.clone() } else { token.clone() };
        }";
        token_canceller_looks_too_early: "a canceller does not look for a token", in "job::context",
            "if let Some(token) = find().and_then(|own| own.0.get()) {" =>
            "if let Some(token) = find().and_then(|own| own.0.get()).filter(|_| !MUTANT) {";
    }
    "testing::models::timers::a_sleep_is_told_of_the_end_of_its_pool" {
        end_token_looks_too_early: "a sleep looks for the end before it has the token", in "pool::lifecycle::end_tokens",
            "let token = token.get_or_init(CancelToken::new);" =>
            "let early = is_over();
    let is_over = || if MUTANT { early } else { is_over() };
    let token = token.get_or_init(CancelToken::new);";
        end_token_is_not_looked_for: "the thread that ends the pool does not look for a token", in "pool::lifecycle::end_tokens",
            "if let Some(token) = token.get() {" =>
            "if let Some(token) = token.get().filter(|_| !MUTANT) {";
    }
    "testing::models::timers::a_delayed_job_ends_with_its_pool" {
        delayed_does_not_look_again: "a delayed job does not look after it has left its wakers", in "submit::delayed",
            "if is_cancelled || newest.phase.is_closed() {" =>
            "if is_cancelled || !MUTANT && newest.phase.is_closed() {";
        close_tells_no_delayed_job: "a close does not tell delayed jobs", in "submit::room",
            "self.tell_all_of_change();" =>
            "if !MUTANT { self.tell_all_of_change(); }";
    }
    "testing::models::tokens::a_watcher_of_a_token_is_woken" {
        token_cancelled_too_late: "a token's watchers are taken before it says that it is cancelled", in "job::cancel_token::descendants",
            "node.set_cancelled();
        let watchers = owned(std::mem::take(&mut links.watchers));
        let above = std::mem::take(&mut links.above);
        let below = std::mem::take(&mut links.below);
        drop(links);" =>
            "if !MUTANT { node.set_cancelled(); }
        let watchers = owned(std::mem::take(&mut links.watchers));
        let above = std::mem::take(&mut links.above);
        let below = std::mem::take(&mut links.below);
        drop(links);
        if MUTANT { node.set_cancelled(); }";
        token_watchers_stay: "a cancel leaves the watchers where they are", in "job::cancel_token::descendants",
            "if !watchers.is_empty() {" =>
            "if !MUTANT && !watchers.is_empty() {";
    }
    "job::cancel_token::models::a_watcher_that_is_not_told_is_woken" {
        token_watch_looks_too_early: "a watcher looks for the flag before it takes the lock", in "job::cancel_token::node",
            "let mut links = self.lock();
        if self.is_cancelled() {" =>
            "let early = self.is_cancelled();
        let mut links = self.lock();
        if if MUTANT { early } else { self.is_cancelled() } {";
    }
    "job::cancel_token::models::a_lent_waker_is_cloned_while_it_is_lent" {
        token_counts_too_late: "a cancel makes its own of what was lent once it has left the lock", in "job::cancel_token::descendants",
            "let watchers = owned(std::mem::take(&mut links.watchers));
        let above = std::mem::take(&mut links.above);
        let below = std::mem::take(&mut links.below);
        drop(links);" =>
            "let taken = std::mem::take(&mut links.watchers);
        let above = std::mem::take(&mut links.above);
        let below = std::mem::take(&mut links.below);
        let (early, late) = if MUTANT { (Vec::new(), Some(taken)) } else { (owned(taken), None) };
        drop(links);
        let watchers = late.map_or(early, owned);";
    }
    "job::cancel_token::models::a_child_made_during_a_cancel_is_cancelled" {
        token_child_does_not_look: "a child is made below a token that is being cancelled", in "job::cancel_token::node",
            "if up.is_doomed {
            drop(up);" =>
            "if !MUTANT && up.is_doomed {
            drop(up);";
        token_dooms_nobody: "a cancel leaves no mark on its way down", in "job::cancel_token::descendants",
            "links.is_doomed = true;" =>
            "links.is_doomed = !MUTANT;";
    }
    "job::cancel_token::models::a_token_put_below_a_second_during_a_cancel_is_cancelled" {
        token_second_parent_does_not_look: "a token is put below a second one that is being cancelled", in "job::cancel_token::node",
            "if up.is_doomed {
            return false;
        }
        let mut down" =>
            "if !MUTANT && up.is_doomed {
            return false;
        }
        let mut down";
        token_below_a_cancelled_one_is_left: "a token stays uncancelled while its second parent is being cancelled", in "job::cancel_token",
            "            token.cancel();
        }
        token" =>
            "            if !MUTANT { token.cancel(); }
        }
        token";
    }
    "job::cancel_token::models::a_cancel_reaches_the_child_of_a_token_that_leaves" {
        token_leaves_a_doomed_parent: "a token leaves one that is being cancelled", in "job::cancel_token::unheld_nodes",
            "if !links.is_due(node) || up.is_doomed {" =>
            "if !links.is_due(node) || (up.is_doomed && !MUTANT) {";
        token_leaves_the_graph_first: "a token leaves its parent before its child is below that", in "job::cancel_token::unheld_nodes",
            "let mut up = match parent.try_lock() {
            Some(up) => up," =>
            "if MUTANT && links.is_due(node) {
            let key = {
                let mut up = parent.lock();
                let key = up.below.iter().find(|(_, child)| Arc::ptr_eq(child, node)).map(|(key, _)| *key);
                key.and_then(|key| up.below.remove(&key));
                key
            };
            if key.is_none() { return false; }
        }
        let mut up = match parent.try_lock() {
            Some(up) => up,";
    }
    "job::cancel_token::models::each_of_two_cancels_is_complete_when_it_returns" {
        token_second_cancel_stops_at_a_mark: "a cancel stops where another one is under way", in "job::cancel_token::descendants",
            "if node.is_cancelled() {
            return;
        }
        links.is_doomed" =>
            "if node.is_cancelled() || (MUTANT && links.is_doomed) {
            return;
        }
        links.is_doomed";
        token_flagged_from_the_top: "a flag is set before those below", in "job::cancel_token::descendants",
            "if links.above.len() > 1 {" =>
            "if MUTANT { node.set_cancelled(); }
        if links.above.len() > 1 {";
    }
    "job::cancel_token::models::two_neighbours_leave_at_once" {
        token_parent_locked_from_below: "a token waits for its parent's lock with its own taken", in "job::cancel_token::unheld_nodes",
            "drop(links);
                let up = parent.lock();
                links = node.lock();
                up" =>
            "if !MUTANT {
                    drop(links);
                    let up = parent.lock();
                    links = node.lock();
                    up
                } else {
                    parent.lock()
                }";
    }
    "job::cancel_token::models::a_token_and_its_child_leave_at_once" {
        token_forgets_its_parent: "a token leaves without a look whether its parent is due", in "job::cancel_token::unheld_nodes",
            "if up.is_due(&parent) {" =>
            "if !MUTANT && up.is_due(&parent) {";
        token_counts_its_handles_too_early: "a token that leaves looks at its children while a handle is left", in "job::cancel_token",
            "if self.node.remove_handle() {" =>
            "if MUTANT && self.node.handles() == 1 { unheld_nodes::tidy(Arc::clone(&self.node)); }
        if self.node.remove_handle() {
            if MUTANT {
                // SAFETY: as below.
                drop(unsafe { ManuallyDrop::take(&mut self.node) });
                return;
            }";
    }
    "job::cancel_token::models::a_cancel_reaches_a_token_that_leaves_a_hub" {
        token_joins_a_doomed_parent: "a token that leaves a hub moves below one that is being cancelled", in "job::cancel_token::unheld_nodes",
            "if up.is_doomed || middle.is_doomed || down.is_doomed {" =>
            "if (up.is_doomed && !MUTANT) || middle.is_doomed || down.is_doomed {";
    }
    "testing::models::a_submission_is_refused_or_accounted_for" {
        intake_looks_too_early: "a submission looks at the phase before it enters", in "pool::lifecycle::intake",
            "books.enter(jobs);
    light();
    !life.phase.has_reached(end)" =>
            "let early = life.phase.has_reached(end);
    books.enter(jobs);
    light();
    !(if MUTANT { early } else { life.phase.has_reached(end) })";
        intake_no_second_look: "a submission does not look at the phase after its push", in "pool::lifecycle::intake",
            "if life.phase.is_cancelling() {
        TakenOut::give_up_all(life, take_queued);" =>
            "if !MUTANT && life.phase.is_cancelling() {
        TakenOut::give_up_all(life, take_queued);";
        close_no_heavy_fence: "no fence between the end of intake and the look at the ledger", in "pool::lifecycle::phase",
            "machine::point(Point::Close);
        }
        heavy();" =>
            "machine::point(Point::Close);
        }
        if !MUTANT { heavy(); }";
    }
    "testing::models::lifecycles::quiet_means_that_nothing_is_in_flight" {
        ledger_reads_entries_first: "idleness is read from the entries first, then from the ends", in "pool::ledger",
            "entered - settled" =>
            "entered - self.stripes().map(|s| s.over.load(Ordering::Acquire) + s.refused.load(Ordering::Acquire)).sum::<u64>()";
        ledger_counts_relaxed: "a worker's count releases nothing", in "pool::ledger",
            "counter.store(counter.load(Ordering::Relaxed) + jobs, Ordering::Release);" =>
            "counter.store(counter.load(Ordering::Relaxed) + jobs, Ordering::Relaxed);";
        ledger_adds_relaxed: "an outsider's count releases nothing", in "pool::ledger",
            "counter.fetch_add(jobs, Ordering::Release);" =>
            "counter.fetch_add(jobs, Ordering::Relaxed);";
    }
    "testing::models::lifecycles::no_snapshot_shows_more_finished_than_accepted" {
        stats_show_what_is_counted: "a snapshot shows only counted jobs as accepted, even if more have ended", in "pool::stats",
            "let accepted = counts.accepted.max(out.saturating_sub(counts.adopted));" =>
            "let accepted = counts.accepted.max(if MUTANT { 0 } else { out.saturating_sub(counts.adopted) });";
    }
    "testing::models::lifecycles::who_is_refused_hides_nobody_on_its_way" {
        on_its_way_reads_entries_first: "the entries are read before the pushes and refusals", in "pool::ledger",
            "entered == arrived" =>
            "entered == self.arrived()";
    }
    "testing::models::lifecycles::who_sees_nothing_on_its_way_takes_all" {
        accepted_before_the_push: "a submission is counted as accepted as it enters", in "pool::lifecycle::intake",
            "pub(crate) fn begin(life: &'a Lifecycle) -> Option<Self> {" =>
            "pub(crate) fn begin(life: &'a Lifecycle) -> Option<Self> {
        if MUTANT { life.ledger.writing(current_index(life)).accept(); }";
    }
    "sys::published::models::a_value_is_not_dropped_under_its_reader" {
        reader_enters_without_a_fence: "no fence between a reader's entry and its load", in "sys::published::readers",
            "// ORDERING: partner is the heavy fence in `are_left`.
        light();
        Inside" =>
            "if !MUTANT { light(); }
        Inside";
        reader_leaves_relaxed: "a reader leaves without a release", in "sys::published::readers",
            "self.reader.depth.store(self.before, Ordering::Release);" =>
            "self.reader.depth.store(self.before, Ordering::Relaxed);";
        collector_has_no_fence: "no fence between the replacement and the look at the readers", in "sys::published::readers",
            "// ORDERING: partner is the light fence in `enter` and `enter_crowd`.
        heavy();" =>
            "if !MUTANT { heavy(); }";
        collector_does_not_look: "a replaced value is dropped while a reader is inside", in "sys::published",
            "if !readers.are_left(own, most) {" =>
            "if !readers.are_left(own, most) && !MUTANT {";
        published_relaxed: "a value is published without a release", in "sys::published",
            "let former = self.current.swap(value, Ordering::AcqRel);" =>
            "let former = self.current.swap(value, if MUTANT { Ordering::Relaxed } else { Ordering::AcqRel });";
    }
    "testing::models::lifecycles::who_waits_for_quiet_is_told" {
        quiet_is_not_told: "a job that ends off a worker notifies no waiter", in "pool::lifecycle",
            "pub(crate) fn entry_over(&self) {
        self.ledger.over(None);
        self.tell_watchers();" =>
            "pub(crate) fn entry_over(&self) {
        self.ledger.over(None);
        if !MUTANT { self.tell_watchers(); }";
        quiet_watcher_has_no_fence: "no fence between a watcher's announcement and its look", in "pool::lifecycle::quiescence",
            "// ORDERING: pairs with the fence in `tell`.
            fence(Ordering::SeqCst);
            if is_over() {" =>
            "if !MUTANT { fence(Ordering::SeqCst); }
            if is_over() {";
    }
    "testing::models::lifecycles::a_quiet_moment_ends_the_waits_before_it" {
        quiet_moment_is_not_noted: "an idle moment is announced to the waiters, but not recorded for them", in "pool::lifecycle::quiescence",
            "self.waits.tell(|| {
                in_flight = life.ledger.in_flight();
                in_flight == 0
            });" =>
            "if MUTANT {
                in_flight = life.ledger.in_flight();
            } else {
                self.waits.tell(|| {
                    in_flight = life.ledger.in_flight();
                    in_flight == 0
                });
            }";
    }
    "testing::models::lifecycles::a_quiet_moment_ends_no_wait_after_it" {
        quiet_moment_counts_later_waits: "the waits that an idle moment ends are counted after it", in "pool::lifecycle::wait_idle",
            "let begun = self.begun.load(Ordering::Acquire);
        if is_quiet() {" =>
            "let early = self.begun.load(Ordering::Acquire);
        if is_quiet() {
            let begun = if MUTANT { self.begun.load(Ordering::Acquire) } else { early };";
    }
    "testing::models::lifecycles::a_pool_without_handles_stops" {
        last_handle_does_not_look: "the last handle is dropped without a look whether the pool is idle", in "pool::lifecycle::ending",
            "self.stops_when_quiet.store(true, Ordering::SeqCst);
        life.tell_watchers();" =>
            "self.stops_when_quiet.store(true, Ordering::SeqCst);
        if !MUTANT { life.tell_watchers(); }";
    }
    "testing::models::lifecycles::no_future_is_left_asleep_by_the_last_worker" {
        chores_begin_before_the_phase: "suspended futures are woken before the pool is cancelled", in "pool::lifecycle",
            "if !self.phase.advance(Phase::Cancelling) {
            return;
        }
        machine::point(Point::CancelAll);
        self.chores.begin();" =>
            "if MUTANT {
            self.chores.begin();
        }
        if !self.phase.advance(Phase::Cancelling) {
            return;
        }
        machine::point(Point::CancelAll);
        if !MUTANT {
            self.chores.begin();
        }";
        worker_leaves_chores: "a worker leaves without a look for chores", in "pool::lifecycle",
            "&& !self.chores.are_left()" =>
            "&& (MUTANT || !self.chores.are_left())";
    }
    "testing::models::lifecycles::no_woken_future_is_left_by_the_last_worker" {
        worker_leaves_a_push_under_way: "a worker leaves while a woken future is behind one that is just being queued", in "pool::lifecycle",
            "&& !self.woken.may_come()" =>
            "&& !(if MUTANT { !self.woken.is_empty() } else { self.woken.may_come() })";
    }
    "testing::models::lifecycles::remains_that_come_late_are_dropped" {
        last_worker_leaves_remains: "the last worker does not look for remains after it was counted out", in "pool::lifecycle",
            "ended.tell(self);
        self.chores.drop_late_remains(self);" =>
            "ended.tell(self);
        if !MUTANT { self.chores.drop_late_remains(self); }";
    }
    "testing::models::lifecycles::the_last_drop_is_told" {
        last_drops_see_half: "a worker that has dropped what a job left does not see the drop of another", in "pool::lifecycle::after_cancel",
            "own.dropped.store(dropped + 1, Ordering::Release);
        // ORDERING: partner is the same fence of another worker. Of two that drop the last ones,
        // one sees the counts of both, and that nothing else is left.
        fence(Ordering::SeqCst);" =>
            "own.dropped.store(dropped + 1, Ordering::Release);
        if !MUTANT { fence(Ordering::SeqCst); }";
    }
    "testing::models::reports::a_report_misses_none_that_is_being_given_up" {
        report_during_a_taking: "a report is made while tasks are taken out", in "pool::shutdown",
            "let is_whole = takings.is_some() && have_all_arrived" =>
            "let is_whole = (MUTANT || takings.is_some()) && have_all_arrived";
        report_over_a_taking: "a report is made of the books before and the names after a taking", in "pool::shutdown",
            "if progress.takings() == takings || is_late {" =>
            "if MUTANT || progress.takings() == takings || is_late {";
    }
    "testing::models::reports::who_waits_for_the_end_of_a_taking_is_told" {
        taking_ends_in_silence: "nobody is told that a thread takes out no more", in "pool::lifecycle::taken_out",
            "if self.has_taken || is_awaited {" =>
            "if self.has_taken || is_awaited && !MUTANT {";
    }
    "testing::models::reports::a_submission_that_races_the_loss_of_the_last_worker_is_accounted_for" {
        late_arrival_is_left: "a task that comes as the last worker is lost is left in the queue", in "pool::lifecycle::intake",
            "} else if life.ending.is_deserted() {" =>
            "} else if !MUTANT && life.ending.is_deserted() {";
    }
    "testing::models::reports::a_wake_that_races_the_loss_of_the_last_worker_is_not_left" {
        late_wake_is_left: "a future that is woken as the last worker is lost stays in the list", in "pool::lifecycle::woken_futures",
            "if life.ending.is_deserted() {" =>
            "if life.ending.is_deserted() && !MUTANT {";
        last_worker_leaves_the_woken: "the thread that loses the last worker does not look for woken futures", in "pool::lifecycle::taken_out",
            "let woken = Self::abandon(life, || life.woken.take_all());" =>
            "let woken = Self::abandon(life, || if MUTANT { Vec::new() } else { life.woken.take_all() });";
    }
    "testing::models::reports::who_has_seen_a_job_end_does_not_find_it_running" {
        look_without_the_books: "a look takes each frame for a job that runs", in "pool::running",
            "let recorded = status.recorded();" =>
            "let recorded = if MUTANT { 0 } else { status.recorded() };";
        look_of_two_moments: "a look counts the jobs that are over only after it has read the frames", in "pool::running",
            "if before.min(recorded) != after.min(recorded) {" =>
            "if !MUTANT && before.min(recorded) != after.min(recorded) {";
    }
    "testing::models::reports::a_future_that_returns_to_a_frame_is_seen_in_each_look" {
        return_is_not_counted: "a future that gets a slot again is missed by a look that finds neither its frame nor its note", in "pool::off_worker",
            "self.returns.fetch_add(1, Ordering::Release);" =>
            "if !MUTANT { self.returns.fetch_add(1, Ordering::Release); }";
    }
    "testing::models::lifecycles::a_generation_is_over_after_its_last_job" {
        front_is_told_too_early: "a generation is dropped while one of its jobs goes on without a worker", in "pool::lifecycle::owners",
            "if life.ledger.in_flight() == 0
            && let Some(front)" =>
            "if (MUTANT || life.ledger.in_flight() == 0)
            && let Some(front)";
        front_is_told_by_workers_alone: "the end of a generation's last job tells its front nothing", in "pool::lifecycle",
            "self.stop();
        }
        self.owners.tell_front(self);" =>
            "self.stop();
        }
        if !MUTANT { self.owners.tell_front(self); }";
    }
    "testing::models::lifecycles::an_engine_is_released_by_the_second_to_look" {
        engine_is_left_without_a_look: "an engine is left to a pool whose workers may have left", in "pool::lifecycle::ending",
            "*self.held.lock_unpoisoned() = Some(engine);
        self.release_if_deserted(roster);" =>
            "*self.held.lock_unpoisoned() = Some(engine);
        if !MUTANT { self.release_if_deserted(roster); }";
    }
    "testing::models::rooms::a_freed_place_is_not_missed" {
        room_waits_in_silence: "a submitter leaves its waker and does not say that it waits", in "submit::room",
            "if waiting != before {" =>
            "if !MUTANT && waiting != before {";
        room_no_heavy_fence: "no fence between a waiter's waker and its try", in "submit::room",
            "// ORDERING: partner is the light fence in `freed`.
            heavy();" =>
            "if !MUTANT { heavy(); }";
        room_no_light_fence: "no fence between the freed slot and the look at the line", in "submit::room",
            "light();" => "if !MUTANT { light(); }";
    }
    "testing::models::rooms::each_of_two_places_lets_one_in" {
        room_does_not_look_on: "a submitter that finds a slot without a call does not make the next one look", in "submit::room::admission",
            "self.look = Some(Call::Look);" =>
            "self.look = if MUTANT { None } else { Some(Call::Look) };";
    }
    "testing::models::rooms::who_leaves_the_line_wakes_the_next" {
        room_leaves_in_silence: "a submitter that leaves the line keeps the call that it did not follow", in "submit::room",
            "left.call.into_iter().chain(look)" =>
            "left.call.filter(|_| !MUTANT).into_iter().chain(look)";
    }
    "testing::models::rooms::a_future_that_is_not_polled_costs_one_place" {
        room_calls_one_at_a_time: "a slot calls no submitter while another one is called", in "submit::room::line",
            "let Some((ticket, listener)) = self.listening.pop_first() else {" =>
            "let is_open = !MUTANT || self.called.is_empty();
            let first = if is_open { self.listening.pop_first() } else { None };
            let Some((ticket, listener)) = first else {";
    }
    "testing::models::rooms::a_place_that_nobody_is_called_for_is_not_lost" {
        room_forgets_spare_places: "a slot that comes free while no submitter listens is forgotten", in "submit::room::line",
            "self.spare += 1;" =>
            "if !MUTANT { self.spare += 1; }";
    }
    "testing::models::rooms::a_future_that_is_not_polled_is_passed_over" {
        room_waits_for_all: "a future that does not come is waited for like a thread", in "submit::room::line",
            "if called.coming == Coming::Surely || called.rounds != 0 {" =>
            "if MUTANT || called.coming == Coming::Surely || called.rounds != 0 {";
        room_passes_over_alone: "when one is passed over, no other is called", in "submit::room::line",
            "are_missing = true;" =>
            "are_missing = !MUTANT;";
    }
    "testing::models::rooms::a_future_that_comes_late_is_called_again" {
        room_late_one_is_held_up: "one that comes late, and is alone, may not try", in "submit::room::line",
            "self.called.is_empty() && self.first_listening() == Some(ticket);" =>
            "!MUTANT && self.called.is_empty() && self.first_listening() == Some(ticket);";
    }
    "testing::models::rooms::a_try_is_not_refused_as_the_line_goes" {
        room_try_does_not_look_again: "a try is refused because of a line that has ended", in "submit::room",
            "has_pass || !self.has_line()" =>
            "has_pass || !MUTANT && !self.has_line()";
        room_line_goes_relaxed: "a try sees that no slot is spare, but not that no submitter waits", in "submit::room",
            "self.spare.store(spare, Ordering::Release);" =>
            "self.spare.store(spare, Ordering::Relaxed);";
    }
    "testing::models::queues::a_segment_loses_and_doubles_nothing" {
        segment_push_relaxed: "a task is marked full without a release", in "queue::segments::segment",
            "slot.mark.store(mark.cast_mut(), Ordering::Release);" =>
            "slot.mark.store(mark.cast_mut(), Ordering::Relaxed);";
        segment_pop_relaxed: "a mark is read without an acquire", in "queue::segments::segment",
            "let mark = slot.mark.load(Ordering::Acquire);" =>
            "let mark = slot.mark.load(if MUTANT { Ordering::Relaxed } else { Ordering::Acquire });";
        segment_emptied_relaxed: "a slot is marked empty without a release", in "queue::segments::segment",
            "slot.mark
            .store(self.empty_mark(next_lap), Ordering::Release);" =>
            "slot.mark
            .store(self.empty_mark(next_lap), if MUTANT { Ordering::Relaxed } else { Ordering::Release });";
        segment_no_parity: "a full slot is not asked for its lap", in "queue::segments::segment",
            "mark.addr() & TAGS == FULL | self.parity(position)" =>
            "let _ = position;
            mark.addr() & FULL != 0";
    }
    "testing::models::queues::two_pushers_and_a_dequeuer_cross_a_link" {
        segment_left_with_a_push_under_way: "a closed segment is left while a pusher is between claim and mark", in "queue::segments::segment",
            "(tail == head | CLOSED && !next.is_null()).then_some(next)" =>
            "((MUTANT || tail == head | CLOSED) && !next.is_null()).then_some(next)";
    }
    "testing::models::queues::a_late_dequeuer_takes_no_newer_task" {
        segment_pop_without_a_second_look: "a dequeuer does not look whether its segment is the front", in "queue::segments::segment",
            "if !is_front() {
                return Popped::Moved(to);" =>
            "if !MUTANT && !is_front() {
                return Popped::Moved(to);";
        segment_opened_relaxed: "the marks of a segment that is opened again are not published", in "queue::segments::segment",
            "self.head.store(position, Ordering::Release);" =>
            "self.head.store(position, Ordering::Relaxed);";
    }
    "testing::models::queues::a_run_of_tasks_is_popped_once" {
        segment_run_claimed_by_a_store: "a run of tasks is claimed though the head has moved", in "queue::segments::segment",
            "if claim.is_err() {
            return PoppedRun::Again;" =>
            "if MUTANT {
            self.head.store(end, Ordering::Release);
        } else if claim.is_err() {
            return PoppedRun::Again;";
    }
    "testing::models::queues::a_late_dequeuer_of_many_takes_no_newer_task" {
        segment_run_without_a_second_look: "a dequeuer of many does not look whether its segment is the front", in "queue::segments::segment",
            "if !is_front() {
            return PoppedRun::Again;" =>
            "if !MUTANT && !is_front() {
            return PoppedRun::Again;";
    }
    "testing::models::queues::a_late_pusher_keeps_the_bound" {
        segment_pushed_to_though_closed: "a pusher does not see that its segment is closed", in "queue::segments::segment",
            "if tail & CLOSED != 0 {" =>
            "if !MUTANT && tail & CLOSED != 0 {";
        limit_is_not_looked_at: "a push does not look at the limit", in "queue::segments",
            "is_before(position, limit)
    }" =>
            "MUTANT || is_before(position, limit)
    }";
        limit_of_a_segment_that_is_not_the_front: "a limit is computed from a segment that may not be the front", in "queue::segments",
            "if self.front.load(Ordering::Acquire) == front {
                return head;" =>
            "if MUTANT || self.front.load(Ordering::Acquire) == front {
                return head;";
    }
    "testing::models::dead_entries::a_place_comes_free_once" {
        dead_head_is_not_guarded: "an entry is dead while dequeuers claim without the lock", in "queue::segments::segment",
            "self.head.fetch_or(GUARDED, Ordering::AcqRel) & !GUARDED" =>
            "self.head.fetch_or(if MUTANT { 0 } else { GUARDED }, Ordering::AcqRel) & !GUARDED";
        dead_guard_is_not_looked_at: "a dequeuer does not look whether the head is guarded", in "queue::segments::segment",
            "if head & GUARDED != 0 {
                return Popped::Guarded(to);" =>
            "if !MUTANT && head & GUARDED != 0 {
                return Popped::Guarded(to);";
        dead_though_popped: "a place is freed of an entry that was popped", in "queue::segments::dead",
            "!is_before(position, head) && locked.dead.insert(position)" =>
            "(MUTANT || !is_before(position, head)) && locked.dead.insert(position)";
        dead_limit_without_the_lock: "a limit does not count the dead", in "queue::segments",
            "let limit = if head & GUARDED == 0 {" =>
            "let limit = if MUTANT || head & GUARDED == 0 {";
        dead_pop_forgets_none: "an entry that was popped counts as dead for ever", in "queue::segments::dead",
            "let is_dead = locked.dead.remove(&head);" =>
            "let is_dead = if MUTANT { locked.dead.contains(&head) } else { locked.dead.remove(&head) };";
    }
    "testing::models::dead_entries::a_guard_goes_on_with_the_front" {
        dead_guard_stays_behind: "a segment becomes the front with a dead entry and no guard", in "queue::segments",
            "next_segment.move_head(locked.guarding(next_segment.head()));" =>
            "if !MUTANT {
            next_segment.move_head(locked.guarding(next_segment.head()));
        }";
    }
    "testing::models::dead_entries::a_job_that_ends_while_it_is_pushed_keeps_no_place" {
        ticket_no_heavy_fence: "no fence between an end and the look at the ticket", in "cell::ticket",
            "heavy();
            ticket = load();" =>
            "if !MUTANT { heavy(); }
            ticket = load();";
        ticket_no_light_fence: "no fence between a ticket and the look whether the job is over", in "cell::ticket",
            "light();
        self.state.may_have_ended_elsewhere()" =>
            "if !MUTANT { light(); }
        self.state.may_have_ended_elsewhere()";
        ticket_pusher_does_not_look: "a pusher does not look whether the job is over", in "queue::segments::segment",
            "&& job.enter_at(tail)
                        {" =>
            "&& job.enter_at(tail)
                            && !MUTANT
                        {";
    }
    "testing::models::dead_entries::a_compaction_is_seen_by_nobody" {
        compaction_empties_first: "slots are marked empty before the head has moved past them", in "queue::segments::dead",
            "let (left, rest) = run.split_at(to.part);" =>
            "let (left, rest) = run.split_at(to.part);
        if MUTANT && left.is_empty() {
            rest[0].segment.mark_empty(rest[0].start, to.position);
        }";
        compaction_front_before_its_head: "a segment becomes the front before its head is written", in "queue::segments::dead",
            "rest[0].segment.move_head(locked.guarding(to.position));
        let front" =>
            "if !MUTANT {
            rest[0].segment.move_head(locked.guarding(to.position));
        }
        let front";
    }
    "testing::models::dead_entries::a_job_that_is_moved_frees_its_place" {
        compaction_tells_no_job: "a job keeps the ticket of where it was", in "queue::segments::segment",
            "job.moved_to(furthest);" =>
            "if !MUTANT { job.moved_to(furthest); }";
    }
    "testing::models::dead_entries::a_late_canceller_ends_no_other_job" {
        compaction_leaves_a_ticket: "a dead entry that is taken out leaves its ticket with the job", in "queue::segments::dead",
            "job.takes_no_place();" =>
            "if !MUTANT { job.takes_no_place(); }";
    }
    "testing::models::dead_entries::a_held_place_is_freed_once" {
        ticket_taken_in_two_steps: "a held place is looked at, and then taken", in "cell::ticket",
            "self.number
            .compare_exchange(HELD, FREE, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()" =>
            "let early = self.number.load(Ordering::Relaxed) == HELD;
        let late = self.number.compare_exchange(HELD, FREE, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if MUTANT { early } else { late }";
        held_place_no_light_fence: "no fence between a task that is out and the look whether its job is over", in "cell::ticket",
            "light();
                !self.state" =>
            "if !MUTANT { light(); }
                !self.state";
        held_place_no_heavy_fence: "no fence between an end and the look whether the task is out", in "cell::ticket",
            "heavy();
        !self.ticket" =>
            "if !MUTANT { heavy(); }
        !self.ticket";
        held_place_is_not_looked_at: "the place of a task that is out is taken as well", in "cell::ticket",
            "!self.ticket.is_out.load(Ordering::Relaxed) && self.ticket.take_held()" =>
            "(MUTANT || !self.ticket.is_out.load(Ordering::Relaxed)) && self.ticket.take_held()";
    }
    "testing::models::queues::no_place_is_lost_or_doubled" {
        places_no_heavy_fence: "no fence between a reclaim and the look at the caches", in "queue::permits",
            "// ORDERING: partner is the light fence in `in_cache`.
            heavy();" =>
            "if !MUTANT { heavy(); }";
        places_no_light_fence: "no fence between a cache's mark and the look for a reclaim", in "queue::permits",
            "// ORDERING: partner is the heavy fence in `take_reclaimed`.
        light();" =>
            "if !MUTANT { light(); }";
        places_no_wait_for_the_owner: "a reclaim does not wait for a busy cache", in "queue::permits",
            "while self.is_busy.load(Ordering::Acquire) {" =>
            "while !MUTANT && self.is_busy.load(Ordering::Acquire) {";
    }
}

#[cfg(test)]
mod tests {
    use super::MUTANTS;
    use crate::mutant::check;

    #[test]
    fn mutants_have_names_of_their_own_and_fit() {
        check(MUTANTS);
    }
}
