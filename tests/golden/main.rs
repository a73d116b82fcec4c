//! Golden scenarios: text files that tell one story each, as commands and the trace of what a pure machine did.
//!
//! A file's command lines are run again and the whole must come out as it stands; `UPDATE=1` writes it anew. One module
//! per machine reads the commands of its folder.

mod controller;
mod scripts;
