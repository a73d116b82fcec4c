//! Rules of the repository as ordinary tests.
