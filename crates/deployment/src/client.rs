//! Driver clients: one that knows the topology, and one that is pinned to a member.

use crate::error::{Error, Result, While};
use crate::uri::ConnectionString;
use mongodb::Client;
use mongodb::options::{ClientOptions, SelectionCriteria, ServerAddress};
use std::time::Duration;

/// How long to look for a server where the connection string does not say.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Parses a connection string and fills in what mongoark wants everywhere.
pub(crate) async fn options(uri: &ConnectionString) -> Result<ClientOptions> {
    let mut options = ClientOptions::parse(uri.expose())
        .await
        .while_doing(|| format!("use the connection string {uri}"))
        .map_err(|error| error.redacted(uri))?;
    options.app_name.get_or_insert_with(|| "mongoark".to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION_TIMEOUT);
    // A run holds as many connections as it has cursors or workers; the driver's own limit of 10
    // would make the eleventh wait.
    options.max_pool_size.get_or_insert(128);
    Ok(options)
}

pub(crate) fn connect(options: ClientOptions, uri: &ConnectionString) -> Result<Client> {
    Client::with_options(options)
        .while_doing(|| format!("connect to {uri}"))
        .map_err(|error| error.redacted(uri))
}

/// A client that speaks to one member alone, whatever its state.
pub(crate) fn direct(options: &ClientOptions, address: &str, uri: &ConnectionString) -> Result<Client> {
    let address = ServerAddress::parse(address)
        .map_err(|error| Error::driver(format!("use the member's address {address}"), error))?;
    let mut options = options.clone();
    options.hosts = vec![address];
    options.direct_connection = Some(true);
    options.repl_set_name = None;
    options.selection_criteria = Some(any_member());
    connect(options, uri)
}

/// Read preference `nearest`: whoever answers.
pub(crate) fn any_member() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(mongodb::options::ReadPreference::Nearest { options: None })
}
