//! Services that are only there when their profile is asked for.

use std::collections::BTreeMap;

use crate::environment::Environment;
use crate::error::{Fault, Result};
use crate::place::{Notes, Path};
use crate::tree::{Map, Node, Value};

/// Takes the services away whose profiles nobody asked for, and dependencies on them that are not required.
pub(crate) fn select(
    root: &mut Map,
    wanted: &[String],
    environment: &Environment,
    notes: &Notes,
) -> Result<()> {
    let from_environment = environment.get("COMPOSE_PROFILES").unwrap_or_default();
    let more = from_environment
        .split(',')
        .map(|name| name.trim().to_owned());
    let wanted: Vec<String> = wanted.iter().cloned().chain(more).collect();
    let all = wanted.iter().any(|profile| profile == "*");
    let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) else {
        return Ok(());
    };
    let mut away: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, service) in &services.0 {
        let path = Path::of("services").key(&key.text).key("profiles");
        let profiles = profiles(service, &path)?;
        let asked = |profile: &String| wanted.contains(profile);
        if !profiles.is_empty() && !all && !profiles.iter().any(asked) {
            away.insert(key.text.clone(), profiles);
        }
    }
    services.0.retain(|(key, _)| !away.contains_key(&key.text));
    for (key, service) in &mut services.0 {
        let path = Path::of("services").key(&key.text).key("depends_on");
        let depends_on = service
            .as_map_mut()
            .and_then(|map| map.get_mut("depends_on"));
        if let Some(Value::Map(map)) = depends_on.map(|node| &mut node.value) {
            forget(map, &away, &path, notes)?;
        }
    }
    Ok(())
}

fn profiles(service: &Node, path: &Path) -> Result<Vec<String>> {
    let Some(node) = service.as_map().and_then(|map| map.given("profiles")) else {
        return Ok(Vec::new());
    };
    let items = node.as_list().unwrap_or_default();
    let names = items.iter().map(|item| match item.as_text() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Fault::new(item.at, path, "a profile must be a name")),
    });
    names.collect()
}

fn forget(
    map: &mut Map,
    away: &BTreeMap<String, Vec<String>>,
    path: &Path,
    notes: &Notes,
) -> Result<()> {
    for (key, dependency) in &map.0 {
        let Some(profiles) = away.get(&key.text) else {
            continue;
        };
        let path = path.key(&key.text);
        let required = dependency.as_map().and_then(|map| map.get("required"));
        if required.and_then(Node::as_text) != Some("false") {
            let why = format!(
                "`{}` is only there with the profile {}: add --profile {}, or write `required: false`",
                key.text,
                profiles.join(" or "),
                profiles[0]
            );
            return Err(Fault::new(key.at, &path, why));
        }
        let why = format!(
            "`{}` is not waited for: its profile is not asked for",
            key.text
        );
        notes.warn(key.at, &path, why);
    }
    map.0.retain(|(key, _)| !away.contains_key(&key.text));
    Ok(())
}
