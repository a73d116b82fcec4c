//! `ottla quickstart`: a ZooKeeper, a broker, a topic, records there and back, and what to type next.
//!
//! Owns the processes it starts and stops them at its end; what answered before is left alone. With --once it ends by
//! itself and removes what it made. The broker is this same program in a process of its own.

mod places;
mod server;
mod tour;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use crate::failure::Failure;
use crate::signals::{Second, Stop};
use places::{Mode, Places};
use server::Server;
use tour::{Origin, Toured};

/// How often the processes and the signals are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the tour with the arguments `[--once] [FILE]`.
pub fn run(args: &[String]) -> ExitCode {
    match guide(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn guide(args: &[String]) -> Result<(), Failure> {
    let places = Places::read(args)?;
    let stop = Stop::on_signals(Second::Ignored)?;
    let zookeeper = places.start_zookeeper(&stop)?;
    let broker = places.start_broker(&stop)?;
    let toured = tour::go(&places.bootstrap())?;
    print_screen(&places, zookeeper.is_some(), &toured)?;
    match places.mode {
        Mode::Serving => serve(&stop, [Some(&broker), zookeeper.as_ref()])?,
        Mode::Once if toured.origin == Origin::Made => tour::delete_topic(&places.bootstrap())?,
        Mode::Once => {}
    }
    writeln!(io::stdout(), "\nStopping what was started here.")?;
    // The broker takes leave of ZooKeeper, so it goes first.
    drop(broker);
    drop(zookeeper);
    places.clean_up()
}

fn print_screen(places: &Places, started_zookeeper: bool, toured: &Toured) -> io::Result<()> {
    let bootstrap = places.bootstrap();
    let zookeeper = match started_zookeeper {
        true => "started for you",
        false => "was running already",
    };
    let topic = match toured.origin {
        Origin::Made => "created",
        Origin::Found => "was there already",
    };
    let mut out = io::stdout();
    write!(
        out,
        "\nOttla is up.\n\n  \
         ZooKeeper  {}  {zookeeper}\n  \
         broker     {bootstrap}  started from {}; its log is {}\n  \
         topic      {}  {topic}; {} records written and read back: {}\n\n{}",
        places.zookeeper_address(),
        places.file.display(),
        places.broker_log().display(),
        tour::TOPIC,
        toured.records.len(),
        toured.records.join(", "),
        toured.description,
    )?;
    if places.mode == Mode::Once {
        return Ok(());
    }
    write!(
        out,
        "\nType next, in another terminal:\n\n  \
         bin/kafka-topics.sh --bootstrap-server {bootstrap} --create --topic mine --partitions 3\n  \
         bin/kafka-console-producer.sh --bootstrap-server {bootstrap} --topic mine\n  \
         bin/kafka-console-consumer.sh --bootstrap-server {bootstrap} --topic mine --from-beginning\n\n\
         Or point any Kafka client at {bootstrap}. Ctrl-C stops what was started here and keeps its data.\n"
    )
}

fn serve(stop: &Stop, servers: [Option<&Server>; 2]) -> Result<(), Failure> {
    while !stop.wanted() {
        for server in servers.into_iter().flatten() {
            server.check()?;
        }
        sleep(LOOK_INTERVAL);
    }
    Ok(())
}
