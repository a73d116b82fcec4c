//! Two brokers that claim the same id, or the same log directory: the second one ends with status 1 and says why; the first goes on.
//! How: a second process is started beside a broker that serves.
use crate::scene::Scene;
use anyhow::Result;
use tests::broker::Site;

#[test]
fn a_second_broker_with_the_same_id_ends() -> Result<()> {
    let mut scene = Scene::new()?;
    let twin = Site::new(1, &scene.zookeeper)?;
    check_refused(&twin, &["/brokers/ids/1"])?;
    check_first(&mut scene)
}

#[test]
fn a_second_broker_on_the_same_log_directory_ends() -> Result<()> {
    let mut scene = Scene::new()?;
    let logs = scene.broker.site.path("logs").display().to_string();
    let mut twin = Site::new(2, &scene.zookeeper)?;
    twin.set("log.dirs", &logs);
    check_refused(&twin, &[&logs, "in use by another broker"])?;
    assert!(scene.zookeeper.tree()?.stat("/brokers/ids/2")?.is_none());
    check_first(&mut scene)
}

#[test]
fn a_second_broker_on_the_same_port_ends() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut twin = Site::new(2, &scene.zookeeper)?;
    twin.set("listeners", format!("PLAINTEXT://{}", scene.address()));
    check_refused(&twin, &["listeners", &scene.broker.site.port().to_string()])?;
    check_first(&mut scene)
}

fn check_refused(twin: &Site, reasons: &[&str]) -> Result<()> {
    let (status, log) = twin.start_in_vain()?;
    assert_eq!(status.code(), Some(1), "{log}");
    for reason in reasons {
        assert!(log.contains(reason), "`{reason}` is not in: {log}");
    }
    Ok(())
}

/// The first broker is still registered under its own session and still takes records.
fn check_first(scene: &mut Scene) -> Result<()> {
    scene.broker.await_serving()?;
    scene.create_topic("unharmed", 1)?;
    scene.kcat(&["-P", "-t", "unharmed"], "a\n")?;
    assert_eq!(scene.read_all("unharmed")?, ["0 0  a"]);
    Ok(())
}
