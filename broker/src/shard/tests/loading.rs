//! A partition whose log is still being opened: what it answers meanwhile, and what it is when the log comes.

use super::*;

const LOADING: i32 = 2;

/// A shard with a log that was found at start, at high watermark 7, and is not open.
fn waiting() -> Rig {
    let mut rig = Rig::leading(&[1]);
    let standing = Standing {
        partition: name(LOADING),
        dir: rig.dir.join(name(LOADING).to_string()),
        high_watermark: Offset(7),
        recovery_point: Offset(5),
        log_start: Some(Offset(3)),
    };
    let settings = rig.settings.clone();
    rig.shard.expect(standing, settings);
    rig
}

fn assign(rig: &Rig, leader_epoch: i32) -> (Command, Receiver<Result<(), AssignFailure>>) {
    let (reply, answer) = oneshot::channel();
    let assigned = Assigned {
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: 0,
        replicas: vec![LOCAL],
        isr: vec![LOCAL],
    };
    let (partition, settings) = (name(LOADING), rig.settings.clone());
    let (topic_id, leader, log) = (TopicId::nil(), Some(LOCAL), None);
    let assign = Assign { partition, topic_id, leader, assigned, settings, log, reply };
    (Command::Assign(Box::new(assign)), answer)
}

fn opened(rig: &Rig) -> Command {
    let options = CreateOptions {
        dir: rig.dir.join(name(LOADING).to_string()),
        partition: name(LOADING),
        topic_id: None,
        settings: rig.settings.log.clone(),
        now: at(0).wall,
    };
    let log = Log::create(options, Arc::new(OsDisk)).unwrap();
    Command::Opened { partition: name(LOADING), opening: Opening::Open(Box::new(log)) }
}

fn is_not_leader(answer: &mut Receiver<Vec<AppendOutcome>>) -> bool {
    matches!(&answer.try_recv().unwrap()[0], Err(AppendFailure::Refused(AppendRefused::NotLeader)))
}

#[test]
fn the_controller_is_answered_at_once_and_the_role_is_taken_with_the_log() {
    let mut rig = waiting();
    let (command, mut assigned) = assign(&rig, 4);
    let (produce, mut refused) = append(&[LOADING], Acks::Leader);
    rig.turn(at(1), vec![command, produce]);
    assert!(matches!(assigned.try_recv(), Ok(Ok(()))));
    assert!(is_not_leader(&mut refused));
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::NotLed));

    let (older, mut stale) = assign(&rig, 3);
    let (newer, mut assigned) = assign(&rig, 6);
    rig.turn(at(2), vec![older, newer]);
    assert!(matches!(stale.try_recv(), Ok(Err(AssignFailure::Refused(_)))));
    assert!(matches!(assigned.try_recv(), Ok(Ok(()))));

    let log = opened(&rig);
    let (produce, mut accepted) = append(&[LOADING], Acks::All);
    rig.turn(at(3), vec![log, produce]);
    assert_eq!(offsets(&mut accepted), [0]);
    let hosted = rig.hosted.get("t", LOADING).unwrap();
    assert_eq!(hosted.leadership.check(LeaderEpoch(6)), Ok(LeaderEpoch(6)));
}

#[test]
fn settings_that_change_meanwhile_are_in_force() {
    let mut rig = waiting();
    let (command, _assigned) = assign(&rig, 0);
    let mut settings = rig.settings.clone();
    settings.log.segment_bytes = 20;
    let configure = Configure { topic: "t".to_owned(), settings };
    let log = opened(&rig);
    rig.turn(at(1), vec![command, Command::Configure(Box::new(configure)), log]);
    let (produce, mut answer) = append(&[LOADING], Acks::Leader);
    rig.turn(at(2), vec![produce]);
    let outcomes = answer.try_recv().unwrap();
    assert!(
        matches!(&outcomes[0], Err(AppendFailure::Log(storage::AppendError::LargerThanSegment { .. }))),
        "{outcomes:?}"
    );
}

#[test]
fn a_deletion_waits_for_the_log() {
    let mut rig = waiting();
    let (command, mut assigned) = assign(&rig, 0);
    let (deletion, mut deleted) = stop(LOADING, Fate::Delete);
    rig.turn(at(1), vec![command, deletion]);
    assert!(matches!(assigned.try_recv(), Ok(Ok(()))));
    assert!(deleted.try_recv().is_err(), "its log is not there");
    let log = opened(&rig);
    rig.turn(at(2), vec![log]);
    assert!(matches!(deleted.try_recv(), Ok(Ok(Some(_)))));
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::NotLed));
}

#[test]
fn a_stopped_replica_is_not_led_when_its_log_comes() {
    let mut rig = waiting();
    let (command, _assigned) = assign(&rig, 0);
    let (stopping, mut stopped) = stop(LOADING, Fate::Keep);
    rig.turn(at(1), vec![command, stopping]);
    assert!(matches!(stopped.try_recv(), Ok(Ok(None))));
    let log = opened(&rig);
    rig.turn(at(2), vec![log]);
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::NotLed));
}

#[test]
fn a_log_that_cannot_be_opened_is_offline() {
    let mut rig = waiting();
    let (command, _assigned) = assign(&rig, 0);
    rig.turn(at(1), vec![command, Command::Opened { partition: name(LOADING), opening: Opening::Failed }]);
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::Offline));
    let (produce, mut answer) = append(&[LOADING], Acks::Leader);
    rig.turn(at(2), vec![produce]);
    assert!(matches!(&answer.try_recv().unwrap()[0], Err(AppendFailure::Offline)));
}

fn no_room() -> Command {
    Command::Opened { partition: name(LOADING), opening: Opening::NoRoom }
}

fn open_again(rig: &mut Rig) -> bool {
    let (reply, mut answer) = oneshot::channel();
    rig.turn(at(3), vec![Command::OpenAgain { partition: name(LOADING), reply }]);
    answer.try_recv().unwrap()
}

#[test]
fn a_log_without_room_is_offline_until_it_is_opened_again() {
    let mut rig = waiting();
    let (command, _assigned) = assign(&rig, 0);
    assert!(!open_again(&mut rig), "it is being opened");
    rig.turn(at(1), vec![command, no_room()]);
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::Offline));
    let (command, mut refused) = assign(&rig, 1);
    rig.turn(at(2), vec![command]);
    assert!(matches!(refused.try_recv(), Ok(Err(AssignFailure::Offline))));
    assert!(open_again(&mut rig));
    assert!(!open_again(&mut rig), "one opens it already");
    let log = opened(&rig);
    rig.turn(at(4), vec![log]);
    // The role comes with the controller's next question.
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::NotLed));
    let (command, mut assigned) = assign(&rig, 2);
    rig.turn(at(5), vec![command]);
    assert!(matches!(assigned.try_recv(), Ok(Ok(()))));
    assert!(rig.hosted.get("t", LOADING).is_ok());
}

#[test]
fn nobody_opens_a_log_again_that_is_deleted_or_in_a_failed_directory() {
    let mut rig = waiting();
    let (deletion, mut deleted) = stop(LOADING, Fate::Delete);
    rig.turn(at(1), vec![no_room(), deletion]);
    assert!(
        matches!(deleted.try_recv(), Ok(Err(StopFailure::Offline))),
        "its directory is the caller's to delete"
    );
    assert!(!open_again(&mut rig));
    rig.turn(at(2), vec![Command::Forget(name(LOADING))]);
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::NotLed));

    let mut rig = waiting();
    let dir = rig.dir.clone();
    rig.turn(at(1), vec![no_room(), Command::FailDir(dir)]);
    assert!(!open_again(&mut rig));
}

#[test]
fn a_log_of_a_directory_that_failed_meanwhile_is_not_taken() {
    let mut rig = waiting();
    let (log, dir) = (opened(&rig), rig.dir.clone());
    rig.turn(at(1), vec![Command::FailDir(dir), log]);
    assert_eq!(rig.hosted.get("t", LOADING).err(), Some(Absent::Offline));
}

#[test]
fn the_checkpoints_keep_what_they_say_of_it() {
    let mut rig = waiting();
    let told = |rig: &mut Rig| {
        let (reply, mut answer) = oneshot::channel();
        rig.turn(at(1), vec![Command::TakeChanged(reply)]);
        let standings = answer.try_recv().unwrap();
        let loading = standings.into_iter().find(|standing| standing.partition == name(LOADING));
        loading.map(|standing| (standing.high_watermark.0, standing.recovery_point.0, standing.log_start))
    };
    let found = Some((7, 5, Some(Offset(3))));
    assert_eq!(told(&mut rig), found);
    assert_eq!(told(&mut rig), None);
    let (reply, mut closed) = oneshot::channel();
    rig.turn(at(2), vec![Command::Close(reply)]);
    let closing = closed.try_recv().unwrap();
    assert_eq!((closing.logs.len(), closing.unopened.len()), (2, 1));
    assert_eq!(closing.unopened[0].log_start, Some(Offset(3)));
}
