//! Who may do what: every API asks here for each pair of operation and resource that Kafka asks for.
//!
//! Everything is allowed: authorizer.class.name other than none refuses to start. In tests what was asked is recorded, which holds
//! the pairs fast. Source: Kafka's AuthHelper, AclOperation, ResourceType and AclEntry (3.9).

use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::api::context::Context;

/// The name under which Kafka knows the one cluster.
const CLUSTER: &str = "kafka-cluster";

#[derive(Debug, Default)]
pub(crate) enum Authorizer {
    #[default]
    AllowAll,
    /// Allows all as well, and keeps what it was asked.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests of each API look at the pairs it asks for"))]
    Recorded(record::Record),
}

/// Who a connection speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    /// "User" unless a principal builder says otherwise.
    pub(crate) kind: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// What may be done, with Kafka's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

/// What it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ResourceType {
    Topic,
    Cluster,
    TransactionalId,
}

/// One resource by its literal name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource<'a> {
    pub(crate) kind: ResourceType,
    pub(crate) name: &'a str,
}

impl Authorizer {
    /// Whether the principal of `context` may do `operation` to `resource`.
    pub(crate) fn allows(&self, context: &Context, operation: Operation, resource: &Resource<'_>) -> bool {
        self.record(context, operation, resource.kind, Some(resource.name));
        true
    }

    /// Whether the principal of `context` may do `operation` to at least one topic, whichever it is.
    pub(crate) fn allows_any_topic(&self, context: &Context, operation: Operation) -> bool {
        self.record(context, operation, ResourceType::Topic, None);
        true
    }

    /// The operations on `resource` that the principal of `context` may do, as the bit set of their codes that responses carry.
    pub(crate) fn operations(&self, context: &Context, resource: &Resource<'_>) -> i32 {
        let allowed = resource.kind.operations().iter().filter(|op| self.allows(context, **op, resource));
        allowed.fold(0, |set, operation| set | 1 << operation.code())
    }

    fn record(&self, context: &Context, operation: Operation, resource: ResourceType, name: Option<&str>) {
        match self {
            Authorizer::AllowAll => {
                tracing::trace!(principal = %context.principal, host = %context.client_host, ?operation, ?resource, name, "allowed");
            }
            Authorizer::Recorded(record) => record.add(context, (operation, resource, name)),
        }
    }
}

impl Principal {
    /// Who has not authenticated, as on every plaintext listener.
    pub(crate) fn anonymous() -> Principal {
        static ANONYMOUS: LazyLock<Principal> =
            LazyLock::new(|| Principal { kind: Arc::from("User"), name: Arc::from("ANONYMOUS") });
        ANONYMOUS.clone()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

impl Operation {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl ResourceType {
    /// Every operation that Kafka knows for resources of this type.
    fn operations(self) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs, IdempotentWrite,
            Read, Write,
        };
        match self {
            ResourceType::Topic => {
                &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs]
            }
            ResourceType::Cluster => {
                &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe]
            }
            ResourceType::TransactionalId => &[Describe, Write],
        }
    }
}

impl<'a> Resource<'a> {
    pub(crate) fn topic(name: &'a str) -> Resource<'a> {
        Resource { kind: ResourceType::Topic, name }
    }

    pub(crate) fn transactional_id(name: &'a str) -> Resource<'a> {
        Resource { kind: ResourceType::TransactionalId, name }
    }

    pub(crate) fn cluster() -> Resource<'static> {
        Resource { kind: ResourceType::Cluster, name: CLUSTER }
    }
}

pub(crate) mod record {
    //! What a recording authorizer was asked.

    use std::net::IpAddr;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::{Operation, Principal, ResourceType};
    use crate::api::context::Context;

    /// The questions in their order.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Record(Arc<Mutex<Vec<Asked>>>);

    /// One question to the authorizer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Asked {
        pub(crate) principal: Principal,
        pub(crate) client_host: IpAddr,
        pub(crate) operation: Operation,
        pub(crate) resource: ResourceType,
        /// None for "any of this type".
        pub(crate) name: Option<String>,
    }

    impl Record {
        pub(super) fn add(
            &self,
            context: &Context,
            (operation, resource, name): (Operation, ResourceType, Option<&str>),
        ) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Asked {
                principal: context.principal.clone(),
                client_host: context.client_host,
                operation,
                resource,
                name: name.map(str::to_owned),
            });
        }

        /// What was asked since the last call.
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "the tests of each API look at the pairs it asks for")
        )]
        pub(crate) fn take(&self) -> Vec<Asked> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::record::Record;
    use super::*;

    fn context() -> Context {
        Context::new(Arc::from("PLAINTEXT"), IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    #[test]
    fn what_is_asked_is_allowed_and_recorded() {
        let record = Record::default();
        let authorizer = Authorizer::Recorded(record.clone());
        assert!(authorizer.allows(&context(), Operation::Write, &Resource::topic("orders")));
        assert!(authorizer.allows(&context(), Operation::IdempotentWrite, &Resource::cluster()));
        assert!(authorizer.allows_any_topic(&context(), Operation::Write));
        let asked = record.take();
        let names: Vec<_> = asked.iter().map(|a| (a.operation, a.resource, a.name.as_deref())).collect();
        assert_eq!(
            names,
            [
                (Operation::Write, ResourceType::Topic, Some("orders")),
                (Operation::IdempotentWrite, ResourceType::Cluster, Some("kafka-cluster")),
                (Operation::Write, ResourceType::Topic, None),
            ]
        );
        assert_eq!(asked[0].principal.to_string(), "User:ANONYMOUS");
        assert_eq!(record.take(), []);
    }

    #[test]
    fn sets_of_operations_are_those_kafka_answers() {
        let set = |resource| Authorizer::AllowAll.operations(&context(), &resource);
        assert_eq!(set(Resource::topic("t")), 0b1101_1111_1000);
        assert_eq!(set(Resource::cluster()), 0b1_1111_1010_0000);
        assert_eq!(set(Resource::transactional_id("x")), 0b1_0001_0000);
    }

    #[test]
    fn codes_are_kafkas() {
        assert_eq!(Operation::IdempotentWrite.code(), 12);
    }
}
