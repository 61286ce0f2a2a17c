//! Secrets and configs: what they hold, what they are called, and where a service finds them.
//!
//! One that the stack makes is named after its content, so that another content is another secret, and services that use it
//! are updated in the usual way.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{ConfigSpec, FileReference, SecretSpec, StackSpec};
use sha2::{Digest, Sha256};

use super::full;
use crate::environment::{Environment, unreadable_file};
use crate::error::Result;
use crate::suggest::did_you_mean;
use crate::view::View;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Config,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Kind::Secret => "secret",
            Kind::Config => "config",
        }
    }
}

/// Most that one may hold.
const LARGEST: usize = 500 << 10;

/// The secrets, or the configs, of a stack.
pub(super) struct Files<'a> {
    kind: Kind,
    stack: &'a str,
    known: BTreeMap<String, Definition>,
    environment: &'a Environment,
    /// What services use, by full name.
    made: BTreeMap<String, Made>,
}

struct Definition {
    name: Option<String>,
    labels: BTreeMap<String, String>,
    content: Content,
}

enum Content {
    External,
    /// Of a file that is read, or refused at that place, once a service uses it.
    File(String, Place),
    Variable(String, Place),
    Text(Bytes),
}

/// Where content is named, for what goes wrong when it is fetched.
#[derive(Clone)]
struct Place {
    at: crate::place::At,
    path: crate::place::Path,
}

struct Made {
    labels: BTreeMap<String, String>,
    data: Bytes,
}

impl<'a> Files<'a> {
    pub(super) fn read(
        kind: Kind,
        section: Option<View<'_>>,
        stack: &'a str,
        environment: &'a Environment,
    ) -> Result<Files<'a>> {
        let mut known = BTreeMap::new();
        let entries = match &section {
            Some(section) => section.entries()?,
            None => Vec::new(),
        };
        for (key, view) in entries {
            known.insert(key.text.clone(), definition(kind, &view, stack)?);
        }
        Ok(Files {
            kind,
            stack,
            known,
            environment,
            made: BTreeMap::new(),
        })
    }

    /// What a service is given.
    pub(super) fn references(&mut self, view: &View<'_>) -> Result<Vec<FileReference>> {
        let items = view.items()?;
        items.iter().map(|item| self.reference(item)).collect()
    }

    fn reference(&mut self, view: &View<'_>) -> Result<FileReference> {
        let fields = view.fields()?;
        let source = fields.get("source");
        let target = fields.maybe("target", View::string)?;
        let mut reference = FileReference {
            uid: fields.or_default("uid", View::string)?,
            gid: fields.or_default("gid", View::string)?,
            mode: fields.maybe("mode", View::mode)?,
            ..FileReference::default()
        };
        fields.finish()?;
        let noun = self.kind.noun();
        let Some(source) = source else {
            return Err(view.fault(format!("`source` must say which {noun} is meant")));
        };
        let short = source.text()?;
        reference.source = self.full_name(&source, short)?;
        reference.target = match (target, self.kind) {
            (Some(target), _) => target,
            (None, Kind::Secret) => short.to_owned(),
            (None, Kind::Config) => format!("/{short}"),
        };
        Ok(reference)
    }

    fn full_name(&mut self, view: &View<'_>, short: &str) -> Result<String> {
        let noun = self.kind.noun();
        let Some(definition) = self.known.get(short) else {
            let hint = did_you_mean(short, self.known.keys().map(String::as_str));
            let why =
                format!("there is no {noun} `{short}`: add it to `{noun}s` at the top level{hint}");
            return Err(view.fault(why));
        };
        let data = match &definition.content {
            Content::External => {
                return Ok(definition.name.clone().unwrap_or_else(|| short.to_owned()));
            }
            Content::Text(data) => data.clone(),
            Content::Variable(name, place) => match self.environment.get(name) {
                Some(value) => Bytes::from(value),
                None => return Err(place.fault(format!("{name} must be set: it is the {noun}"))),
            },
            Content::File(path, place) => {
                let path = std::path::Path::new(path);
                let named = Some((place.at, &place.path));
                let data =
                    std::fs::read(path).map_err(|error| unreadable_file(path, named, error))?;
                if data.len() > LARGEST {
                    return Err(place.fault(format!(
                        "{} is larger than {} KiB: too much for a {noun}",
                        path.display(),
                        LARGEST >> 10
                    )));
                }
                Bytes::from(data)
            }
        };
        if data.len() > LARGEST {
            return Err(view.fault(format!(
                "is larger than {} KiB: too much for a {noun}",
                LARGEST >> 10
            )));
        }
        let name = definition
            .name
            .clone()
            .unwrap_or_else(|| full(self.stack, short));
        let digest = Sha256::digest(&data);
        let hex: String = digest[..5]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("{name}-{hex}");
        let labels = definition.labels.clone();
        self.made.insert(name.clone(), Made { labels, data });
        Ok(name)
    }

    pub(super) fn secrets(self) -> Vec<SecretSpec> {
        let secret = |(name, Made { labels, data })| SecretSpec { name, labels, data };
        self.made.into_iter().map(secret).collect()
    }

    pub(super) fn configs(self) -> Vec<ConfigSpec> {
        let config = |(name, Made { labels, data })| ConfigSpec { name, labels, data };
        self.made.into_iter().map(config).collect()
    }
}

impl Place {
    fn fault(&self, why: String) -> crate::error::Fault {
        crate::error::Fault::new(self.at, &self.path, why)
    }
}

fn definition(kind: Kind, view: &View<'_>, stack: &str) -> Result<Definition> {
    let noun = kind.noun();
    let nothing = || {
        format!("must say what the {noun} is: `file`, `environment`, `content` or `external: true`")
    };
    if view.node.is_null() {
        return Err(view.fault(nothing()));
    }
    let fields = view.fields()?;
    let external = fields.or_default("external", View::boolean)?;
    let name = fields.maybe("name", View::string)?;
    let mut labels = fields.or_default("labels", View::pairs)?;
    let sources = [
        fields.get("file"),
        fields.get("environment"),
        fields.get("content"),
    ];
    fields.unsupported(&[
        ("driver", "nothing is kept outside the cluster"),
        ("driver_opts", "nothing is kept outside the cluster"),
        ("template_driver", "the content is taken as it is"),
    ]);
    fields.finish()?;
    let [file, variable, text] = &sources;
    let given = sources.iter().flatten().count() + usize::from(external);
    if given > 1 {
        let why =
            "must have one of `file`, `environment`, `content` and `external`, and has several";
        return Err(view.fault(why));
    }
    let place = |view: &View<'_>| Place {
        at: view.at(),
        path: view.path.clone(),
    };
    let content = match (file, variable, text) {
        (Some(view), _, _) => Content::File(view.string()?, place(view)),
        (_, Some(view), _) => Content::Variable(view.string()?, place(view)),
        (_, _, Some(view)) => Content::Text(Bytes::from(view.string()?)),
        _ if external => Content::External,
        _ => return Err(view.fault(nothing())),
    };
    labels.extend(StackSpec::labels(stack));
    Ok(Definition {
        name,
        labels,
        content,
    })
}
