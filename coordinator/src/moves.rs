//! A replica's move from one log directory of a broker to another: what a request comes to, the steps of a move and what follows when
//! one fails, and how fast it may go. Never touches a log; `broker/src/moves` carries the steps out.
//! Invariant: at every moment one directory has all records under the partition's plain name.
//! Source: KIP-113, ReplicaManager.alterReplicaLogDirs, ReplicaAlterLogDirsThread of Kafka 3.9.

mod stages;
mod throttle;

use std::path::Path;

pub use stages::{End, Event, LogDirMove, Step, Trouble};
pub use throttle::Throttle;

/// Where a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replica<'a> {
    /// Not on this broker.
    Absent,
    /// Its log was found at start and is not open yet.
    Opening,
    /// Its log cannot be used.
    Offline,
    In(&'a Path),
}

/// What a request to move a replica is held against.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub replica: Replica<'a>,
    /// The directory that it is being moved to.
    pub future: Option<&'a Path>,
    /// A log directory has failed: what is in it is not known.
    pub any_failed: bool,
}

/// What becomes of such a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is so already.
    Nothing,
    /// The move elsewhere has to be given up before anything else is decided.
    GiveUpFirst,
    Begin,
    /// Refused; but a replica that is made later is made there.
    Remember,
    /// Refused: not known here, or not yet.
    NotHere,
    Offline,
}

/// Whether a replica is to be moved to `asked`, a directory that is in service. Source: ReplicaManager.alterReplicaLogDirs,
/// LogManager.maybeUpdatePreferredLogDir, Partition.maybeCreateFutureReplica (3.9).
pub fn decide(asked: &Path, known: Known<'_>) -> Decision {
    let Known { replica, future, any_failed } = known;
    match replica {
        Replica::Offline => Decision::Offline,
        Replica::Opening => Decision::NotHere,
        Replica::Absent => Decision::Remember,
        Replica::In(_) if future.is_some_and(|future| future != asked) => Decision::GiveUpFirst,
        Replica::In(current) if current == asked || future.is_some() => Decision::Nothing,
        // There may be an unfinished copy in the directory that failed.
        Replica::In(_) if any_failed => Decision::Offline,
        Replica::In(_) => Decision::Begin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_held_against_where_the_replica_is_and_goes() {
        use Decision::*;
        let [a, b, c] = ["/a", "/b", "/c"].map(Path::new);
        let check = |asked, replica, future, any_failed, expected| {
            let known = Known { replica, future, any_failed };
            assert_eq!(decide(asked, known), expected, "{asked:?} of {known:?}");
        };
        for any_failed in [false, true] {
            check(b, Replica::Offline, None, any_failed, Offline);
            check(b, Replica::Opening, None, any_failed, NotHere);
            check(b, Replica::Absent, None, any_failed, Remember);
            check(a, Replica::In(a), None, any_failed, Nothing);
            check(b, Replica::In(a), Some(b), any_failed, Nothing);
            check(a, Replica::In(a), Some(b), any_failed, GiveUpFirst);
            check(c, Replica::In(a), Some(b), any_failed, GiveUpFirst);
        }
        check(b, Replica::In(a), None, false, Begin);
        check(b, Replica::In(a), None, true, Offline);
    }
}
