//! The model of ZooKeeper, on which other suites rely, answers as the real one does.
//! How: the same operations, drawn from a seed over a handful of paths, are given to both, and every answer is compared.
use crate::client::connect;
use std::time::Duration;
use tests::zookeeper::Zookeeper;
use zookeeper::events::SessionId;
use zookeeper::store::{
    Answer, CreateMode, Expected, MetadataStore, Operation, Stat, StoreError, Watch, Write, WriteAnswer,
};
use zookeeper::tree::ModelZooKeeper;

const OPERATIONS: usize = 600;
const PATHS: [&str; 6] = ["/m/a", "/m/a/b", "/m/a/b/c", "/m/d", "/m/d/e", "/m/f"];

/// A small generator: the draws need only be varied and the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    fn path(&mut self) -> String {
        PATHS[self.below(PATHS.len())].to_owned()
    }

    fn expected(&mut self) -> Expected {
        match self.below(3) {
            0 => Expected::Any,
            version => Expected::Version(version as i32 - 1),
        }
    }

    fn write(&mut self) -> Write {
        let path = self.path();
        match self.below(9) {
            0..4 => {
                let modes = [CreateMode::Persistent, CreateMode::PersistentSequential, CreateMode::Ephemeral];
                Write::Create { path, data: Some("data".into()), mode: modes[self.below(3)] }
            }
            4..6 => Write::Set { path, data: "longer data".into(), expected: self.expected() },
            _ => Write::Delete { path, expected: self.expected() },
        }
    }

    fn operation(&mut self) -> Operation {
        match self.below(10) {
            0 => Operation::Get { path: self.path(), watch: Watch::None },
            1 => Operation::Exists { path: self.path(), watch: Watch::None },
            2 => Operation::Children { path: self.path(), watch: Watch::None },
            3..5 => {
                let check = Write::Check { path: self.path(), version: self.below(2) as i32 };
                Operation::Multi(vec![self.write(), check, self.write()])
            }
            _ => Operation::Write(self.write()),
        }
    }
}

/// What both must agree on: all but the numbers that a server gives at will.
fn comparable(stat: &Stat) -> (i32, i32, i32, i32, bool, bool, bool) {
    let Stat { version, cversion, data_length, children, .. } = *stat;
    let owned = stat.ephemeral_owner != SessionId(0);
    (version, cversion, data_length, children, owned, stat.czxid == stat.mzxid, stat.czxid == stat.pzxid)
}

fn written(answer: &WriteAnswer) -> String {
    match answer {
        WriteAnswer::Set { stat } => format!("{:?}", comparable(stat)),
        WriteAnswer::Checked | WriteAnswer::Created { .. } | WriteAnswer::Deleted => format!("{answer:?}"),
    }
}

fn told(result: Result<Answer, StoreError>) -> String {
    match result {
        Ok(Answer::Node(node)) => format!("{:?} {:?}", node.data, comparable(&node.stat)),
        Ok(Answer::Stat(stat)) => format!("{:?}", stat.as_ref().map(comparable)),
        Ok(Answer::Children { mut names, stat }) => {
            names.sort();
            format!("{names:?} {:?}", comparable(&stat))
        }
        Ok(Answer::Written(answer)) => written(&answer),
        Ok(Answer::Multi(answers)) => answers.iter().map(written).collect(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_model_answers_as_the_real_one() {
    let server = Zookeeper::start().unwrap();
    let (session, _events) = connect(&server.address(), Duration::from_secs(10)).await;
    let (model, _model_events) = ModelZooKeeper::default().connect();
    let stores: [&dyn MetadataStore; 2] = [&session, &model];
    for store in stores {
        store.create("/m", Some("".into()), CreateMode::Persistent).await.unwrap();
    }
    let mut draw = Draw(20);
    let mut agreed = 0;
    for number in 0..OPERATIONS {
        let operation = draw.operation();
        let real = session.submit(operation.clone()).await;
        agreed += usize::from(real.is_ok());
        let modelled = model.submit(operation.clone()).await;
        assert_eq!(told(real), told(modelled), "operation {number}: {operation:?}");
    }
    // Refusals alone would show little.
    assert!(agreed > OPERATIONS / 4, "{agreed}");
}
