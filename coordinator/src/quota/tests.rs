//! Throttle times as Kafka's arithmetic gives them, precedence, and that quotas hold over time for a client that waits as it is told.

use super::*;

const WINDOW: Window = Window { samples: 11, size: Duration::from_secs(1) };
const CLIENT: Client<'_> = Client { user: "u", id: "c" };

fn at(ms: u64) -> Monotonic {
    Monotonic(Duration::from_millis(5_000_000 + ms))
}

fn ms(duration: Duration) -> u128 {
    duration.as_millis()
}

fn everybody<M: Default>(per_second: f64) -> Quota<M> {
    let mut quota = Quota::new(WINDOW);
    quota.set(&Entity::Client(Name::Default), Some(per_second));
    quota
}

fn user(name: &str) -> Entity {
    Entity::User(Name::Named(name.to_owned()))
}

#[test]
fn nothing_is_measured_without_a_limit() {
    let mut quota: Quota<Rate> = Quota::new(WINDOW);
    assert!(!quota.is_configured());
    assert_eq!(quota.charge(CLIENT, 1e12, at(0)), Duration::ZERO);
    assert_eq!(quota.most_at_once(CLIENT), None);
    quota.set(&user("other"), Some(1.0));
    assert!(quota.is_configured());
    assert_eq!(quota.charge(CLIENT, 1e12, at(0)), Duration::ZERO);
    quota.set(&user("other"), None);
    assert!(!quota.is_configured());
}

/// (rate - limit) / limit * window: the ten seconds before, and what has passed of the newest one.
#[test]
fn a_client_above_its_rate_waits_until_it_would_be_within_it() {
    let mut quota = everybody(1000.0);
    for second in 0..10 {
        assert_eq!(quota.charge(CLIENT, 900.0, at(1000 * second)), Duration::ZERO);
    }
    // 9000 and 3600 over 9.5 seconds and the one that is missing: 1200 a second.
    assert_eq!(ms(quota.charge(CLIENT, 3600.0, at(9500))), 2100);
    // After the wait the first 900 are eleven seconds old: 11700 over 10.6 seconds.
    assert_eq!(ms(quota.charge(CLIENT, 0.0, at(11_600))), 1100);
    assert_eq!(ms(quota.charge(CLIENT, 0.0, at(12_700))), 100);
    assert_eq!(quota.charge(CLIENT, 0.0, at(12_800)), Duration::ZERO);
}

#[test]
fn a_first_burst_of_ten_seconds_worth_is_free_and_then_each_byte_counts() {
    let mut quota = everybody(100.0);
    assert_eq!(quota.most_at_once(CLIENT), Some(1000.0));
    assert_eq!(quota.charge(CLIENT, 1000.0, at(0)), Duration::ZERO);
    assert_eq!(ms(quota.charge(CLIENT, 1.0, at(0))), 10);
    assert_eq!(ms(quota.charge(CLIENT, 100.0, at(0))), 1010);
    quota.refund(CLIENT, 100.0, at(0));
    assert_eq!(ms(quota.charge(CLIENT, 0.0, at(0))), 10);
    // One enormous request is waited out in full.
    assert_eq!(ms(quota.charge(CLIENT, 1e6, at(0))), 10 + 10_000_000);
}

#[test]
fn request_time_holds_back_for_one_window_at_most() {
    let mut quota = everybody::<Rate>(1.0).throttling_a_window_at_most();
    assert_eq!(ms(quota.charge(CLIENT, 10.3, at(0))), 300);
    assert_eq!(ms(quota.charge(CLIENT, 500.0, at(0))), 1000);
}

#[test]
fn a_limit_of_nothing_lets_nothing_through() {
    let mut quota = everybody::<Rate>(0.0);
    assert_eq!(quota.charge(CLIENT, 1.0, at(0)), THROTTLE_MAX);
    assert_eq!(quota.most_at_once(CLIENT), Some(0.0));
    let mut quota = everybody::<TokenBucket>(0.0);
    assert_eq!(
        quota.take(CLIENT, 1.0, Enforcement::Strict, at(0)),
        Verdict::Allowed,
        "an empty bucket owes nothing"
    );
    assert_eq!(quota.take(CLIENT, 1.0, Enforcement::Strict, at(9)), Verdict::Refused(THROTTLE_MAX));
}

#[test]
fn a_users_clients_share_its_limit_and_those_of_a_pair_do_not() {
    let other = Client { id: "other", ..CLIENT };
    let mut quota: Quota<Rate> = Quota::new(WINDOW);
    quota.set(&user("u"), Some(100.0));
    assert_eq!(quota.charge(CLIENT, 1000.0, at(0)), Duration::ZERO);
    assert_eq!(ms(quota.charge(other, 1.0, at(0))), 10);
    let pairs = Entity::UserClient { user: Name::Default, client: Name::Default };
    quota.set(&pairs, Some(1.0));
    assert_eq!(ms(quota.charge(other, 1.0, at(0))), 20, "the user's own limit comes first");
    quota.set(&user("u"), None);
    assert_eq!(quota.charge(CLIENT, 10.0, at(0)), Duration::ZERO);
    assert_eq!(quota.charge(other, 10.0, at(0)), Duration::ZERO);
    assert_eq!(ms(quota.charge(other, 1.0, at(0))), 1000);
}

#[test]
fn a_limit_that_changes_counts_at_once_for_what_was_used_before() {
    let mut quota = everybody::<Rate>(100.0);
    assert_eq!(quota.charge(CLIENT, 1000.0, at(0)), Duration::ZERO);
    quota.set(&Entity::Client(Name::Default), Some(50.0));
    assert_eq!(ms(quota.charge(CLIENT, 0.0, at(0))), 10_000);
    quota.set(&Entity::Client(Name::Default), Some(1e6));
    assert_eq!(quota.charge(CLIENT, 1000.0, at(0)), Duration::ZERO);
}

#[test]
fn changes_of_topics_are_refused_in_debt_and_a_burst_is_let_through_whole() {
    let mut quota = everybody::<TokenBucket>(2.0);
    let mut take = |tokens, now| quota.take(CLIENT, tokens, Enforcement::Strict, at(now));
    // The bucket holds 22; the last token of it buys any number.
    assert_eq!(take(21.0, 0), Verdict::Allowed);
    assert_eq!(take(30.0, 0), Verdict::Allowed);
    assert_eq!(take(1.0, 0), Verdict::Refused(Duration::from_millis(14_500)));
    assert_eq!(take(1.0, 14_400), Verdict::Refused(Duration::from_millis(100)));
    assert_eq!(take(1.0, 14_500), Verdict::Allowed, "what was refused has cost nothing");
    assert_eq!(take(1.0, 14_500), Verdict::Refused(Duration::from_millis(500)));
}

#[test]
fn old_clients_changes_are_carried_out_and_they_wait() {
    let mut quota = everybody::<TokenBucket>(2.0);
    let mut take = |tokens, now| quota.take(CLIENT, tokens, Enforcement::Permissive, at(now));
    assert_eq!(take(22.0, 0), Verdict::Allowed);
    assert_eq!(take(3.0, 0), Verdict::Throttled(Duration::from_millis(1500)));
    assert_eq!(take(1.0, 500), Verdict::Throttled(Duration::from_millis(1500)));
    assert_eq!(take(0.0, 2000), Verdict::Allowed);
}

/// Whoever sends as fast as it may gets its rate, whatever it sends at once: soon with little at a time, in the end with much.
#[test]
fn a_client_that_waits_as_told_gets_its_rate() {
    for (size, seconds) in [(100.0, 22), (1000.0, 33), (5000.0, 600), (16_000.0, 600), (50_000.0, 600)] {
        let mut quota = everybody::<Rate>(10_000.0);
        let (mut now, mut sent) = (0, 0.0);
        while now < 1000 * seconds {
            sent += size;
            // A request takes a millisecond by itself.
            now += 1 + ms(quota.charge(CLIENT, size, at(now))) as u64;
        }
        let rate = sent / (now as f64 / 1000.0);
        assert!((rate / 10_000.0 - 1.0).abs() < 0.05, "{rate} with {size} at once");
    }
}
