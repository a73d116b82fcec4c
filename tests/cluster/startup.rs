//! How a broker starts and stops: with ZooKeeper late or away, with a generated id, several listeners and directories, a chroot, and
//! on logs of another cluster. How: the processes are started in odd orders; a clean stop must leave everything for the next start.
use crate::scene::Scene;
use anyhow::{Context, Result};
use tests::broker::Site;
use tests::port::Port;
use tests::wire::Wire;
use tests::zookeeper::Zookeeper;

#[test]
fn without_zookeeper_the_start_ends_with_a_clear_word() -> Result<()> {
    let mut zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    zookeeper.kill9()?;
    let (status, log) = site.set("zookeeper.connection.timeout.ms", 2_000).start_in_vain()?;
    assert_eq!(status.code(), Some(1), "{log}");
    for part in [&zookeeper.address(), "zookeeper.connect", "2000"] {
        assert!(log.contains(part), "`{part}` is not in: {log}");
    }
    Ok(())
}

#[test]
fn a_late_zookeeper_is_waited_for() -> Result<()> {
    let mut zookeeper = Zookeeper::start()?;
    let site = Site::new(1, &zookeeper)?;
    zookeeper.kill9()?;
    let started = std::thread::scope(|scope| {
        let broker = scope.spawn(|| site.start());
        let late = zookeeper.restart();
        late.and(broker.join().map_err(|_| anyhow::anyhow!("the start panicked"))?)
    });
    let mut broker = started?;
    for part in ["ZooKeeper", "zookeeper_client"] {
        broker.announce(part);
    }
    broker.await_serving()
}

#[test]
fn a_clean_stop_leaves_everything_for_the_next_start() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.create_topic("kept", 3)?;
    let records: String = (0..1_000).map(|number| format!("k{number}:v{number}\n")).collect();
    scene.kcat(&["-P", "-t", "kept", "-K:"], &records)?;
    let before = scene.read_all("kept")?;
    assert_eq!(before.len(), 1_000);

    scene.broker.stop()?;
    assert!(scene.broker.site.path("logs/.kafka_cleanshutdown").exists());
    scene.await_registered(false)?;
    scene.broker.restart()?;
    scene.await_topic("kept", 3)?;
    assert_eq!(scene.read_all("kept")?, before);
    scene.kcat(&["-P", "-t", "kept", "-p", "0"], "more\n")?;
    assert_eq!(scene.read_all("kept")?.len(), 1_001);
    Ok(())
}

#[test]
fn a_generated_id_stays() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1001, &zookeeper)?;
    site.set("broker.id", -1);
    let mut broker = site.start()?;
    assert_eq!(broker.connect()?.cluster()?.broker_ids, [1001]);
    broker.stop()?;
    broker.restart()?;
    assert_eq!(broker.connect()?.cluster()?.broker_ids, [1001]);
    Ok(())
}

#[test]
fn each_listener_leads_to_itself() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    let second = Port::free()?;
    site.set("listeners", format!("INSIDE://{},OUTSIDE://{}", site.address(), second.address()));
    site.set("listener.security.protocol.map", "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT");
    site.set("inter.broker.listener.name", "INSIDE");
    let scene = Scene { broker: site.start()?, zookeeper };
    scene.create_topic("both", 1)?;
    Wire::connect(&second.address())?.cluster()?;
    for address in [scene.address(), second.address()] {
        let listed = tests::run::run(&mut tests::run::kcat(&["-b", &address, "-L"]))?.ok()?;
        assert!(listed.stdout.contains(&format!("broker 1 at {address}")), "{listed}");
    }
    Ok(())
}

#[test]
fn several_directories_share_the_partitions() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    let folders = ["logs-a", "logs-b"].map(|folder| site.path(folder));
    site.set("log.dirs", format!("{},{}", folders[0].display(), folders[1].display()));
    let mut scene = Scene { broker: site.start()?, zookeeper };
    scene.create_topic("spread", 6)?;
    let partitions = |folder| -> Result<usize> {
        let names =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        Ok(names.collect::<Result<Vec<String>>>()?.iter().filter(|name| name.starts_with("spread-")).count())
    };
    assert_eq!((partitions(&folders[0])?, partitions(&folders[1])?), (3, 3));
    scene.kcat(&["-P", "-t", "spread", "-p", "5"], "a\n")?;
    scene.broker.stop()?;
    scene.broker.restart()?;
    scene.await_topic("spread", 6)?;
    assert_eq!(scene.read_all("spread")?, ["5 0  a"]);
    Ok(())
}

#[test]
fn a_chroot_is_made_and_kept_to() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    site.set("zookeeper.connect", format!("{0},{0}/kafka/one", zookeeper.address()));
    let scene = Scene { broker: site.start()?, zookeeper };
    scene.create_topic("below", 1)?;
    let mut tree = scene.zookeeper.tree()?;
    assert_eq!(tree.children("/")?, ["kafka", "zookeeper"]);
    tree.stat("/kafka/one/brokers/topics/below")?.context("the topic is not below the chroot")?;
    Ok(())
}

#[test]
fn logs_of_another_cluster_are_refused() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.broker.stop()?;
    let other = Zookeeper::start()?;
    scene.broker.site.set("zookeeper.connect", other.address());
    let (status, log) = scene.broker.site.start_in_vain()?;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("meta.properties") && log.contains("/cluster/id"), "{log}");
    Ok(())
}

#[test]
fn an_advertised_address_that_leads_nowhere_is_warned_about() -> Result<()> {
    let zookeeper = Zookeeper::start()?;
    let mut site = Site::new(1, &zookeeper)?;
    let nobody = Port::free()?;
    site.set("advertised.listeners", format!("PLAINTEXT://{}", nobody.address()));
    let mut broker = site.start()?;
    broker.announce("advertised.listeners");
    let said = || -> Result<Option<String>> {
        let log = broker.log()?;
        Ok(log
            .lines()
            .find(|line| line.contains("WARN") && line.contains("advertised.listeners"))
            .map(str::to_owned))
    };
    let warning = tests::condition::until("the warning", crate::scene::SOON, said)?;
    assert!(warning.contains(&nobody.address()), "{warning}");
    Ok(())
}
