//! Nouns of a deployment and of a dump, shared by every crate above: namespaces, collection
//! metadata, counts, oplog timestamps. No I/O and no logic beyond reading and writing a name.

mod collection;
mod counts;
mod deployment;
mod namespace;
mod timestamp;

pub use collection::{CollectionKind, CollectionMetadata};
pub use counts::Counts;
pub use deployment::{DeploymentInfo, MemberChoice, TopologyKind};
pub use namespace::{InvalidNamespace, Namespace};
pub use timestamp::Timestamp;
