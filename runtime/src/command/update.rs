//! `minirun update`

use std::io::Read;

use lexopt::prelude::*;
use oci_spec::runtime::LinuxResources;
use serde_json::{Value as Json, json};

use super::Global;
use super::arguments::{Id, parsed, text, usage};
use crate::error::{Error, ErrorKind, Result};

pub(super) const HELP: &str = "\
minirun update [OPTION...] ID: change the limits of a container

  -r, --resources FILE       the limits as JSON (linux.resources of the specification); - is standard input
  --memory BYTES             --memory-reservation BYTES    --memory-swap BYTES
  --cpu-period MICROSECONDS  --cpu-quota MICROSECONDS      --cpu-share WEIGHT
  --cpuset-cpus LIST         --cpuset-mems LIST
  --pids-limit COUNT         --blkio-weight WEIGHT
";

/// Options that are one number, and where it stands in the resources.
const NUMBERS: [(&str, &str, &str); 8] = [
    ("memory", "memory", "limit"),
    ("memory-reservation", "memory", "reservation"),
    ("memory-swap", "memory", "swap"),
    ("cpu-period", "cpu", "period"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-share", "cpu", "shares"),
    ("pids-limit", "pids", "limit"),
    ("blkio-weight", "blockIO", "weight"),
];
const WORDS: [(&str, &str, &str); 2] = [
    ("cpuset-cpus", "cpu", "cpus"),
    ("cpuset-mems", "cpu", "mems"),
];

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut id, mut resources) = (Id::default(), json!({}));
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("resources") | Short('r') => resources = read(&text(parser)?)?,
            Long(name) => {
                let name = name.to_owned();
                if let Some((_, section, key)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
                    resources[section][key] = json!(parsed::<i64>(parser)?);
                } else if let Some((_, section, key)) =
                    WORDS.iter().find(|(known, ..)| *known == name)
                {
                    resources[section][key] = json!(text(parser)?);
                } else {
                    return Err(usage(Long(&name).unexpected()));
                }
            }
            Value(given) => id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    let resources: LinuxResources = serde_json::from_value(resources)
        .map_err(|error| Error::caused(ErrorKind::InvalidSpec, "these are not resources", error))?;
    global.runtime.update(&id.get()?, &resources).map(|()| 0)
}

fn read(path: &str) -> Result<Json> {
    let mut text = Vec::new();
    match path {
        "-" => std::io::stdin().read_to_end(&mut text).map(drop),
        path => std::fs::read(path).map(|read| text = read),
    }
    .map_err(Error::sys("read", path))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::caused(ErrorKind::InvalidSpec, format!("read {path}"), error))
}
