//! What the suites need on the machine: looked for, installed by package where that is possible, else named with the command to type.
//! Source of the package names: Debian.
use crate::project;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// A program that must be there, and the Debian package that brings it.
struct Need {
    probe: &'static [&'static str],
    package: &'static str,
    why: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        probe: &["cc", "--version"],
        package: "build-essential",
        why: "compiles librdkafka and the codecs",
    },
    Need { probe: &["make", "--version"], package: "build-essential", why: "compiles librdkafka" },
    Need {
        probe: &["java", "-version"],
        package: "default-jdk-headless",
        why: "runs ZooKeeper and Kafka's own tools",
    },
    Need {
        probe: &["javac", "-version"],
        package: "default-jdk-headless",
        why: "compiles the suites' consumer",
    },
    Need { probe: &["mvn", "--version"], package: "maven", why: "fetches the jars of ZooKeeper and Kafka" },
    Need { probe: &["kcat", "-V"], package: "kcat", why: "is one of the clients" },
    Need {
        probe: &["go", "version"],
        package: "golang-go",
        why: "builds the clients sarama, kafka-go and franz-go",
    },
    Need {
        probe: &["unshare", "--version"],
        package: "util-linux",
        why: "mounts a small disk for one broker",
    },
];

/// Makes sure that everything is there, or fails with what to type.
pub fn provide() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !answers(need.probe)).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    let jars = Command::new(project::oracle()).arg("install").status().context("run tests/oracle/oracle")?;
    anyhow::ensure!(
        jars.success(),
        "the jars of Kafka are missing: type `tests/oracle/oracle install` and see why"
    );
    Ok(())
}

fn answers(probe: &[&str]) -> bool {
    let [program, args @ ..] = probe else { return false };
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn install(missing: &[&Need]) -> Result<()> {
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    let typed = format!("apt-get install -y {}", packages.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() || !rustix::process::getuid().is_root() {
        bail!("{}on Debian type `sudo {typed}`, elsewhere install the same", reasons(missing));
    }
    eprintln!("ready: {typed}");
    if !apt_get(&["install", "-y"], &packages)? {
        // The lists of a fresh machine are empty or old.
        apt_get(&["update"], &[])?;
        anyhow::ensure!(apt_get(&["install", "-y"], &packages)?, "`{typed}` failed");
    }
    let still: Vec<_> = NEEDS.iter().filter(|need| !answers(need.probe)).map(|need| need.probe[0]).collect();
    anyhow::ensure!(still.is_empty(), "still missing after `{typed}`: {}", still.join(", "));
    Ok(())
}

fn reasons(missing: &[&Need]) -> String {
    missing.iter().map(|need| format!("`{}` is missing, which {}\n", need.probe[0], need.why)).collect()
}

fn apt_get(verb: &[&str], packages: &[&str]) -> Result<bool> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").args(verb).args(packages);
    Ok(command.stdin(Stdio::null()).status().context("run apt-get")?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_missing() {
        assert!(answers(&["true"]));
        assert!(!answers(&["no-such-program-as-this"]));
    }

    #[test]
    fn says_why_something_is_needed() {
        let kcat = NEEDS.iter().find(|need| need.package == "kcat").unwrap();
        assert_eq!(reasons(&[kcat]), "`kcat` is missing, which is one of the clients\n");
    }
}
