//! `minirun`: one OCI container at a time, for people, engines and the monitor.

fn main() -> std::process::ExitCode {
    runtime::command::main()
}
