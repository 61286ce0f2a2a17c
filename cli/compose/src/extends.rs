//! `extends`: a service that is laid over another one, of the same file or of another.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use crate::environment::{Environment, unreadable_file};
use crate::error::{Fault, Result};
use crate::merge::{merge, settle};
use crate::place::{At, Notes, Path};
use crate::project::{Layer, documents, parent};
use crate::suggest::did_you_mean;
use crate::tree::{Map, Node, Value};

/// Where a service is looked for: in the file at hand, or in another.
type Home = Option<PathBuf>;

pub(crate) struct Extender<'a> {
    environment: &'a Environment,
    notes: &'a Notes,
    /// Services of other files, as they are written.
    files: HashMap<PathBuf, Rc<Map>>,
    /// Services that are extended already.
    done: HashMap<(Home, String), Node>,
}

/// What `extends` says.
struct Base {
    home: Home,
    name: String,
    /// Of the name.
    at: At,
    path: Path,
}

impl<'a> Extender<'a> {
    pub(crate) fn new(environment: &'a Environment, notes: &'a Notes) -> Extender<'a> {
        Extender {
            environment,
            notes,
            files: HashMap::new(),
            done: HashMap::new(),
        }
    }

    /// Extends every service of a document. What is not found in it is looked for in those below it.
    pub(crate) fn extend(mut self, document: &mut Map, below: &[&Node]) -> Result<()> {
        let Some(Value::Map(services)) = document.get("services").map(|node| &node.value) else {
            return Ok(());
        };
        let mut known = services.clone();
        let extends = |(_, node): (&str, &Node)| {
            node.as_map()
                .is_some_and(|map| map.get("extends").is_some())
        };
        if !known.iter().any(extends) {
            return Ok(());
        }
        for node in below.iter().filter_map(|node| services_of(node)) {
            for (key, service) in &node.0 {
                if known.get(&key.text).is_none() {
                    known.0.push((key.clone(), service.clone()));
                }
            }
        }
        let names: Vec<String> = services.iter().map(|(name, _)| name.to_owned()).collect();
        let known = Rc::new(known);
        for name in names {
            let service = self.service(&known, &None, &name, &mut Vec::new())?;
            let services = document.get_mut("services").and_then(Node::as_map_mut);
            if let Some(place) = services.and_then(|services| services.get_mut(&name)) {
                *place = service;
            }
        }
        Ok(())
    }

    fn service(
        &mut self,
        services: &Rc<Map>,
        home: &Home,
        name: &str,
        chain: &mut Vec<(Home, String)>,
    ) -> Result<Node> {
        let this = (home.clone(), name.to_owned());
        if let Some(done) = self.done.get(&this) {
            return Ok(done.clone());
        }
        let mut service = services.get(name).expect("it was looked for").clone();
        let Some(map) = service.as_map_mut() else {
            return Ok(service);
        };
        let Some(extends) = map.remove("extends").filter(|node| !node.is_null()) else {
            return Ok(service);
        };
        let base = self.base(&extends, home, name)?;
        chain.push(this.clone());
        let target = (base.home.clone(), base.name.clone());
        if chain.contains(&target) {
            let names = chain.iter().map(|(_, name)| name.as_str());
            let names: Vec<&str> = names.chain([base.name.as_str()]).collect();
            let why = format!(
                "services extend each other in a circle: {}",
                names.join(" -> ")
            );
            return Err(Fault::new(base.at, &base.path, why));
        }
        let others = match &base.home {
            Some(file) if base.home != *home => self.file(file, &base)?,
            _ => Rc::clone(services),
        };
        if others.get(&base.name).is_none() {
            let place = match &base.home {
                Some(file) => format!(" in {}", file.display()),
                None => String::new(),
            };
            let hint = did_you_mean(&base.name, others.iter().map(|(name, _)| name));
            let why = format!("there is no service `{}`{place}{hint}", base.name);
            return Err(Fault::new(base.at, &base.path, why));
        }
        let mut below = self.service(&others, &base.home, &base.name, chain)?;
        chain.pop();
        settle(&mut below);
        let merged = merge(below, service, &["services", name], self.notes)?;
        self.done.insert(this, merged.clone());
        Ok(merged)
    }

    fn base(&self, extends: &Node, home: &Home, service: &str) -> Result<Base> {
        let path = Path::of("services").key(service).key("extends");
        let Some(map) = extends.as_map() else {
            let why = format!("must be a name or a mapping, and is {}", extends.kind());
            return Err(Fault::new(extends.at, &path, why));
        };
        for (key, _) in &map.0 {
            if !matches!(key.text.as_str(), "service" | "file") {
                let hint = did_you_mean(&key.text, ["service", "file"]);
                let why = format!("`{}` means nothing here{hint}", key.text);
                return Err(Fault::new(key.at, &path.key(&key.text), why));
            }
        }
        let Some(name) = map.given("service").and_then(Node::as_text) else {
            let why = "`service` must say which service is extended";
            return Err(Fault::new(extends.at, &path, why));
        };
        let home = match map.given("file") {
            None => home.clone(),
            Some(file) => {
                let path = path.key("file");
                let Some(text) = file.as_text() else {
                    let why = format!("must be a path, and is {}", file.kind());
                    return Err(Fault::new(file.at, &path, why));
                };
                if text.contains("://") {
                    let why = "only files of this machine can be extended";
                    return Err(Fault::new(file.at, &path, why));
                }
                Some(self.notes.resolve(file.at, text))
            }
        };
        Ok(Base {
            home,
            name: name.to_owned(),
            at: map.get("service").map_or(extends.at, |node| node.at),
            path: path.key("service"),
        })
    }

    fn file(&mut self, path: &PathBuf, base: &Base) -> Result<Rc<Map>> {
        if let Some(services) = self.files.get(path) {
            return Ok(Rc::clone(services));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| unreadable_file(path, Some((base.at, &base.path)), error))?;
        let layer = Layer {
            name: path.display().to_string(),
            path: Some(path.clone()),
            text,
        };
        let document = documents(layer, &parent(path), self.environment, self.notes)?;
        let services = Rc::new(services_of(&document).cloned().unwrap_or_default());
        self.files.insert(path.clone(), Rc::clone(&services));
        Ok(services)
    }
}

fn services_of(document: &Node) -> Option<&Map> {
    document.as_map()?.get("services")?.as_map()
}
