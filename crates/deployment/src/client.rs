//! Which member a command of a driver client goes to.

use mongodb::options::{ReadPreference, SelectionCriteria};

/// Read preference `nearest`: whoever answers.
pub(crate) fn any_member() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Nearest { options: None })
}
