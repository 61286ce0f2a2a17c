//! What a document refers to outside itself: files of variables, variables, relative paths, the default network.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path as FilePath;

use crate::dotenv;
use crate::environment::{Environment, lines, unreadable_file};
use crate::error::Result;
use crate::place::{At, Notes, Path};
use crate::tree::{Key, Map, Mark, Node, Value};
use crate::view::View;

/// The network of services that name none.
pub(crate) const DEFAULT_NETWORK: &str = "default";

/// Resolves everything.
pub(crate) fn resolve(root: &mut Map, environment: &Environment, notes: &Notes) -> Result<()> {
    for section in ["secrets", "configs"] {
        for (_, object) in entries(root, section) {
            let file = object.as_map_mut().and_then(|map| map.get_mut("file"));
            if let Some(file) = file {
                make_absolute(file, environment, notes);
            }
        }
    }
    let mut default = None;
    for (key, service) in entries(root, "services") {
        let path = Path::of("services").key(&key.text);
        let at = service.at;
        let Some(service) = service.as_map_mut() else {
            continue;
        };
        variables(service, &path, environment, notes)?;
        labels(service, &path, environment, notes)?;
        volumes(service, environment, notes);
        dependencies(service);
        bridge_mode(service, &path, notes);
        if add_default_network(service, at) {
            default = default.or(Some(at));
        }
    }
    if let Some(at) = default {
        declare_default_network(root, at);
    }
    Ok(())
}

fn entries<'a>(root: &'a mut Map, section: &str) -> impl Iterator<Item = (&'a Key, &'a mut Node)> {
    let map = root.get_mut(section).and_then(Node::as_map_mut);
    map.into_iter()
        .flat_map(|map| map.0.iter_mut().map(|(key, node)| (&*key, node)))
}

/// Names with their values: later ones count.
type Named = BTreeMap<String, (Key, Node)>;

fn name(named: &mut Named, text: String, value: Option<String>, at: At) {
    let node = match value {
        Some(value) => Node::text(value, at),
        None => Node::null(at),
    };
    named.insert(text.clone(), (Key { text, at }, node));
}

fn lay_over(named: &mut Named, over: Option<Node>) {
    if let Some(Value::Map(map)) = over.map(|node| node.value) {
        named.extend(map.0.into_iter().map(|entry| (entry.0.text.clone(), entry)));
    }
}

/// `env_file` and `environment` as one `environment`.
fn variables(
    service: &mut Map,
    path: &Path,
    environment: &Environment,
    notes: &Notes,
) -> Result<()> {
    let files = service.remove("env_file");
    let written = service.remove("environment");
    let Some(at) = files.as_ref().or(written.as_ref()).map(|node| node.at) else {
        return Ok(());
    };
    let mut named = Named::new();
    if let Some(files) = &files {
        for file in View::new(files, path.key("env_file"), notes).items()? {
            for (text, value) in variables_of(&file, environment, notes)? {
                name(&mut named, text, value, file.at());
            }
        }
    }
    lay_over(&mut named, written);
    let mut given: Vec<(Key, Node)> = named.into_values().collect();
    given.retain_mut(|(key, node)| {
        if node.is_null()
            && let Some(value) = environment.get(&key.text)
        {
            *node = Node::text(value, node.at);
        }
        // Text, even where it looks like a number.
        if let Value::Scalar(scalar) = &mut node.value {
            scalar.plain = false;
        }
        !node.is_null()
    });
    service.put("environment", Node::map(Map(given), at));
    Ok(())
}

fn variables_of(
    file: &View<'_>,
    environment: &Environment,
    notes: &Notes,
) -> Result<dotenv::Lines> {
    let fields = file.fields()?;
    let path = fields.get("path");
    let required = fields.maybe("required", View::boolean)?.unwrap_or(true);
    let raw = fields.maybe("format", |view| view.choice(&[("raw", true)]))?;
    fields.finish()?;
    let Some(path) = path else {
        return Err(file.fault("`path` must say which file is read"));
    };
    let resolved = absolute(path.text()?, path.at(), environment, notes);
    let named = Some((path.at(), &path.path));
    let text = match std::fs::read_to_string(&resolved) {
        Ok(text) => text,
        Err(error) if !required && error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable_file(FilePath::new(&resolved), named, error)),
    };
    match raw {
        Some(_) => Ok(dotenv::parse_raw(&text)),
        None => lines(notes, FilePath::new(&resolved), text, &|name| {
            environment.get(name)
        }),
    }
}

/// `label_file` and `labels` as one `labels`.
fn labels(service: &mut Map, path: &Path, environment: &Environment, notes: &Notes) -> Result<()> {
    let Some(files) = service.remove("label_file") else {
        return Ok(());
    };
    let mut named = Named::new();
    for file in View::new(&files, path.key("label_file"), notes).items()? {
        let at = file.at();
        let resolved = absolute(file.text()?, at, environment, notes);
        let resolved = FilePath::new(&resolved);
        let text = std::fs::read_to_string(resolved)
            .map_err(|error| unreadable_file(resolved, Some((at, &file.path)), error))?;
        for (text, value) in lines(notes, resolved, text, &|name| environment.get(name))? {
            name(&mut named, text, Some(value.unwrap_or_default()), at);
        }
    }
    lay_over(&mut named, service.remove("labels"));
    let given = Map(named.into_values().collect());
    service.put("labels", Node::map(given, files.at));
    Ok(())
}

fn volumes(service: &mut Map, environment: &Environment, notes: &Notes) {
    let Some(Value::List(items)) = service.get_mut("volumes").map(|node| &mut node.value) else {
        return;
    };
    for mount in items.iter_mut().filter_map(Node::as_map_mut) {
        let kind = mount.get("type").and_then(Node::as_text);
        if kind == Some("bind")
            && let Some(source) = mount.get_mut("source")
        {
            make_absolute(source, environment, notes);
        }
    }
}

fn make_absolute(node: &mut Node, environment: &Environment, notes: &Notes) {
    if let Some(path) = node.as_text() {
        let path = absolute(path, node.at, environment, notes);
        *node = Node::text(path, node.at);
    }
}

/// A path as the file that names it means it; `~` is the home of whoever asks.
fn absolute(path: &str, at: At, environment: &Environment, notes: &Notes) -> String {
    let home = match path {
        "~" => Some(""),
        path => path.strip_prefix("~/"),
    };
    match (home, environment.get("HOME")) {
        (Some(rest), Some(home)) => FilePath::new(&home).join(rest).display().to_string(),
        _ => notes.resolve(at, path).display().to_string(),
    }
}

fn dependencies(service: &mut Map) {
    let Some(Value::Map(map)) = service.get_mut("depends_on").map(|node| &mut node.value) else {
        return;
    };
    for (key, dependency) in &mut map.0 {
        if dependency.is_null() {
            dependency.value = Value::Map(Map::default());
        }
        let Some(dependency) = dependency.as_map_mut() else {
            continue;
        };
        if dependency.given("condition").is_none() {
            let mut condition = Node::plain("service_started", key.at);
            condition.mark = Mark::Implied;
            dependency.put("condition", condition);
        }
        if dependency.given("required").is_none() {
            dependency.put("required", Node::plain("true", key.at));
        }
    }
}

/// What a mode of a single host means for a cluster: the default network.
fn bridge_mode(service: &mut Map, path: &Path, notes: &Notes) {
    let mode = service.given("network_mode");
    if let Some((mode, at)) = mode.and_then(|node| Some((node.as_text()?, node.at)))
        && matches!(mode, "bridge" | "default")
    {
        if mode == "bridge" {
            let why = "the bridge of a node is no network of the cluster: the stack's default network is taken in place of it";
            notes.warn(at, &path.key("network_mode"), why);
        }
        service.remove("network_mode");
    }
}

fn add_default_network(service: &mut Map, at: At) -> bool {
    let elsewhere = service.given("network_mode").is_some();
    let named = service.given("networks").and_then(Node::as_map);
    if !elsewhere && named.is_none_or(|map| map.0.is_empty()) {
        let mut networks = Map::default();
        networks.put(DEFAULT_NETWORK, Node::map(Map::default(), at));
        service.put("networks", Node::map(networks, at));
    }
    let networks = service.given("networks").and_then(Node::as_map);
    networks.is_some_and(|map| map.get(DEFAULT_NETWORK).is_some())
}

fn declare_default_network(root: &mut Map, at: At) {
    if root.given("networks").is_none() {
        root.put("networks", Node::map(Map::default(), at));
    }
    if let Some(networks) = root.get_mut("networks").and_then(Node::as_map_mut)
        && networks.get(DEFAULT_NETWORK).is_none()
    {
        networks.put(DEFAULT_NETWORK, Node::null(at));
    }
}
