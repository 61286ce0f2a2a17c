//! The progress of a pull.
pub(crate) mod screen;
pub(crate) mod view;

#[derive(Debug)]
pub(crate) struct Reporter;
impl Reporter {
    pub(crate) fn silent() -> Self {
        Reporter
    }
    pub(crate) fn on_stderr() -> Self {
        Reporter
    }
    pub(crate) fn finish(&self) {}
}
