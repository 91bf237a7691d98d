//! The macro that writes `submit`, `try_submit` and the others as a pool's own methods, so that its
//! user needs no trait in scope.

/// Writes methods of [`ExecutorExt`](crate::ExecutorExt) into an `impl` block of an executor.
///
/// An item is documentation, the method's name, its kind and how it waits: `submit: job,
/// blocking;`. The kinds are `job`, `detached_job`, `closure`, `future_job`, `detached_future_job`
/// and `future`; the ways to wait are `blocking`, `never`, `timeout` and `awaiting`.
#[doc(hidden)]
#[macro_export]
macro_rules! ways_in {
    ($($(#[$doc:meta])* $name:ident: $kind:ident, $wait:ident;)*) => {
        $($crate::ways_in!(@ $kind $wait { $(#[$doc])* } $name);)*
    };

    (@ job $wait:ident $doc:tt $name:ident) => {
        $crate::ways_in!(@@ $wait $doc $name (J) (job: J)
            (::std::result::Result<$crate::JobHandle<J::Output, J::Error>, $crate::SubmitError<J>>)
            (J: $crate::Job));
    };
    (@ detached_job $wait:ident $doc:tt $name:ident) => {
        $crate::ways_in!(@@ $wait $doc $name (J) (job: J)
            (::std::result::Result<$crate::JobId, $crate::SubmitError<J>>)
            (J: $crate::Job));
    };
    (@ closure $wait:ident $doc:tt $name:ident) => {
        $crate::ways_in!(@@ $wait $doc $name (F, T) (f: F)
            (::std::result::Result<
                $crate::JobHandle<T, ::std::convert::Infallible>,
                $crate::SubmitError<F>,
            >)
            (F: FnOnce() -> T + Send + 'static, T: Send + 'static));
    };
    (@ future_job $wait:ident $doc:tt $name:ident) => {
        $crate::ways_in!(@@ $wait $doc $name (J) (job: J)
            (::std::result::Result<$crate::JobHandle<J::Output, J::Error>, $crate::SubmitError<J>>)
            (J: $crate::AsyncJob));
    };
    (@ detached_future_job $wait:ident $doc:tt $name:ident) => {
        $crate::ways_in!(@@ $wait $doc $name (J) (job: J)
            (::std::result::Result<$crate::JobId, $crate::SubmitError<J>>)
            (J: $crate::AsyncJob));
    };
    (@ future $wait:ident $doc:tt $name:ident) => {
        $crate::ways_in!(@@ $wait $doc $name (F) (future: F)
            (::std::result::Result<
                $crate::JobHandle<F::Output, ::std::convert::Infallible>,
                $crate::SubmitError<F>,
            >)
            (F: ::std::future::Future<Output: Send> + Send + 'static));
    };

    (@@ timeout { $(#[$doc:meta])* } $name:ident ($($generic:ident),+) ($job:ident: $Job:ident)
        ($($result:tt)+) ($($bound:tt)+)) => {
        $(#[$doc])*
        pub fn $name<$($generic),+>(
            &self,
            $job: $Job,
            timeout: ::std::time::Duration,
        ) -> $($result)+
        where
            $($bound)+
        {
            $crate::ExecutorExt::$name(self, $job, timeout)
        }
    };
    (@@ awaiting { $(#[$doc:meta])* } $name:ident ($($generic:ident),+) ($job:ident: $Job:ident)
        ($($result:tt)+) ($($bound:tt)+)) => {
        $(#[$doc])*
        pub fn $name<$($generic),+>(
            &self,
            $job: $Job,
        ) -> impl ::std::future::Future<Output = $($result)+> + Send
        where
            $($bound)+
        {
            $crate::ExecutorExt::$name(self, $job)
        }
    };
    (@@ $wait:ident { $(#[$doc:meta])* } $name:ident ($($generic:ident),+) ($job:ident: $Job:ident)
        ($($result:tt)+) ($($bound:tt)+)) => {
        $(#[$doc])*
        pub fn $name<$($generic),+>(&self, $job: $Job) -> $($result)+
        where
            $($bound)+
        {
            $crate::ExecutorExt::$name(self, $job)
        }
    };
}

/// Writes the methods of [`ExecutorExt`](crate::ExecutorExt) that are not ways in for one job: all
/// of them, in this order, each with the documentation that the caller gives it.
#[doc(hidden)]
#[macro_export]
macro_rules! many_and_waits {
    (
        $(#[$submit_all:meta])* submit_all;
        $(#[$map:meta])* map;
        $(#[$map_unordered:meta])* map_unordered;
        $(#[$scope:meta])* scope;
        $(#[$wait_idle:meta])* wait_idle;
        $(#[$wait_idle_async:meta])* wait_idle_async;
        $(#[$accept:meta])* accept;
        $(#[$accept_timeout:meta])* accept_timeout;
        $(#[$accept_async:meta])* accept_async;
        $(#[$after:meta])* after;
    ) => {
        $(#[$submit_all])*
        pub fn submit_all<J: $crate::Job>(
            &self,
            jobs: impl IntoIterator<Item = J>,
        ) -> ::std::result::Result<
            Vec<$crate::JobHandle<J::Output, J::Error>>,
            $crate::SubmitAllError<J, $crate::JobHandle<J::Output, J::Error>>,
        > {
            $crate::ExecutorExt::submit_all(self, jobs)
        }

        $(#[$map])*
        pub fn map<I, F, T>(&self, inputs: I, f: F) -> $crate::Map<'_, Self, I::IntoIter, F, T>
        where
            I: IntoIterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
            $crate::ExecutorExt::map(self, inputs, f)
        }

        $(#[$map_unordered])*
        pub fn map_unordered<I, F, T>(
            &self,
            inputs: I,
            f: F,
        ) -> $crate::MapUnordered<'_, Self, I::IntoIter, F, T>
        where
            I: IntoIterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
            $crate::ExecutorExt::map_unordered(self, inputs, f)
        }

        $(#[$scope])*
        pub fn scope<'env, R>(
            &'env self,
            f: impl for<'scope> FnOnce(&'scope $crate::Scope<'scope, 'env, Self>) -> R,
        ) -> ::std::result::Result<R, $crate::ScopeError> {
            $crate::ExecutorExt::scope(self, f)
        }

        $(#[$wait_idle])*
        pub fn wait_idle(&self) {
            $crate::ExecutorExt::wait_idle(self);
        }

        $(#[$wait_idle_async])*
        pub fn wait_idle_async(&self) -> impl ::std::future::Future<Output = ()> + Send {
            $crate::ExecutorExt::wait_idle_async(self)
        }

        $(#[$accept])*
        pub fn accept(
            &self,
            task: $crate::Task,
        ) -> ::std::result::Result<(), $crate::SubmitError<$crate::Task>> {
            $crate::ExecutorExt::accept(self, task)
        }

        $(#[$accept_timeout])*
        pub fn accept_timeout(
            &self,
            task: $crate::Task,
            timeout: ::std::time::Duration,
        ) -> ::std::result::Result<(), $crate::SubmitError<$crate::Task>> {
            $crate::ExecutorExt::accept_timeout(self, task, timeout)
        }

        $(#[$accept_async])*
        pub fn accept_async(
            &self,
            task: $crate::Task,
        ) -> impl ::std::future::Future<
            Output = ::std::result::Result<(), $crate::SubmitError<$crate::Task>>,
        > + Send {
            $crate::ExecutorExt::accept_async(self, task)
        }

        $(#[$after])*
        pub fn after<J: $crate::Job>(
            &self,
            delay: ::std::time::Duration,
            job: J,
        ) -> ::std::result::Result<
            $crate::JobHandle<J::Output, J::Error>,
            $crate::SubmitError<J>,
        > {
            $crate::ExecutorExt::after(self, delay, job)
        }
    };
}
