//! Every crate that is compiled in may be used under a licence that deny.toml allows.
//! How: the SPDX expressions that cargo knows are evaluated against that list; `cargo deny check` says the same where it is installed.
use crate::metadata::licences;
use crate::source::{Source, all};

fn breaches(licences: &[(String, String)], allowed: &[String]) -> Vec<String> {
    let refused = licences.iter().filter(|(_, expression)| !permits(expression, allowed));
    refused
        .map(|(name, expression)| format!("{name}: licence `{expression}` is not allowed by deny.toml"))
        .collect()
}

/// Whether an expression of licences, AND, OR and brackets can be met with those allowed.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced =
        expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "-WITH-");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut met = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= both(words, allowed);
    }
    met
}

fn both(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &[String]) -> bool {
    if words.next_if_eq(&"(").is_none() {
        return words.next().is_some_and(|name| allowed.iter().any(|licence| licence == name));
    }
    let met = any(words, allowed);
    words.next_if_eq(&")").is_some() && met
}

/// The quoted names of the list `allow` in deny.toml.
fn allowed(sources: &[Source]) -> Vec<String> {
    let deny = sources.iter().find(|source| source.path == "deny.toml").unwrap();
    let (_, rest) = deny.text.split_once("allow = [").unwrap();
    let (list, _) = rest.split_once(']').unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn licences_are_allowed() {
    crate::none(&breaches(&licences(), &allowed(&all())));
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "Zlib"].map(str::to_owned);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("MIT AND (GPL-3.0 OR Apache-2.0)", false),
        ("Apache-2.0 WITH LLVM-exception OR Zlib", true),
        ("", false),
    ] {
        assert_eq!(permits(expression, &allowed), met, "{expression}");
    }
}
