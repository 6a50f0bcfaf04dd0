//! Writers that change a deployment without a pause, and a model that knows what it held at any time.
//!
//! [`Writers::start`] prepares databases and lets every kind of writer loose; [`Writers::stop`] gives back the
//! [`Model`]. [`Model::state_at`] is the state after every change up to a time, [`differences`] compares it with what
//! [`observe`] reads from a restored deployment, byte for byte.
//!
//! No two writers share a database, so what one of them reads after its own write is what that write made of the data.
//! Each step is noted with the two times between which it happened. Afterwards the oplog tells when
//! exactly: several documents of one insert, or the collections that dropDatabase drops, have times of their own, and the
//! answer to a write that was repeated after an election tells a later time than that of the write. Nothing else
//! is taken from the oplog: what it says of the contents is what a restore has to get right.
//!
//! Everything random follows from one seed; when a step happens does not.

mod change;
mod checks;
mod members;
mod model;
mod observe;
mod oplog;
mod pen;
mod session;
mod state;
mod writer;
mod writers;

pub use change::Change;
pub use checks::{broken_invariants, differences};
pub use members::differences_between_members;
pub use model::Model;
pub use observe::{observe, snapshot_differences};
pub use state::{Namespace, State};
pub use writer::{Load, Writers};
