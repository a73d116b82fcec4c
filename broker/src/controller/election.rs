//! The election: one multi that creates `/controller` and raises `/controller_epoch`, so that of several only one wins.
//!
//! Whoever stands leaves a watch on `/controller`, whatever comes of it. A reply that was lost is looked up: the node's session tells
//! whether it is one's own. Source: KafkaController.elect, KafkaZkClient.registerControllerAndIncrementControllerEpoch (3.9).

use bytes::Bytes;
use protocol::ids::{BrokerId, ControllerEpoch, Millis};
use zookeeper::paths;
use zookeeper::store::{
    CreateMode, Expected, MetadataStore, Refusal, Stat, StoreError, Watch, Write, WriteAnswer,
};
use zookeeper::znodes::{Controller, ZnodeError, decode_controller_epoch, encode_controller_epoch};

/// The seat, won by the session that holds `/controller`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) epoch: ControllerEpoch,
    /// Of `/controller_epoch` since then. Any other means that somebody else has been elected.
    pub(super) epoch_version: i32,
}

/// Who holds the seat after an election, or after a look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Won(Seat),
    /// It was held already, by this session.
    Kept,
    Lost,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ElectionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}; no broker can be elected controller until it holds a number")]
    Epoch(#[from] ZnodeError),
}

pub(super) struct Candidate<'a> {
    pub(super) store: &'a dyn MetadataStore,
    pub(super) broker: BrokerId,
    pub(super) now: Millis,
}

impl Candidate<'_> {
    /// `held` is the seat this broker believes to hold. Somebody else's is left alone; an own one that is not `held`, left over from
    /// before, is given up and won anew.
    pub(super) async fn stand(&self, held: Option<Seat>) -> Result<Standing, ElectionError> {
        loop {
            let present = self.store.exists(paths::CONTROLLER, Watch::Leave).await?;
            match present {
                Some(stat) if stat.ephemeral_owner != self.store.session() => return Ok(Standing::Lost),
                Some(_) if held.is_some() => return Ok(Standing::Kept),
                Some(stat) => self.give_up(stat).await?,
                None => {
                    if let Some(seat) = self.run().await? {
                        // The watch left above was for the creation and has fired.
                        self.store.exists(paths::CONTROLLER, Watch::Leave).await?;
                        return Ok(Standing::Won(seat));
                    }
                }
            }
        }
    }

    /// One attempt; none means that the world has changed meanwhile and is to be looked at again.
    async fn run(&self) -> Result<Option<Seat>, ElectionError> {
        let Some((epoch, version)) = self.epoch().await? else { return Ok(None) };
        let next = ControllerEpoch(epoch.0.saturating_add(1));
        let node = Controller { broker: self.broker, timestamp: self.now, kraft_controller_epoch: -1 };
        let writes = vec![
            Write::Create {
                path: paths::CONTROLLER.to_owned(),
                data: Some(node.encode()),
                mode: CreateMode::Ephemeral,
            },
            Write::Set {
                path: paths::CONTROLLER_EPOCH.to_owned(),
                data: encode_controller_epoch(next),
                expected: Expected::Version(version),
            },
        ];
        match self.store.multi(writes).await {
            Ok(answers) => {
                Ok(epoch_stat(&answers).map(|stat| Seat { epoch: next, epoch_version: stat.version }))
            }
            Err(StoreError::OutcomeUnknown { .. }) => self.look_up(next).await,
            Err(error) => match error.refusal() {
                Some(Refusal::NodeExists | Refusal::BadVersion | Refusal::NoNode) => Ok(None),
                Some(
                    Refusal::NotEmpty | Refusal::EphemeralParent | Refusal::NotAllowed | Refusal::InvalidPath,
                )
                | None => Err(error.into()),
            },
        }
    }

    /// The epoch and its version; none when it had to be created.
    async fn epoch(&self) -> Result<Option<(ControllerEpoch, i32)>, ElectionError> {
        match self.store.get(paths::CONTROLLER_EPOCH, Watch::None).await {
            Ok(node) => {
                Ok(Some((decode_controller_epoch(paths::CONTROLLER_EPOCH, &node.data)?, node.stat.version)))
            }
            Err(error) if error.refusal() == Some(Refusal::NoNode) => {
                let zero: Bytes = encode_controller_epoch(ControllerEpoch(0));
                settled(
                    self.store.create(paths::CONTROLLER_EPOCH, Some(zero), CreateMode::Persistent).await,
                )?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a multi whose reply was lost won after all.
    async fn look_up(&self, expected: ControllerEpoch) -> Result<Option<Seat>, ElectionError> {
        let Some(stat) = self.store.exists(paths::CONTROLLER, Watch::Leave).await? else { return Ok(None) };
        if stat.ephemeral_owner != self.store.session() {
            return Ok(None);
        }
        let won = self.epoch().await?.filter(|(epoch, _)| *epoch == expected);
        Ok(won.map(|(epoch, epoch_version)| Seat { epoch, epoch_version }))
    }

    async fn give_up(&self, stat: Stat) -> Result<(), ElectionError> {
        tracing::info!("giving up the controller's seat that an earlier run of the driver has left");
        let expected = Expected::Version(stat.version);
        settled(self.store.delete(paths::CONTROLLER, expected).await.map(|()| String::new()))?;
        Ok(())
    }
}

/// What is refused because of somebody else's write, or not known to be done, is looked at again by the caller.
fn settled(result: Result<String, StoreError>) -> Result<(), StoreError> {
    match result {
        Ok(_) | Err(StoreError::OutcomeUnknown { .. }) => Ok(()),
        Err(error) => match error.refusal() {
            Some(Refusal::NodeExists | Refusal::NoNode | Refusal::BadVersion) => Ok(()),
            Some(
                Refusal::NotEmpty | Refusal::EphemeralParent | Refusal::NotAllowed | Refusal::InvalidPath,
            )
            | None => Err(error),
        },
    }
}

fn epoch_stat(answers: &[WriteAnswer]) -> Option<Stat> {
    answers.iter().find_map(|answer| match answer {
        WriteAnswer::Set { stat } => Some(*stat),
        WriteAnswer::Checked | WriteAnswer::Created { .. } | WriteAnswer::Deleted => None,
    })
}
