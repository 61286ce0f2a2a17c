//! System calls that the libraries don't wrap, each as one safe function.

pub(crate) mod reexec;
