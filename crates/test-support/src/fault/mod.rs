//! Faults on purpose: commands that fail ([`FailCommand`]), other fail points ([`set_fail_point`]), a disk that is
//! full ([`SmallDisk`]), a network that cuts connections ([`Proxy`]).

mod fail_command;
mod proxy;
mod small_disk;

pub use fail_command::{FailCommand, clear_fail_point, set_fail_point};
pub use proxy::Proxy;
pub use small_disk::SmallDisk;
