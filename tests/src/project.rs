//! Where things are in this repository. Nothing outside it is named.
//! Called by the harness and the suites.
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// A path below the root, written with forward slashes.
pub fn path(below: &str) -> PathBuf {
    root().join(below)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| path("target"), |dir| root().join(dir))
}

/// The script that runs the real ZooKeeper, the real Kafka and Kafka's own tools.
pub fn oracle() -> PathBuf {
    path("tests/oracle/oracle")
}

/// The release build of `ottla`, which the cluster suite drives; `cargo ready` builds it first.
pub fn ottla() -> anyhow::Result<PathBuf> {
    let built = target().join("release/ottla");
    anyhow::ensure!(built.exists(), "no release build of ottla: run `cargo build --release -p ottla` first");
    Ok(built)
}
