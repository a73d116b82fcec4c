//! Where ZooKeeper's jars are, and how to get them.
//!
//! What Maven fetches goes to the user's cache and is complete once its folder has its final name.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use thiserror::Error;

/// The ZooKeeper that Kafka 3.9.1 comes with.
const VERSION: &str = "3.8.4";

/// Debian keeps the jars of all packages in one folder. ZooKeeper's names those it needs but for a logger, of which there
/// are many, and which is found first would be chance.
const DEBIAN: [&str; 2] = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"];

/// Why no ZooKeeper can be started, and what to do.
#[derive(Debug, Error)]
pub enum Missing {
    #[error(
        "ZooKeeper needs Java, and there is no `java` on the PATH and no JAVA_HOME; try: apt-get install default-jre-headless"
    )]
    Java,
    #[error("{home} (ZOOKEEPER_HOME) has no lib/zookeeper-*.jar", home = .0.display())]
    NotInHome(PathBuf),
    #[error(
        "there is no ZooKeeper on this machine: no ZOOKEEPER_HOME, no package `zookeeper`, no `mvn` to fetch it with; \
         try: apt-get install zookeeper, or: apt-get install maven"
    )]
    Jars,
    #[error(
        "Maven could not fetch ZooKeeper {VERSION}; its own words are above. Another way: apt-get install zookeeper"
    )]
    Fetch,
    #[error("ZooKeeper's jars cannot be kept in {path}: {source}", path = path.display())]
    Cache { path: PathBuf, source: io::Error },
}

/// The program, from JAVA_HOME or the PATH.
pub(super) fn java() -> Result<PathBuf, Missing> {
    match env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java")) {
        Some(java) if java.is_file() => Ok(java),
        Some(_) | None => on_path("java").ok_or(Missing::Java),
    }
}

/// Java's class path with ZooKeeper on it.
pub(super) fn class_path() -> Result<String, Missing> {
    if let Some(home) = env::var_os("ZOOKEEPER_HOME").map(PathBuf::from) {
        return match holds_zookeeper(&home.join("lib")) {
            // Its logger finds its settings in conf/.
            true => Ok(format!("{0}/conf:{0}/lib/*:{0}/*", home.display())),
            false => Err(Missing::NotInHome(home)),
        };
    }
    if DEBIAN.iter().all(|jar| Path::new(jar).exists()) {
        return Ok(DEBIAN.join(":"));
    }
    let cached = cache()?.join(format!("zookeeper-{VERSION}"));
    if !cached.is_dir() {
        fetch(&cached)?;
    }
    Ok(format!("{}/*", cached.display()))
}

fn holds_zookeeper(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("zookeeper-") && name.ends_with(".jar")
    })
}

/// XDG's rule for where a user's caches are.
fn cache() -> Result<PathBuf, Missing> {
    let set = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(base.unwrap_or_else(env::temp_dir).join("ottla"))
}

/// Into a folder beside, which gets its name when all is there: a second process then finds it whole or not at all.
fn fetch(cached: &Path) -> Result<(), Missing> {
    let mvn = on_path("mvn").ok_or(Missing::Jars)?;
    eprintln!("Fetching ZooKeeper {VERSION} into {} (once).", cached.display());
    let unfinished = cached.with_extension(format!("fetching-{}", process::id()));
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| Missing::Cache { path, source }
    };
    fs::create_dir_all(&unfinished).map_err(fault(&unfinished))?;
    let pom = unfinished.join("pom.xml");
    fs::write(&pom, project()).map_err(fault(&pom))?;
    let fetched = Command::new(mvn)
        .args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."])
        .current_dir(&unfinished)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status();
    if !fetched.is_ok_and(|status| status.success()) {
        // What is left behind is only cache.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(Missing::Fetch);
    }
    match fs::rename(&unfinished, cached) {
        // Somebody else was faster.
        Err(_) if cached.is_dir() => {
            let _ = fs::remove_dir_all(&unfinished);
            Ok(())
        }
        renamed => renamed.map_err(fault(cached)),
    }
}

/// A project that needs ZooKeeper and a logger that prints lines and wants no file.
fn project() -> String {
    let dependency = |group: &str, artifact: &str, version: &str, rest: &str| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version>{rest}</dependency>\n"
        )
    };
    let exclude = |artifact: &str| {
        format!("<exclusion><groupId>ch.qos.logback</groupId><artifactId>{artifact}</artifactId></exclusion>")
    };
    let exclusions =
        format!("<exclusions>{}{}</exclusions>", exclude("logback-core"), exclude("logback-classic"));
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>ottla</groupId><artifactId>zookeeper</artifactId><version>1</version><packaging>pom</packaging>\n  \
         <dependencies>\n{}{}{}  </dependencies>\n</project>\n",
        dependency("org.apache.zookeeper", "zookeeper", VERSION, &exclusions),
        // ZooKeeper cannot count its requests without these two, and does not say so to Maven.
        dependency("io.dropwizard.metrics", "metrics-core", "4.1.12.1", "")
            + &dependency("org.xerial.snappy", "snappy-java", "1.1.10.5", ""),
        dependency("org.slf4j", "slf4j-simple", "1.7.36", ""),
    )
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_on_the_path() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-anywhere").is_none());
    }

    #[test]
    fn asks_maven_for_zookeeper_and_a_logger() {
        let project = project();
        assert!(project.contains("<artifactId>zookeeper</artifactId><version>3.8.4</version>"));
        assert!(project.contains("slf4j-simple"));
        assert_eq!(project.matches("<dependency>").count(), project.matches("</dependency>").count());
    }
}
