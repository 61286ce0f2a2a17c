//! `{{.Task.Slot}}` and the like, in texts of a service. Pure.

use crate::failure::Failure;

/// What a task's texts may name.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) service: (&'a str, &'a str),
    pub(super) task: (&'a str, &'a str),
    pub(super) slot: &'a str,
    pub(super) node: (&'a str, &'a str),
}

impl Names<'_> {
    fn of(&self, path: &str) -> Option<&str> {
        Some(match path {
            ".Service.ID" => self.service.0,
            ".Service.Name" => self.service.1,
            ".Task.ID" => self.task.0,
            ".Task.Name" => self.task.1,
            ".Task.Slot" => self.slot,
            ".Node.ID" => self.node.0,
            ".Node.Hostname" => self.node.1,
            _ => return None,
        })
    }

    /// Puts the values in. Braces around anything but a service, a task or a node are the program's own.
    pub(super) fn expand(&self, text: &str) -> Result<String, Failure> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            result += before;
            let Some((inside, behind)) = after.split_once("}}") else {
                rest = &rest[before.len()..];
                break;
            };
            let path = inside.trim();
            match self.of(path) {
                Some(value) => result += value,
                None if is_ours(path) => {
                    return Err(Failure::Invalid(format!(
                        "unknown placeholder {{{{{path}}}}}: there are .Service.ID, .Service.Name, .Task.ID, .Task.Name, .Task.Slot, .Node.ID and .Node.Hostname"
                    )));
                }
                None => result += &format!("{{{{{inside}}}}}"),
            }
            rest = behind;
        }
        Ok(result + rest)
    }
}

fn is_ours(path: &str) -> bool {
    [".Service.", ".Task.", ".Node."]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn placeholders_are_filled_in() {
        let names = Names {
            service: ("s1", "web"),
            task: ("t1", "web.3.t1"),
            slot: "3",
            node: ("n1", "host"),
        };
        let check = |text: &str, expected: Result<&str, &str>| match (names.expand(text), expected)
        {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(expected)) => {
                assert!(found.to_string().contains(expected), "{found}");
            }
            (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
        };
        check("", Ok(""));
        check("plain", Ok("plain"));
        check("{{.Service.Name}}-{{.Task.Slot}}", Ok("web-3"));
        check(
            "{{ .Task.ID }} {{.Task.Name}} {{.Service.ID}}",
            Ok("t1 web.3.t1 s1"),
        );
        check("{{.Node.ID}}@{{.Node.Hostname}}!", Ok("n1@host!"));
        check("{{json .}} {{ x", Ok("{{json .}} {{ x"));
        check("a{{", Ok("a{{"));
        check("{{.Task.Slt}}", Err("unknown placeholder {{.Task.Slt}}"));
    }
}
