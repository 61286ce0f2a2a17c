//! Errors as the person sees them: one line on standard error and an exit code. Classified here, once.

use std::error::Error;
use std::io;

/// Why a verb failed.
#[derive(Debug)]
pub(crate) struct Failure {
    message: Option<String>,
    code: i32,
}

/// What a verb ends in: the exit code, or why there is none.
pub(crate) type Outcome = Result<i32, Failure>;

/// The exit code of a shell's command that SIGPIPE ended.
const PIPE_CLOSED: i32 = 128 + libc::SIGPIPE;

impl Failure {
    /// A failure of an ordinary verb: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure {
            message: Some(message.into()),
            code: 1,
        }
    }

    /// The error and its causes on one line; exit code 1.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        Failure::new(with_causes(error))
    }

    /// A failure already told, of which only the exit code is left.
    pub(crate) fn told(code: i32) -> Self {
        Failure {
            message: None,
            code,
        }
    }

    /// The same, with another exit code.
    pub(crate) fn with_code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    /// The message, for somebody else to tell.
    pub(crate) fn into_message(self) -> String {
        self.message.unwrap_or_default()
    }

    /// Prints the message and returns the exit code.
    pub(crate) fn report(self) -> i32 {
        if let Some(message) = &self.message {
            complain(message);
        }
        self.code()
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Failure::of(&error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::told(PIPE_CLOSED);
        }
        Failure::of(&error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::new(message)
    }
}

/// An engine's error in a verb that starts a process (`run`, `create`, `exec`): 125, 126 or 127.
pub(crate) fn of_start(error: engine::Error) -> Failure {
    let code = error.exit_code();
    Failure::from(error).with_code(code)
}

/// One line on standard error.
pub(crate) fn complain(message: &str) {
    say(&format!("minictl: {message}\n"));
}

/// Text on standard error; where that is gone there is nobody left to tell.
pub(crate) fn say(text: &str) {
    use io::Write as _;
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text on standard output; a closed pipe ends the verb quietly.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    use io::Write as _;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Does `each` for every name and goes on after an error; 1 when one failed, else 0.
pub(crate) fn for_each(
    names: &[String],
    mut each: impl FnMut(&str) -> Result<(), Failure>,
) -> Outcome {
    let mut code = 0;
    for name in names {
        if let Err(failure) = each(name) {
            if failure.message.is_none() {
                return Err(failure);
            }
            failure.report();
            code = 1;
        }
    }
    Ok(code)
}

/// The error and all it came from, `: ` between them. A cause whose words already stand there is left out, and so are
/// all causes where the error itself names the one at the root.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    let mut text = error.to_string();
    if causes.last().is_some_and(|root| says(&text, root)) {
        return text;
    }
    for words in &causes {
        if !says(&text, words) {
            text.push_str(": ");
            text.push_str(words);
        }
    }
    text
}

/// Whether `text` has these words, in whatever case and without the number that the kernel's errors carry.
fn says(text: &str, words: &str) -> bool {
    let words = words.split(" (os error ").next().unwrap_or(words);
    text.to_lowercase().contains(&words.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nested(&'static str, Option<Box<Nested>>);

    impl std::fmt::Display for Nested {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Nested {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1
                .as_deref()
                .map(|cause| cause as &(dyn Error + 'static))
        }
    }

    #[test]
    fn causes_follow_their_error_once() {
        fn check(chain: &[&'static str], expected: &str) {
            let error = chain
                .iter()
                .rev()
                .fold(None, |cause, words| Some(Box::new(Nested(words, cause))))
                .unwrap();
            assert_eq!(with_causes(&*error), expected);
        }
        check(&["start web"], "start web");
        check(
            &["start web", "mount /proc", "permission denied"],
            "start web: mount /proc: permission denied",
        );
        check(&["start web: no space", "no space"], "start web: no space");
        check(
            &[
                "get x: connection refused; is it running?",
                "send",
                "Connection refused (os error 111)",
            ],
            "get x: connection refused; is it running?",
        );
    }

    #[test]
    fn all_names_are_tried() {
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let mut tried = Vec::new();
        let outcome = for_each(&names, |name| {
            tried.push(name.to_owned());
            if name == "b" {
                Err(Failure::new("no b"))
            } else {
                Ok(())
            }
        });
        assert_eq!(outcome.unwrap(), 1);
        assert_eq!(tried, names);
    }
}
