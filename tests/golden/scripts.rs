//! A folder of scenarios: each file is played again and compared with what it says.

use std::path::{Path, PathBuf};

/// Runs every file of a folder through `play`, which gives a script's lines back with the trace between them.
pub(super) fn check_folder(folder: &str, play: fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(folder);
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    scripts.sort();
    assert!(!scripts.is_empty(), "no scenarios in {}", folder.display());
    let changed: Vec<String> = scripts.iter().filter_map(|path| check_file(path, play)).collect();
    assert!(changed.is_empty(), "run with UPDATE=1 if this is right:\n{}", changed.join("\n"));
}

/// What differs, if anything does.
fn check_file(path: &Path, play: fn(&str) -> String) -> Option<String> {
    let before = std::fs::read_to_string(path).expect("a scenario");
    let script: String =
        before.lines().filter(|line| !line.starts_with("  ")).map(|line| format!("{line}\n")).collect();
    let after = play(&script);
    if before == after {
        return None;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, after).expect("the scenario is written");
        return None;
    }
    let at = before.lines().zip(after.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    Some(format!("{}:{}\n  was: {}\n  is:  {}", path.display(), at + 1, line(&before), line(&after)))
}
