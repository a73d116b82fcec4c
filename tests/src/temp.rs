//! Temporary directories that vanish with their value, or stay for a look when the test that owns one panics.
//! `OTTLA_TEST_KEEP=1` keeps all of them.
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// A new empty directory whose name tells the test it belongs to.
    pub fn new(name: &str) -> Result<TempDir> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ottla-test-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(TempDir { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path below it.
    pub fn join(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path.join(below)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("OTTLA_TEST_KEEP").is_some() {
            eprintln!("kept for a look: {}", self.path.display());
            return;
        }
        // A directory that cannot be removed is left to the system: it is below the temporary folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
