//! `minictl`: how a person talks to containers and to clusters. It reads a command line spelt as Docker spells it. Containers
//! of this host are `engine`'s, which does the work in this very process; a cluster is `minid`'s, which is asked over its socket.
//! It decides nothing itself and keeps no state but names for daemons.

mod arguments;
mod cluster;
mod command;
mod config;
mod container;
mod context;
mod contexts;
mod converge;
mod events;
mod failure;
mod image;
mod inspect;
mod internal;
mod lab;
mod network;
mod node;
mod output;
mod progress;
mod registry;
mod remote;
mod secret;
mod service;
mod stack;
mod system;
mod task;
mod terminal;
mod volume;

use clap::Parser;

use command::CommandLine;
use context::Context;

fn main() {
    let code = match CommandLine::try_parse() {
        Ok(line) => perform(line),
        Err(error) => arguments::refuse(&error),
    };
    std::process::exit(code);
}

fn perform(line: CommandLine) -> i32 {
    let context = Context::new(line.global);
    match command::perform(line.command, &context) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
