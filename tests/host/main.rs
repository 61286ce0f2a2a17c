//! Everything a person does on one host, with real parts: registry, images, namespaces, cgroups, network.
//!
//! One module for each noun. Every test has a host of its own and fails when it leaves anything behind.

mod kit;
