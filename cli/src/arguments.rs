//! A command line that isn't understood: what is wrong with it in one sentence, and the exit code.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::command::CommandLine;
use crate::failure::{Failure, complain, print, say};

/// Prints what is wrong with the command line, or the help that was asked for, and returns the exit code: 0 for help,
/// 125 for what isn't understood, as Docker has it, 1 for what is missing (125 in the verbs that start a process).
pub(crate) fn refuse(error: &clap::Error) -> i32 {
    let typed: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let path = command_path(&typed);
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return print(&text).map_or_else(Failure::report, |()| 0);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say(&text);
            return 1;
        }
        _ => {}
    }
    complain(&message(error, &path));
    code(error, &path)
}

fn code(error: &clap::Error, path: &str) -> i32 {
    let starts_process = matches!(
        path.trim_start_matches("minictl ")
            .trim_start_matches("container "),
        "run" | "create" | "exec"
    );
    match error.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::TooFewValues
        | ErrorKind::InvalidSubcommand
            if !starts_process =>
        {
            1
        }
        _ => 125,
    }
}

/// What is wrong, and where to read on.
fn message(error: &clap::Error, path: &str) -> String {
    let typed = context(error, ContextKind::InvalidArg);
    let what = match error.kind() {
        ErrorKind::UnknownArgument if typed.starts_with('-') => {
            let tip = context(error, ContextKind::SuggestedArg);
            format!("unknown option {typed} of {path}{}", did_you_mean(&tip))
        }
        ErrorKind::UnknownArgument => format!("{path} takes no argument {typed:?}"),
        ErrorKind::InvalidSubcommand => {
            let typed = context(error, ContextKind::InvalidSubcommand);
            let tips = context(error, ContextKind::SuggestedSubcommand);
            // The likeliest comes last.
            let tip = tips.rsplit(", ").next().unwrap_or_default();
            format!("{path} has no command {typed:?}{}", did_you_mean(tip))
        }
        ErrorKind::MissingRequiredArgument | ErrorKind::TooFewValues => {
            let missing = typed.replace(['<', '>'], "").replace("...", "");
            format!(
                "{path} needs {}",
                missing.split(", ").collect::<Vec<_>>().join(" and ")
            )
        }
        _ => {
            let text = error.render().to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            first
                .strip_prefix("error: ")
                .unwrap_or(first)
                .trim_end()
                .replace("\n ", "")
        }
    };
    format!("{what}; see {path} --help")
}

fn did_you_mean(tip: &str) -> String {
    if tip.is_empty() {
        String::new()
    } else {
        format!(" (did you mean {tip}?)")
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// `minictl network create`: the verbs among the words typed.
fn command_path(typed: &[String]) -> String {
    let mut command = CommandLine::command();
    let mut path = "minictl".to_owned();
    for word in typed {
        if let Some(verb) = command.find_subcommand(word) {
            path = format!("{path} {}", verb.get_name());
            command = verb.clone();
        }
        if !command.has_subcommands() {
            break;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn refusals_are_one_sentence_with_dockers_codes() {
        fn check(line: &str, expected: &str, expected_code: i32) {
            let error = CommandLine::try_parse_from(line.split_whitespace()).unwrap_err();
            let typed: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
            let path = command_path(&typed);
            assert_eq!(
                (message(&error, &path).as_str(), code(&error, &path)),
                (expected, expected_code),
                "{line}"
            );
        }
        check(
            "minictl run --foo alpine",
            "unknown option --foo of minictl run; see minictl run --help",
            125,
        );
        check(
            "minictl ps --formt x",
            "unknown option --formt of minictl ps (did you mean --format?); see minictl ps --help",
            125,
        );
        check(
            "minictl ps web",
            "minictl ps takes no argument \"web\"; see minictl ps --help",
            125,
        );
        check(
            "minictl run",
            "minictl run needs IMAGE; see minictl run --help",
            125,
        );
        check(
            "minictl exec web",
            "minictl exec needs CONTAINER COMMAND; see minictl exec --help",
            125,
        );
        check(
            "minictl rm",
            "minictl rm needs CONTAINER; see minictl rm --help",
            1,
        );
        check(
            "minictl rename a",
            "minictl rename needs NEW_NAME; see minictl rename --help",
            1,
        );
        check(
            "minictl network create",
            "minictl network create needs NAME; see minictl network create --help",
            1,
        );
        check(
            "minictl strat x",
            "minictl has no command \"strat\" (did you mean start?); see minictl --help",
            1,
        );
        check(
            "minictl run --detach-keys ctrl- alpine",
            "invalid value 'ctrl-' for '--detach-keys <KEYS>': invalid detach keys \"ctrl-\": write keys separated by \
             commas, such as ctrl-p,ctrl-q or ctrl-x,a; see minictl run --help",
            125,
        );
        check(
            "minictl run --name",
            "a value is required for '--name <NAME>' but none was supplied; see minictl run --help",
            125,
        );
    }
}
