//! `host` and `none`: networks that are always there and nothing is stored of, listed beside the others as Docker does.

use serde_json::{Value, json};

/// A network that is a way of running, not a thing.
#[derive(Debug)]
pub(crate) struct Predefined {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    /// Made up, so that every row has one.
    pub(crate) id: &'static str,
}

/// Both of them, by name.
pub(crate) const PREDEFINED: [Predefined; 2] = [
    Predefined {
        name: "host",
        driver: "host",
        id: "686f737400000000000000000000000000000000000000000000000000000000",
    },
    Predefined {
        name: "none",
        driver: "null",
        id: "6e6f6e6500000000000000000000000000000000000000000000000000000000",
    },
];

/// The predefined network of this name.
pub(crate) fn find(name: &str) -> Option<&'static Predefined> {
    PREDEFINED
        .iter()
        .find(|network| network.name == name || network.id == name)
}

impl Predefined {
    /// In the shape of `network inspect`.
    pub(crate) fn object(&self) -> Value {
        json!({
            "Name": self.name,
            "Id": self.id,
            "Scope": "local",
            "Driver": self.driver,
            "Internal": false,
            "IPAM": { "Driver": "default", "Config": [] },
            "Labels": {},
            "Options": {},
            "Containers": {},
        })
    }

    /// In the shape of a row of `network ls`; `id` as it is to be shown.
    pub(crate) fn row(&self, id: &str) -> Value {
        json!({
            "ID": id,
            "Name": self.name,
            "Driver": self.driver,
            "Scope": "local",
            "Internal": "false",
            "Labels": "",
            "CreatedAt": "",
            "Subnet": "",
        })
    }
}
