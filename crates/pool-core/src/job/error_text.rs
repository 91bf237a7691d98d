//! What an error says, where its type is known to say something.
//!
//! The error of a job may be of any type, so nothing can be asked of it. What `on_failure` is told
//! comes from the first of these that knows the type: the job itself (`Job::error_text`), what the
//! pool's builder was told (`describe_error`), and the list below, by downcast.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::job::outcome::Interrupted;
use crate::submit::error::SubmitError;

/// Shows an error and its sources in one line, as in `the upload failed: connection reset`.
pub(crate) struct WithSources<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for WithSources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut above = self.0.source();
        while let Some(source) = above {
            write!(f, ": {source}")?;
            above = source.source();
        }
        Ok(())
    }
}

/// What an error of a well-known type says; `None` for other types.
pub(crate) fn text_of(error: &dyn Any) -> Option<String> {
    text(error).map(str::to_owned).or_else(|| {
        boxed(error)
            .or_else(|| standard(error))
            .map(|error| WithSources(error).to_string())
    })
}

/// The text of an error that is one: a string, borrowed, owned or shared.
fn text(error: &dyn Any) -> Option<&str> {
    let string = error.downcast_ref::<String>().map(String::as_str);
    string
        .or_else(|| error.downcast_ref::<&'static str>().copied())
        .or_else(|| {
            error
                .downcast_ref::<Cow<'static, str>>()
                .map(|text| &**text)
        })
        .or_else(|| error.downcast_ref::<Box<str>>().map(|text| &**text))
        .or_else(|| error.downcast_ref::<Arc<str>>().map(|text| &**text))
}

/// What is in a box or an `Arc`. Its type is not known, and what it says is.
fn boxed(error: &dyn Any) -> Option<&dyn Error> {
    if let Some(error) = error.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return Some(&**error);
    }
    if let Some(error) = error.downcast_ref::<Box<dyn Error + Send>>() {
        return Some(&**error);
    }
    let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    shared.map(|error| &**error as &dyn Error)
}

/// The error itself, if it is one of a list: of the standard library, and of this crate.
fn standard(error: &dyn Any) -> Option<&dyn Error> {
    macro_rules! first_of {
        ($($known:ty),* $(,)?) => {
            None$(.or_else(|| as_error::<$known>(error)))*
        };
    }
    first_of![
        std::io::Error,
        std::num::ParseIntError,
        std::num::ParseFloatError,
        std::num::TryFromIntError,
        std::str::Utf8Error,
        std::string::FromUtf8Error,
        std::fmt::Error,
        std::net::AddrParseError,
        std::env::VarError,
        std::sync::mpsc::RecvError,
        std::sync::mpsc::RecvTimeoutError,
        std::thread::AccessError,
        Interrupted,
        SubmitError<()>,
    ]
}

/// A downcast that forgets the type again, so that the arms of the list above agree.
fn as_error<E: Error + 'static>(error: &dyn Any) -> Option<&dyn Error> {
    error.downcast_ref::<E>().map(|error| error as &dyn Error)
}
