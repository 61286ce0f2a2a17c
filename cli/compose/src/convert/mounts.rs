//! Volumes, and what of them and of nodes is mounted.

use std::collections::BTreeMap;

use model::{MountKind, MountSpec, StackSpec};

use super::full;
use crate::error::{Fault, Result};
use crate::suggest::did_you_mean;
use crate::view::View;

/// The volumes of a stack.
pub(super) struct Volumes(BTreeMap<String, Volume>);

struct Volume {
    name: String,
    /// Of a volume that tasks may make; none of one that is there already.
    labels: BTreeMap<String, String>,
}

impl Volumes {
    pub(super) fn read(section: Option<View<'_>>, stack: &str) -> Result<Volumes> {
        let mut volumes = BTreeMap::new();
        let entries = match &section {
            Some(section) => section.entries()?,
            None => Vec::new(),
        };
        for (key, view) in entries {
            let volume = match view.node.is_null() {
                true => Volume {
                    name: full(stack, &key.text),
                    labels: StackSpec::labels(stack),
                },
                false => volume(&key.text, &view, stack)?,
            };
            volumes.insert(key.text.clone(), volume);
        }
        Ok(Volumes(volumes))
    }

    pub(super) fn mounts(&self, view: &View<'_>) -> Result<Vec<MountSpec>> {
        view.items()?.iter().map(|item| self.mount(item)).collect()
    }

    fn mount(&self, view: &View<'_>) -> Result<MountSpec> {
        let fields = view.fields()?;
        let kinds = [
            ("bind", MountKind::Bind),
            ("volume", MountKind::Volume),
            ("tmpfs", MountKind::Tmpfs),
        ];
        let kind = fields.maybe("type", |view| view.choice(&kinds))?;
        let source = fields.get("source");
        let target = fields.or_default("target", View::string)?;
        let mut mount = MountSpec {
            target,
            read_only: fields.or_default("read_only", View::boolean)?,
            ..MountSpec::default()
        };
        fields.maybe("bind", |view| bind(view, &mut mount))?;
        fields.maybe("volume", |view| options(view, &mut mount))?;
        fields.maybe("tmpfs", |view| memory(view, &mut mount))?;
        fields.unsupported(&[("consistency", "a mount is always consistent")]);
        fields.finish()?;
        if !mount.target.starts_with('/') {
            let why = match mount.target.as_str() {
                "" => "`target` must say where it is mounted".to_owned(),
                target => format!("the target `{target}` is no absolute path"),
            };
            return Err(view.fault(why));
        }
        let Some(kind) = kind else {
            return Err(view.fault("`type` must be bind, volume or tmpfs"));
        };
        mount.kind = kind as i32;
        match (kind, source) {
            (MountKind::Bind, Some(source)) => mount.source = source.string()?,
            (MountKind::Bind, None) => {
                return Err(view.fault("`source` must say which path of the node is mounted"));
            }
            (MountKind::Volume, Some(source)) => self.name(&source, &mut mount)?,
            (MountKind::Tmpfs, Some(source)) => {
                return Err(source.fault("memory has no source"));
            }
            (MountKind::Volume | MountKind::Tmpfs, None) => {}
        }
        Ok(mount)
    }

    fn name(&self, source: &View<'_>, mount: &mut MountSpec) -> Result<()> {
        let text = source.text()?;
        let Some(volume) = self.0.get(text) else {
            let hint = did_you_mean(text, self.0.keys().map(String::as_str));
            let why = format!(
                "there is no volume `{text}`: add it to `volumes` at the top level, or write ./{text} for a directory{hint}"
            );
            return Err(source.fault(why));
        };
        mount.source = volume.name.clone();
        let own = std::mem::take(&mut mount.labels);
        mount.labels = volume.labels.clone();
        mount.labels.extend(own);
        Ok(())
    }
}

fn volume(short: &str, view: &View<'_>, stack: &str) -> Result<Volume> {
    let fields = view.fields()?;
    let external = fields.or_default("external", View::boolean)?;
    let name = fields.maybe("name", View::string)?;
    let mut labels = fields.or_default("labels", View::pairs)?;
    let driver = fields.get("driver");
    let options = fields.get("driver_opts");
    fields.finish()?;
    if external {
        return Ok(Volume {
            name: name.unwrap_or_else(|| short.to_owned()),
            labels: BTreeMap::new(),
        });
    }
    if let Some(driver) = driver {
        let text = driver.text()?;
        if text != "local" {
            driver.warn(format!(
                "there is no volume driver `{text}`: each node has a local volume of that name"
            ));
        }
    }
    if let Some(options) = options {
        options.pairs()?;
        options.warn("a volume is a directory of its node; options of drivers are not followed");
    }
    labels.extend(StackSpec::labels(stack));
    Ok(Volume {
        name: name.unwrap_or_else(|| full(stack, short)),
        labels,
    })
}

fn bind(view: &View<'_>, mount: &mut MountSpec) -> Result<(), Fault> {
    let fields = view.fields()?;
    let words = [
        "rprivate", "private", "rshared", "shared", "rslave", "slave",
    ];
    let choices = words.map(|word| (word, word));
    if let Some(propagation) = fields.maybe("propagation", |view| view.choice(&choices))? {
        mount.propagation = propagation.to_owned();
    }
    if let Some(create) = fields.get("create_host_path")
        && !create.boolean()?
    {
        create.warn("the engine of the node decides whether a missing directory is made");
    }
    fields.unsupported(&[
        ("selinux", "nothing is labelled for SELinux"),
        ("recursive", "what is mounted below is mounted too"),
    ]);
    fields.finish()
}

fn options(view: &View<'_>, mount: &mut MountSpec) -> Result<(), Fault> {
    let fields = view.fields()?;
    mount.no_copy = fields.or_default("nocopy", View::boolean)?;
    mount.labels = fields.or_default("labels", View::pairs)?;
    if let Some(subpath) = fields.get("subpath") {
        return Err(subpath.fault("only a whole volume can be mounted"));
    }
    fields.finish()
}

fn memory(view: &View<'_>, mount: &mut MountSpec) -> Result<(), Fault> {
    let fields = view.fields()?;
    mount.tmpfs_bytes = fields.or_default("size", View::bytes)?;
    mount.tmpfs_mode = fields.maybe("mode", View::mode)?;
    fields.finish()
}
