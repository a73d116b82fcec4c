//! ZooKeeper dies and comes back under load, and the session is lost under load: no client sees an error either time.
//! How: a numbered load and a reading kcat run on; the first time the broker's znode must be the same as before, the second time a
//! new one, with the controller elected again.
use crate::load::{Account, Load, SteadyLoad, check_topic};
use crate::scene::{SOON, Scene};
use anyhow::{Context, Result};
use std::time::Duration;
use tests::condition::until;
use tests::process::{Process, Signal};
use tests::run::kcat;
use tests::znode::Stat;

/// How long ZooKeeper is away: more than two session timeouts. `OTTLA_TEST_OUTAGE_SECONDS` makes it longer.
const OUTAGE: Duration = Duration::from_secs(13);

#[test]
fn clients_do_not_notice_that_zookeeper_is_away() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.broker.announce("ZooKeeper");
    scene.broker.announce("zookeeper_client");
    scene.create_topic("steady", 1)?;
    let before = [registration(&scene)?, controller(&scene)?];
    let (load, reader) = start(&scene)?;

    load.await_more(500)?;
    scene.zookeeper.kill9()?;
    load.go_on_for(outage()?)?;
    scene.zookeeper.restart()?;
    load.await_more(500)?;

    // The controller is at work again, and it is the same session: nobody saw the broker go.
    scene.create_topic("after", 1)?;
    assert_eq!([registration(&scene)?, controller(&scene)?], before);
    check(&scene, load, reader)
}

#[test]
fn a_lost_session_is_replaced() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.broker.announce("ZooKeeper");
    scene.broker.announce("zookeeper_client");
    scene.create_topic("steady", 1)?;
    let before = registration(&scene)?;
    let (load, reader) = start(&scene)?;
    load.await_more(500)?;

    // A process that stands still sends no heartbeats.
    scene.broker.process().signal(Signal::STOP)?;
    scene.await_registered(false)?;
    scene.broker.process().signal(Signal::CONT)?;
    scene.await_registered(true)?;
    load.await_more(500)?;

    let after = registration(&scene)?;
    assert!(after.creation_zxid > before.creation_zxid, "{after:?}");
    assert_ne!(after.ephemeral_owner, before.ephemeral_owner);
    assert_eq!(scene.zookeeper.tree()?.text("/controller_epoch")?, "2");
    scene.broker.await_serving()?;
    scene.create_topic("after", 1)?;
    check(&scene, load, reader)
}

fn outage() -> Result<Duration> {
    let Ok(seconds) = std::env::var("OTTLA_TEST_OUTAGE_SECONDS") else { return Ok(OUTAGE) };
    Ok(Duration::from_secs(seconds.parse().context("OTTLA_TEST_OUTAGE_SECONDS is not a number")?))
}

fn registration(scene: &Scene) -> Result<Stat> {
    scene.zookeeper.tree()?.stat(&scene.registration())?.context("the broker is not registered")
}

fn controller(scene: &Scene) -> Result<Stat> {
    scene.zookeeper.tree()?.stat("/controller")?.context("there is no controller")
}

fn start(scene: &Scene) -> Result<(SteadyLoad, Process)> {
    let load = SteadyLoad::start(Load::new(scene, "steady", 1, 100)?);
    let args = ["-b", &scene.address(), "-C", "-t", "steady", "-o", "beginning", "-q", "-u", "-f", "%o %k\n"];
    let reader = Process::spawn("the reader", &mut kcat(&args), &scene.broker.site.path("reader.log"))?;
    Ok((load, reader))
}

/// No error at the producer nor at the reader, and every record there once.
fn check(scene: &Scene, load: SteadyLoad, mut reader: Process) -> Result<()> {
    let (sent, account) = load.stop()?;
    let Account { acknowledged, misplaced, failed, errors } = account;
    assert_eq!((misplaced, failed, errors), (Vec::new(), Vec::new(), Vec::new()));
    assert_eq!(acknowledged, sent);
    let expected: String = (0..sent).map(|number| format!("{number} {number}\n")).collect();
    until("the reader has all records", SOON, || Ok((reader.log()?.lines().count() >= sent).then_some(())))?;
    assert!(reader.ended()?.is_none(), "{}", reader.log_tail());
    assert!(reader.log()? == expected, "the reader printed something else: {}", reader.log_tail());
    check_topic(scene, "steady", 1, sent)
}
