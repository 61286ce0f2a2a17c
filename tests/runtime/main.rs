//! `minirun` and OCI bundles, with no engine above: each feature of the specification that is used, and bundles that mean harm.

mod cgroups;
mod hostile;
mod lifecycle;
mod mounts;
mod process;
mod security;
