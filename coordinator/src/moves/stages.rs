//! One move, from the first look at the replica to the end of the old log: which step comes next, and what follows from its outcome.
//! Appends wait from `Hold` to `Release`, which comes after every `Hold` whatever happens; the copy gets its plain name only when it
//! has all records on the medium, and before the old log loses its own. Giving up is possible until then.

/// So much may have to be synced while they wait.
const UNSYNCED_MAX: u64 = 4 << 20;
/// How often a copy that does not fit is tried again: a truncation of the source just then passes.
const STRIKES_MAX: u32 = 3;

/// What is to be done next, by whoever has the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Find out whether the replica is there to be copied, and there is room for the copy.
    Look,
    /// Copy a piece.
    Copy,
    /// Bring to the medium what was copied.
    Sync,
    /// Let nothing change the replica from here on.
    Hold,
    /// Copy what is left, bring it to the medium, note whose place the copy takes, and give it the plain name.
    Finish,
    /// Let the replica go on with the copy as its log.
    Switch,
    /// Mark the old log for deletion.
    Retire,
    /// Take the plain name from the copy again. Where that cannot be done, note that the old log is the one that counts.
    GoBack,
    /// Let the replica go on.
    Release,
    /// Mark the copy for deletion.
    Remove,
    /// Nothing, until the move is given up or the broker starts again.
    Rest,
    End(End),
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Moved,
    GivenUp,
    /// The directory of the copy failed: nobody touches it.
    Lost,
}

/// Why a step could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The replica is not there now, or cannot be read.
    Source,
    /// No space for the copy now.
    Room,
    /// The directory of the copy failed.
    Disk,
    /// The records cannot be copied as they are.
    Records,
    /// The copy is of something else, or its place is taken.
    Foreign,
}

/// What came of a step, and what happened meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants the replica to stay, or to go elsewhere, or it is deleted.
    GiveUp,
    /// The replica is there.
    Found,
    /// Bytes that the copy lacks, how many may be copied while appends wait, and bytes of it that are not on the medium.
    Copied {
        left: u64,
        rest_max: u64,
        unsynced: u64,
    },
    /// The step is done.
    Done,
    /// The replica did not take the copy.
    Refused,
    Failed(Trouble),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Copying,
    Syncing,
    Holding,
    Finishing,
    Switching,
    Retiring,
    GoingBack(After),
    Releasing(After),
    Removing,
    Stuck,
    Ended(End),
}

/// Where a move is when the replica goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Waiting,
    Copying,
    Stuck,
    Ended(End),
}

/// See the module.
#[derive(Debug)]
pub struct LogDirMove {
    stage: Stage,
    is_given_up: bool,
    strikes: u32,
}

impl Default for LogDirMove {
    fn default() -> LogDirMove {
        LogDirMove { stage: Stage::Waiting, is_given_up: false, strikes: 0 }
    }
}

impl LogDirMove {
    /// The step to be done now; its outcome is to be handled before this is asked again.
    pub fn step(&mut self) -> Step {
        if self.is_given_up && self.may_rest() {
            self.stage = Stage::Removing;
        }
        match self.stage {
            Stage::Waiting => Step::Look,
            Stage::Copying => Step::Copy,
            Stage::Syncing => Step::Sync,
            Stage::Holding => Step::Hold,
            Stage::Finishing => Step::Finish,
            Stage::Switching => Step::Switch,
            Stage::Retiring => Step::Retire,
            Stage::GoingBack(_) => Step::GoBack,
            Stage::Releasing(_) => Step::Release,
            Stage::Removing => Step::Remove,
            Stage::Stuck => Step::Rest,
            Stage::Ended(end) => Step::End(end),
        }
    }

    /// Whether the broker may stop before the next step: the move goes on with the next start.
    pub fn may_rest(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Copying | Stage::Syncing | Stage::Holding => true,
            Stage::Stuck | Stage::Removing => true,
            Stage::Finishing | Stage::Switching | Stage::Retiring => false,
            Stage::GoingBack(_) | Stage::Releasing(_) | Stage::Ended(_) => false,
        }
    }

    /// Takes the outcome of the step that was last told, or a wish.
    pub fn handle(&mut self, event: Event) {
        if event == Event::GiveUp {
            self.is_given_up = true;
            return;
        }
        self.stage = match (self.stage, event) {
            (Stage::Removing, Event::Done) => Stage::Ended(End::GivenUp),
            (Stage::Removing, Event::Failed(_)) => Stage::Ended(End::Lost),
            (Stage::Holding, Event::Done) if self.is_given_up => Stage::Releasing(After::Copying),
            (Stage::Waiting, Event::Found) | (Stage::Syncing, Event::Done) => Stage::Copying,
            (Stage::Copying, Event::Copied { left, rest_max, unsynced }) => {
                self.strikes = 0;
                match (left <= rest_max, unsynced <= UNSYNCED_MAX) {
                    (false, _) => Stage::Copying,
                    (true, false) => Stage::Syncing,
                    (true, true) => Stage::Holding,
                }
            }
            (Stage::Holding, Event::Done) => Stage::Finishing,
            (Stage::Finishing, Event::Done) => Stage::Switching,
            (Stage::Switching, Event::Done) => Stage::Retiring,
            (Stage::Switching, Event::Refused) => Stage::GoingBack(After::Waiting),
            // Not even the log is there: the replica is offline, and the next start finds the copy in its place.
            (Stage::Switching, Event::Failed(_)) => Stage::Releasing(After::Ended(End::Lost)),
            // The old log's directory failed. What is left of it is known to be old.
            (Stage::Retiring, Event::Done | Event::Failed(_)) => Stage::Releasing(After::Ended(End::Moved)),
            (Stage::Finishing, Event::Failed(trouble)) => Stage::GoingBack(self.after(trouble)),
            (Stage::Holding, Event::Failed(trouble)) => Stage::Releasing(self.after(trouble)),
            (Stage::GoingBack(after), Event::Done) => Stage::Releasing(after),
            (Stage::GoingBack(_), Event::Failed(_)) => Stage::Releasing(After::Ended(End::Lost)),
            (Stage::Releasing(after), _) => Stage::from(after),
            (_, Event::Failed(trouble)) => Stage::from(self.after(trouble)),
            (stage, _) => stage,
        };
    }

    fn after(&mut self, trouble: Trouble) -> After {
        match trouble {
            Trouble::Source | Trouble::Room => After::Waiting,
            Trouble::Disk => After::Ended(End::Lost),
            Trouble::Foreign => After::Stuck,
            Trouble::Records => {
                self.strikes += 1;
                if self.strikes < STRIKES_MAX { After::Copying } else { After::Stuck }
            }
        }
    }
}

impl From<After> for Stage {
    fn from(after: After) -> Stage {
        match after {
            After::Waiting => Stage::Waiting,
            After::Copying => Stage::Copying,
            After::Stuck => Stage::Stuck,
            After::Ended(end) => Stage::Ended(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_COPIED: Event = Event::Copied { left: 0, rest_max: 0, unsynced: 0 };
    const FAR: Event = Event::Copied { left: 8, rest_max: 7, unsynced: 0 };

    fn outcome(step: Step) -> Event {
        match step {
            Step::Look => Event::Found,
            Step::Copy => ALL_COPIED,
            Step::Sync | Step::Hold | Step::Finish | Step::Switch | Step::Retire | Step::GoBack => {
                Event::Done
            }
            Step::Release | Step::Remove | Step::Rest | Step::End(_) => Event::Done,
        }
    }

    /// The steps from here on while everything succeeds.
    fn rest(mut moving: LogDirMove) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            let step = moving.step();
            steps.push(step);
            if matches!(step, Step::End(_) | Step::Rest) {
                return steps;
            }
            moving.handle(outcome(step));
        }
    }

    /// A move of which everything went well up to `last`, which is to be done.
    fn at(last: Step) -> LogDirMove {
        let mut moving = LogDirMove::default();
        loop {
            let step = moving.step();
            if step == last {
                return moving;
            }
            moving.handle(outcome(step));
        }
    }

    const WHOLE: [Step; 8] = [
        Step::Look,
        Step::Copy,
        Step::Hold,
        Step::Finish,
        Step::Switch,
        Step::Retire,
        Step::Release,
        Step::End(End::Moved),
    ];

    /// What follows, step by step, if `last` comes to `event`.
    fn check(last: Step, event: Event, expected: &[Step]) {
        let mut moving = at(last);
        moving.handle(event);
        assert_eq!(rest(moving), [expected, &WHOLE[..]].concat(), "{last:?} came to {event:?}");
    }

    fn check_end(last: Step, event: Event, expected: &[Step]) {
        let mut moving = at(last);
        moving.handle(event);
        assert_eq!(rest(moving), expected, "{last:?} came to {event:?}");
    }

    #[test]
    fn a_move_goes_from_step_to_step() {
        assert_eq!(rest(LogDirMove::default()), WHOLE);
        let mut far = at(Step::Copy);
        far.handle(FAR);
        assert_eq!(far.step(), Step::Copy);
        far.handle(Event::Copied { left: 7, rest_max: 7, unsynced: UNSYNCED_MAX + 1 });
        assert_eq!(far.step(), Step::Sync);
        assert_eq!(rest(far)[1..], WHOLE[1..]);
    }

    #[test]
    fn the_source_that_is_away_and_the_disk_that_is_full_are_waited_for() {
        for trouble in [Trouble::Source, Trouble::Room] {
            for step in [Step::Look, Step::Copy] {
                check(step, Event::Failed(trouble), &[]);
            }
            check(Step::Hold, Event::Failed(trouble), &[Step::Release]);
            check(Step::Finish, Event::Failed(trouble), &[Step::GoBack, Step::Release]);
        }
        check(Step::Switch, Event::Refused, &[Step::GoBack, Step::Release]);
    }

    #[test]
    fn who_is_held_is_released_whatever_happens() {
        for held in [Step::Finish, Step::Switch, Step::Retire] {
            for event in [Event::Refused, Event::Failed(Trouble::Disk), Event::Failed(Trouble::Foreign)] {
                let mut moving = at(held);
                moving.handle(event);
                if moving.step() != held {
                    assert!(rest(moving).contains(&Step::Release), "{held:?} came to {event:?}");
                }
            }
        }
        let lost = Event::Failed(Trouble::Disk);
        let end = Step::End(End::Lost);
        check_end(Step::Copy, lost, &[end]);
        check_end(Step::Finish, lost, &[Step::GoBack, Step::Release, end]);
        check_end(Step::Switch, lost, &[Step::Release, end]);
        // The old log's disk, which the replica does not need any more.
        check_end(Step::Retire, lost, &[Step::Release, Step::End(End::Moved)]);
        let mut back = at(Step::Switch);
        back.handle(Event::Refused);
        back.handle(lost);
        assert_eq!(rest(back), [Step::Release, end]);
    }

    #[test]
    fn records_that_do_not_fit_are_tried_again_before_the_move_rests() {
        let mut moving = at(Step::Copy);
        for _ in 1..STRIKES_MAX {
            moving.handle(Event::Failed(Trouble::Records));
            assert_eq!(moving.step(), Step::Copy);
        }
        moving.handle(FAR);
        for _ in 0..STRIKES_MAX {
            moving.handle(Event::Failed(Trouble::Records));
        }
        assert_eq!(moving.step(), Step::Rest);
        moving.handle(Event::GiveUp);
        assert_eq!(rest(moving), [Step::Remove, Step::End(End::GivenUp)]);
        check_end(Step::Look, Event::Failed(Trouble::Foreign), &[Step::Rest]);
    }

    #[test]
    fn a_move_is_given_up_until_the_copy_gets_its_name() {
        for step in [Step::Look, Step::Copy, Step::Hold] {
            let mut moving = at(step);
            moving.handle(Event::GiveUp);
            assert!(moving.may_rest());
            assert_eq!(rest(moving), [Step::Remove, Step::End(End::GivenUp)]);
        }
        // The step was begun before.
        for (begun, outcome, expected) in [
            (Step::Copy, ALL_COPIED, &[][..]),
            (Step::Hold, Event::Done, &[Step::Release]),
            (Step::Look, Event::Failed(Trouble::Source), &[]),
        ] {
            let mut moving = at(begun);
            moving.handle(Event::GiveUp);
            moving.handle(outcome);
            let removed = [Step::Remove, Step::End(End::GivenUp)];
            assert_eq!(rest(moving), [expected, &removed].concat(), "{begun:?}");
        }
        for (at_step, so_far) in [(Step::Finish, 3), (Step::Switch, 4), (Step::Retire, 5)] {
            let mut moving = at(at_step);
            moving.handle(Event::GiveUp);
            assert!(!moving.may_rest());
            assert_eq!(rest(moving), WHOLE[so_far..]);
        }
        let mut failed = at(Step::Finish);
        failed.handle(Event::GiveUp);
        failed.handle(Event::Failed(Trouble::Room));
        assert_eq!(rest(failed), [Step::GoBack, Step::Release, Step::Remove, Step::End(End::GivenUp)]);
        let mut lost = at(Step::Copy);
        lost.handle(Event::GiveUp);
        lost.handle(Event::Failed(Trouble::Disk));
        assert_eq!(lost.step(), Step::End(End::Lost));
    }
}
