//! Everything a person does on one host, with real parts: registry, images, namespaces, cgroups, network.
//!
//! One module for each noun. Every test has a host of its own and fails when it leaves anything behind.

mod exec;
mod faults;
mod files;
mod health;
mod images;
mod kills;
mod kit;
mod lifecycle;
mod limits;
mod logs;
mod names;
mod networks;
mod ports;
mod process;
mod pull;
mod registries;
mod security;
mod state;
mod terminal;
mod volumes;
