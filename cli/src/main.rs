//! `minictl`: how a person talks to containers. It reads a command line spelt as Docker spells it, asks `engine` to do the
//! work in this very process, and shows what came of it. It decides nothing about containers itself and keeps no state.

mod arguments;
mod command;
mod container;
mod context;
mod failure;
mod image;
mod inspect;
mod internal;
mod network;
mod output;
mod progress;
mod system;
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
