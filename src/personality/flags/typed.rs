//! What was typed, before it is decided what it means. Texts that were not given are empty, as for
//! the tools.

/// Everything that any of the tools takes; a tool's table says which of it can be given.
///
/// Not `Debug`: it holds passwords.
#[derive(Clone, Default)]
pub struct Typed {
    pub general: GeneralArgs,
    pub connection: ConnectionArgs,
    pub tls: TlsArgs,
    pub auth: AuthArgs,
    pub namespace: NamespaceArgs,
    pub dump: DumpArgs,
    pub restore: RestoreArgs,
    pub bson: BsonArgs,
}

/// Help, verbosity and what concerns the program itself.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct GeneralArgs {
    pub help: bool,
    pub version: bool,
    pub config: String,
    pub threads: Option<i64>,
    pub trace: bool,
    pub verbosity: i64,
    pub quiet: bool,
}

/// The server.
#[derive(Clone, Default)]
pub struct ConnectionArgs {
    pub uri: String,
    pub host: String,
    pub port: String,
    /// Seconds.
    pub dial_timeout: Option<i64>,
    /// Seconds; 0 for none.
    pub socket_timeout: Option<i64>,
    /// Seconds.
    pub keep_alive: Option<i64>,
    /// Seconds; 0 for the driver's own.
    pub server_selection_timeout: Option<i64>,
    pub compressors: String,
}

/// TLS.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct TlsArgs {
    pub ssl: bool,
    pub ca_file: String,
    pub key_file: String,
    pub key_password: String,
    pub crl_file: String,
    pub allow_invalid_certificates: bool,
    pub allow_invalid_hostnames: bool,
    pub fips: bool,
    pub insecure: bool,
}

/// Who connects.
#[derive(Clone, Default)]
pub struct AuthArgs {
    pub username: String,
    pub password: String,
    pub source: String,
    pub mechanism: String,
    pub aws_session_token: String,
    pub gssapi_service: String,
    pub gssapi_host: String,
}

/// What is dumped or restored.
#[derive(Clone, Default)]
pub struct NamespaceArgs {
    pub db: String,
    pub collection: String,
}

/// Flags of `mongodump` alone.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct DumpArgs {
    pub query: String,
    pub query_file: String,
    pub read_preference: String,
    pub table_scan: bool,
    pub writes_done_barrier: String,
    pub out: String,
    pub gzip: bool,
    pub oplog: bool,
    pub archive: String,
    pub users_and_roles: bool,
    pub exclude_collection: Vec<String>,
    pub exclude_prefix: Vec<String>,
    pub parallel_collections: Option<i64>,
    pub views_as_collections: bool,
}

/// Flags of `mongorestore` alone.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RestoreArgs {
    pub exclude_collection: Vec<String>,
    pub exclude_prefix: Vec<String>,
    pub ns_exclude: Vec<String>,
    pub ns_include: Vec<String>,
    pub ns_from: Vec<String>,
    pub ns_to: Vec<String>,
    pub objcheck: bool,
    pub oplog_replay: bool,
    pub oplog_limit: String,
    pub oplog_file: String,
    pub archive: String,
    pub users_and_roles: bool,
    pub dir: String,
    pub gzip: bool,
    pub drop: bool,
    pub dry_run: bool,
    pub write_concern: String,
    pub no_index_restore: bool,
    pub convert_legacy_indexes: bool,
    pub no_options_restore: bool,
    pub keep_index_version: bool,
    pub maintain_insertion_order: bool,
    pub parallel_collections: Option<i64>,
    pub insertion_workers: Option<i64>,
    pub stop_on_error: bool,
    pub bypass_document_validation: bool,
    pub preserve_uuid: bool,
    pub temp_users: String,
    pub temp_roles: String,
    pub batch_size: Option<i64>,
    pub fix_dotted_hash_index: bool,
}

/// Flags of `bsondump` alone.
#[derive(Clone, Default)]
pub struct BsonArgs {
    pub kind: String,
    pub objcheck: bool,
    pub pretty: bool,
    pub bson_file: String,
    pub out_file: String,
}
