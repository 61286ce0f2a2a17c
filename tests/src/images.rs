//! Where the images built from Debian packages are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the repository")
        .to_owned()
}

/// The directory that `tests/images/build` made for the recipes as they are now.
pub fn directory() -> PathBuf {
    let build = repository().join("tests/images/build");
    let printed = Command::new(&build)
        .arg("--print")
        .output()
        .expect("tests/images/build runs");
    let directory = PathBuf::from(String::from_utf8(printed.stdout).expect("a path").trim());
    assert!(
        directory.join("complete").exists(),
        "the images are not built: `make images` builds them"
    );
    directory
}

/// Debian's static busybox.
pub fn busybox() -> PathBuf {
    directory().join("busybox")
}
