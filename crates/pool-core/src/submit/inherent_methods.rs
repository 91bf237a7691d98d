//! The ways in as methods of a pool's own, so that its user needs no trait in scope: told once, for every pool type.

/// Writes the methods of [`ExecutorExt`](crate::ExecutorExt) into an `impl` block of an executor.
#[doc(hidden)]
#[macro_export]
macro_rules! inherent_ways_in {
    () => {
        /// Runs a job without a handle: the cheapest way in. Waits while the queue is full.
        ///
        /// # Errors
        /// See [`ExecutorExt::execute`]($crate::ExecutorExt::execute).
        pub fn execute<J: $crate::Job>(
            &self,
            job: J,
        ) -> ::std::result::Result<$crate::JobId, $crate::SubmitError<J>> {
            $crate::ExecutorExt::execute(self, job)
        }

        $crate::inherent_ways_in! { @submit
            /// Submits a job and waits while the queue is full.
            submit(Job) = submit;
            /// Submits a job, or gives it back at once if the queue is full.
            try_submit(Job) = try_submit;
            /// Submits a job whose work is a future.
            submit_future(AsyncJob) = submit_future;
            /// Submits a job whose work is a future, or gives it back at once if the queue is full.
            try_submit_future(AsyncJob) = try_submit_future;
        }

        /// Submits a job and waits for `timeout` at the most.
        ///
        /// # Errors
        /// See [`ExecutorExt::submit_timeout`]($crate::ExecutorExt::submit_timeout).
        pub fn submit_timeout<J: $crate::Job>(
            &self,
            job: J,
            timeout: ::std::time::Duration,
        ) -> ::std::result::Result<$crate::JobHandle<J::Output, J::Error>, $crate::SubmitError<J>>
        {
            $crate::ExecutorExt::submit_timeout(self, job, timeout)
        }

        /// Submits a job and waits for room without blocking the thread.
        ///
        /// # Errors
        /// See [`ExecutorExt::submit_async`]($crate::ExecutorExt::submit_async).
        pub fn submit_async<J: $crate::Job>(
            &self,
            job: J,
        ) -> impl ::std::future::Future<
            Output = ::std::result::Result<
                $crate::JobHandle<J::Output, J::Error>,
                $crate::SubmitError<J>,
            >,
        > + Send {
            $crate::ExecutorExt::submit_async(self, job)
        }

        /// Submits jobs in order, waiting for room as needed.
        ///
        /// # Errors
        /// See [`ExecutorExt::submit_all`]($crate::ExecutorExt::submit_all).
        pub fn submit_all<J: $crate::Job>(
            &self,
            jobs: impl IntoIterator<Item = J>,
        ) -> ::std::result::Result<
            Vec<$crate::JobHandle<J::Output, J::Error>>,
            $crate::SubmitAllError<J, $crate::JobHandle<J::Output, J::Error>>,
        > {
            $crate::ExecutorExt::submit_all(self, jobs)
        }

        /// Submits a plain closure that cannot fail.
        ///
        /// # Errors
        /// See [`ExecutorExt::spawn`]($crate::ExecutorExt::spawn).
        pub fn spawn<F, T>(
            &self,
            f: F,
        ) -> ::std::result::Result<
            $crate::JobHandle<T, ::std::convert::Infallible>,
            $crate::SubmitError<F>,
        >
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            $crate::ExecutorExt::spawn(self, f)
        }

        /// Submits a future that cannot fail.
        ///
        /// # Errors
        /// See [`ExecutorExt::spawn_future`]($crate::ExecutorExt::spawn_future).
        pub fn spawn_future<F>(
            &self,
            future: F,
        ) -> ::std::result::Result<
            $crate::JobHandle<F::Output, ::std::convert::Infallible>,
            $crate::SubmitError<F>,
        >
        where
            F: ::std::future::Future<Output: Send> + Send + 'static,
        {
            $crate::ExecutorExt::spawn_future(self, future)
        }

        /// Applies `f` to each input; the outcomes come in the order of the inputs. Inputs are taken
        /// as there is room and as outcomes are taken. See
        /// [`ExecutorExt::map`]($crate::ExecutorExt::map).
        pub fn map<I, F, T>(&self, inputs: I, f: F) -> $crate::Map<'_, Self, I::IntoIter, F, T>
        where
            I: IntoIterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
            $crate::ExecutorExt::map(self, inputs, f)
        }

        /// [`map`](Self::map) whose outcomes come as they are ready.
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

        /// Lets jobs borrow from the caller's stack; returns when all of them are over.
        ///
        /// # Errors
        /// See [`ExecutorExt::scope`]($crate::ExecutorExt::scope).
        pub fn scope<'env, R>(
            &'env self,
            f: impl for<'scope> FnOnce(&'scope $crate::Scope<'scope, 'env, Self>) -> R,
        ) -> ::std::result::Result<R, $crate::ScopeError> {
            $crate::ExecutorExt::scope(self, f)
        }

        /// Waits until nothing is accepted and unfinished; intake stays open.
        pub fn wait_idle(&self) {
            $crate::ExecutorExt::wait_idle(self);
        }

        /// [`wait_idle`](Self::wait_idle) without blocking the thread.
        pub fn wait_idle_async(&self) -> impl ::std::future::Future<Output = ()> + Send {
            $crate::ExecutorExt::wait_idle_async(self)
        }
    };
    (@submit $($(#[$doc:meta])* $name:ident($kind:ident) = $way:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// See the method of this name of [`ExecutorExt`]($crate::ExecutorExt).
        pub fn $name<J: $crate::$kind>(
            &self,
            job: J,
        ) -> ::std::result::Result<$crate::JobHandle<J::Output, J::Error>, $crate::SubmitError<J>>
        {
            $crate::ExecutorExt::$way(self, job)
        }
    )*};
}
