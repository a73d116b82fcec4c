//! Operations as zookeeper-client takes them, and its answers and errors in our words.
//!
//! Owns the translation and nothing else. Called by `attachment`. Invariant: only errors that mean a lost connection become
//! `Lost`, so that nothing is asked again for ever.

use std::sync::Arc;

use bytes::Bytes;
use zookeeper_client as zk;
use zookeeper_client::{Acls, Client, Error, MultiWriteError, MultiWriteResult, OneshotWatcher};

use super::attachment::Failure;
use crate::events::SessionId;
use crate::store::{
    Answer, CreateMode, Expected, Node, Operation, Refusal, Stat, StoreError, Watch, Write, WriteAnswer,
};

#[derive(Debug)]
pub(super) struct Done {
    pub(super) result: Result<Answer, Failure>,
    pub(super) watcher: Option<OneshotWatcher>,
}

/// Hands the operation to the library at the first poll.
pub(super) async fn perform(client: Arc<Client>, operation: Operation) -> Done {
    let done = match &operation {
        Operation::Get { path, watch } => get(&client, path, *watch).await,
        Operation::Exists { path, watch } => exists(&client, path, *watch).await,
        Operation::Children { path, watch } => children(&client, path, *watch).await,
        Operation::Write(write) => {
            perform_write(&client, write).await.map(|answer| (Answer::Written(answer), None))
        }
        Operation::Multi(writes) => {
            return Done { result: multi(&client, writes).await, watcher: None };
        }
    };
    match done {
        Ok((answer, watcher)) => Done { result: Ok(answer), watcher },
        Err(error) => Done { result: Err(failure(error, operation.path(), 0)), watcher: None },
    }
}

/// Whether the server still answers. A library whose task has died answers as well, with an error.
pub(super) async fn probe(client: Arc<Client>) -> bool {
    client.check_stat("/").await.is_ok()
}

type Watched = (Answer, Option<OneshotWatcher>);

async fn get(client: &Client, path: &str, watch: Watch) -> Result<Watched, Error> {
    let (data, found, watcher) = match watch {
        Watch::Leave => {
            let (data, found, watcher) = client.get_and_watch_data(path).await?;
            (data, found, Some(watcher))
        }
        Watch::None => {
            let (data, found) = client.get_data(path).await?;
            (data, found, None)
        }
    };
    Ok((Answer::Node(Node { data: Bytes::from(data), stat: stat(&found) }), watcher))
}

async fn exists(client: &Client, path: &str, watch: Watch) -> Result<Watched, Error> {
    let (found, watcher) = match watch {
        Watch::Leave => {
            let (found, watcher) = client.check_and_watch_stat(path).await?;
            (found, Some(watcher))
        }
        Watch::None => (client.check_stat(path).await?, None),
    };
    Ok((Answer::Stat(found.as_ref().map(stat)), watcher))
}

async fn children(client: &Client, path: &str, watch: Watch) -> Result<Watched, Error> {
    let (names, found, watcher) = match watch {
        Watch::Leave => {
            let (names, found, watcher) = client.get_and_watch_children(path).await?;
            (names, found, Some(watcher))
        }
        Watch::None => {
            let (names, found) = client.get_children(path).await?;
            (names, found, None)
        }
    };
    Ok((Answer::Children { names, stat: stat(&found) }, watcher))
}

async fn perform_write(client: &Client, write: &Write) -> Result<WriteAnswer, Error> {
    match write {
        Write::Check { path, version } => {
            let mut writer = client.new_multi_writer();
            writer.add_check_version(path, *version)?;
            writer.commit().await?;
            Ok(WriteAnswer::Checked)
        }
        Write::Create { path, data, mode } => {
            let options = library_mode(*mode).with_acls(Acls::anyone_all());
            let (_, number) = client.create(path, data.as_deref().unwrap_or_default(), &options).await?;
            let path = match mode {
                CreateMode::PersistentSequential => format!("{path}{number}"),
                CreateMode::Persistent | CreateMode::Ephemeral => path.clone(),
            };
            Ok(WriteAnswer::Created { path })
        }
        Write::Set { path, data, expected } => {
            let found = client.set_data(path, data, version(*expected)).await?;
            Ok(WriteAnswer::Set { stat: stat(&found) })
        }
        Write::Delete { path, expected } => {
            client.delete(path, version(*expected)).await?;
            Ok(WriteAnswer::Deleted)
        }
    }
}

async fn multi(client: &Client, writes: &[Write]) -> Result<Answer, Failure> {
    let mut writer = client.new_multi_writer();
    for (at, write) in writes.iter().enumerate() {
        let added = match write {
            Write::Check { path, version } => writer.add_check_version(path, *version),
            Write::Create { path, data, mode } => {
                let options = library_mode(*mode).with_acls(Acls::anyone_all());
                writer.add_create(path, data.as_deref().unwrap_or_default(), &options)
            }
            Write::Set { path, data, expected } => writer.add_set_data(path, data, version(*expected)),
            Write::Delete { path, expected } => writer.add_delete(path, version(*expected)),
        };
        added.map_err(|error| failure(error, write.path(), at))?;
    }
    let path = |at: usize| writes.get(at).map_or("/", Write::path);
    let results = writer.commit().await.map_err(|error| match error {
        MultiWriteError::RequestFailed { source } => failure(source, path(0), 0),
        MultiWriteError::OperationFailed { index, source } => failure(source, path(index), index),
    })?;
    results
        .into_iter()
        .map(|result| write_answer(result, path(0)))
        .collect::<Result<_, _>>()
        .map(Answer::Multi)
}

fn write_answer(result: MultiWriteResult, path: &str) -> Result<WriteAnswer, Failure> {
    match result {
        MultiWriteResult::Check => Ok(WriteAnswer::Checked),
        MultiWriteResult::Delete => Ok(WriteAnswer::Deleted),
        MultiWriteResult::Create { path, .. } => Ok(WriteAnswer::Created { path }),
        MultiWriteResult::SetData { stat: found } => Ok(WriteAnswer::Set { stat: stat(&found) }),
        other => {
            Err(Failure::Final(StoreError::Unexpected { path: path.to_owned(), what: format!("{other:?}") }))
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors are not exhaustive")]
fn failure(error: Error, path: &str, at: usize) -> Failure {
    let refusal = match error {
        Error::NoNode => Refusal::NoNode,
        Error::NodeExists => Refusal::NodeExists,
        Error::BadVersion => Refusal::BadVersion,
        Error::NotEmpty => Refusal::NotEmpty,
        Error::NoChildrenForEphemerals => Refusal::EphemeralParent,
        Error::NoAuth | Error::InvalidAcl => Refusal::NotAllowed,
        Error::BadArguments(_) => Refusal::InvalidPath,
        // I/O errors come as `Custom`. The session's own fate is asked of the server when it is attached again.
        Error::ConnectionLoss
        | Error::Custom(_)
        | Error::Timeout
        | Error::SessionExpired
        | Error::SessionMoved
        | Error::ClientClosed => return Failure::Lost,
        other => {
            return Failure::Final(StoreError::Unexpected { path: path.to_owned(), what: other.to_string() });
        }
    };
    Failure::Final(StoreError::Refused { path: path.to_owned(), refusal, at })
}

fn version(expected: Expected) -> Option<i32> {
    match expected {
        Expected::Any => None,
        Expected::Version(version) => Some(version),
    }
}

fn library_mode(mode: CreateMode) -> zk::CreateMode {
    match mode {
        CreateMode::Persistent => zk::CreateMode::Persistent,
        CreateMode::PersistentSequential => zk::CreateMode::PersistentSequential,
        CreateMode::Ephemeral => zk::CreateMode::Ephemeral,
    }
}

fn stat(found: &zk::Stat) -> Stat {
    Stat {
        czxid: found.czxid,
        mzxid: found.mzxid,
        pzxid: found.pzxid,
        ctime: found.ctime,
        mtime: found.mtime,
        version: found.version,
        cversion: found.cversion,
        aversion: found.aversion,
        ephemeral_owner: SessionId(found.ephemeral_owner),
        data_length: found.data_length,
        children: found.num_children,
    }
}
