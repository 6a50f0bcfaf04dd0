//! The command lines of mongodump, mongorestore and bsondump: what they take, what they refuse, and with which words.
//! Run with `MONGOARK_TEST_TOOLS=DIR` the same table holds for the real tools in that folder.
#![cfg(unix)]

mod support;

use mongoark_test_support::shared;
use std::fs;
use support::Run;
use support::tools::Tools;

/// What is typed behind the name of a tool, words between blanks.
struct Line(&'static str, &'static str);

/// Runs a tool with words between blanks.
fn run(tools: &Tools, tool: &str, line: &str) -> Run {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    tools.run(tool, &words)
}

/// The messages of a log, without their times.
fn messages(run: &Run) -> Vec<String> {
    run.stderr.lines().map(|line| line.split_once('\t').map_or(line, |(_, text)| text).to_owned()).collect()
}

/// Every flag that a tool has, hidden ones too, with the forms that a value can have.
const ACCEPTED: [Line; 58] = [
    Line("mongodump", "--help"),
    Line("mongorestore", "--help"),
    Line("bsondump", "--help"),
    Line("mongodump", "-v -vvvvv --verbose --verbose=3 -v=2 -v2 -vv=4 --quiet"),
    Line("mongodump", "--config=ok.yaml"),
    Line("mongodump", "--config ok.yaml --uri mongodb://other"),
    Line("mongodump", "--numThreads=2 --trace"),
    Line("mongodump", "-h h"),
    Line("mongodump", "-hh"),
    Line("mongodump", "-h=h --port=1"),
    Line("mongodump", "--host set/h1,h2:1 --port 1"),
    Line("mongodump", "--dialTimeout=1 --socketTimeout 1 --TCPKeepAliveSeconds=1 --serverSelectionTimeout=1"),
    Line("mongodump", "--compressors=snappy,zlib"),
    Line("mongodump", "--compressors none --uri mongodb://h/?compressors=zlib"),
    Line("mongodump", "--ssl --sslCAFile=a --sslCRLFile=b --sslFIPSMode"),
    Line("mongodump", "--sslPEMKeyFile=key.pem --sslPEMKeyPassword=d"),
    Line("mongodump", "--tlsInsecure --sslAllowInvalidCertificates --sslAllowInvalidHostnames"),
    Line("mongodump", "-u x -p y --authenticationDatabase=z --authenticationMechanism=SCRAM-SHA-1"),
    Line("mongodump", "--username=x --password=y --authenticationMechanism MONGODB-AWS --awsSessionToken=t"),
    Line("mongodump", "-ux --authenticationMechanism=GSSAPI --gssapiServiceName=s --gssapiHostName=n"),
    Line("mongodump", "-u x --authenticationMechanism=MONGODB-X509"),
    Line("mongodump", "-u x"),
    Line("mongodump", "-dx -cy"),
    Line("mongodump", "--db x --collection=y"),
    Line("mongodump", "--db=\"quoted\\x20name\""),
    Line("mongodump", "--uri mongodb://h/x --db x"),
    Line("mongodump", "--uri=mongodb://a:b@h:1,i:2/x?replicaSet=s --host s/i:2,h:1 -u a -p b"),
    Line("mongodump", "mongodb://h/?connectTimeoutMS=1&w=2&foo=bar"),
    Line("mongodump", "--uri mongodb://h --port 3"),
    Line("mongodump", "-q {} --query={} --queryFile=f"),
    Line("mongodump", "--readPreference nearest --forceTableScan --internalOnlySourceWritesDoneBarrier=f"),
    Line("mongodump", "-o x --out=y --gzip --oplog"),
    Line("mongodump", "--archive"),
    Line("mongodump", "--archive mongodb://h"),
    Line("mongodump", "--archive=x --dumpDbUsersAndRoles"),
    Line("mongodump", "--excludeCollection=a --excludeCollection b --excludeCollectionsWithPrefix c"),
    Line("mongodump", "-j 3 -j=4 -j5 -j -6 --numParallelCollections=0x10"),
    Line("mongodump", "--viewsAsCollections"),
    Line("mongorestore", "folder"),
    Line("mongorestore", "mongodb://h folder"),
    Line("mongorestore", "folder mongodb://h"),
    Line("mongorestore", "-"),
    Line("mongorestore", "--dir -"),
    Line("mongorestore", "--dir=folder -dx -cy"),
    Line("mongorestore", "--excludeCollection=a --excludeCollectionsWithPrefix b"),
    Line("mongorestore", "--nsInclude=a --nsInclude b --nsExclude c --nsFrom=d --nsTo e"),
    Line("mongorestore", "--objcheck --oplogReplay --oplogLimit 1:2 --oplogFile=f"),
    Line("mongorestore", "--archive --gzip --restoreDbUsersAndRoles"),
    Line("mongorestore", "--drop --dryRun --preserveUUID"),
    Line("mongorestore", "--writeConcern={w:3,j:true,wtimeout:5,fsync:true}"),
    Line("mongorestore", "--writeConcern 2"),
    Line("mongorestore", "--noIndexRestore --convertLegacyIndexes --noOptionsRestore --keepIndexVersion"),
    Line("mongorestore", "--maintainInsertionOrder -j 2 --numInsertionWorkersPerCollection=3 --stopOnError"),
    Line("mongorestore", "--bypassDocumentValidation --fixDottedHashIndex"),
    Line("mongorestore", "--tempUsersColl=a --tempRolesColl b --batchSize 7"),
    Line("bsondump", "--type=json --objcheck --pretty --bsonFile=a --outFile b"),
    Line("bsondump", "--type= file"),
    Line("bsondump", "-vv --quiet --config=ok.yaml --type debug -"),
];

#[tokio::test]
async fn every_flag_is_taken() {
    let tools = Tools::link();
    fs::write(tools.path("ok.yaml"), "password: pw\nuri: mongodb://h\nsslPEMKeyPassword: x\n").unwrap();
    fs::write(tools.path("key.pem"), "").unwrap();
    for Line(tool, line) in &ACCEPTED {
        // Flags are read to the end before the version is shown.
        let ended = run(&tools, tool, &format!("{line} --version")).expect(0);
        let shown = if line.contains("--help") { "Usage:\n" } else { "100.18.0\n" };
        assert!(ended.text().contains(shown), "{tool} {line}");
    }
}

#[tokio::test]
async fn the_version_begins_with_the_line_of_the_tool() {
    for tool in ["mongodump", "mongorestore", "bsondump"] {
        let ended = Tools::link().run(tool, &["--version"]).expect(0);
        assert!(ended.text().starts_with(&format!("{tool} version: 100.18.0\n")), "{}", ended.text());
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn the_tools_are_commands_too() {
    for tool in ["mongodump", "mongorestore", "bsondump"] {
        let ended = support::mongoark(&[tool, "--version"]).expect(0);
        assert!(ended.text().starts_with(&format!("{tool} version: 100.18.0\nmongoark version: ")));
        support::mongoark(&["ls", tool]).expect(1);
    }
}

#[tokio::test]
async fn the_help_lists_what_is_not_hidden() {
    for (tool, listed, hidden) in [
        ("mongodump", "-o, --out=", "--dialTimeout"),
        ("mongorestore", "--nsFrom=<namespace-pattern>", "--batchSize"),
        ("bsondump", "--pretty", "--numThreads"),
    ] {
        let help = Tools::link().run(tool, &["--help"]).expect(0).text();
        assert!(help.contains(listed) && !help.contains(hidden), "{help}");
    }
}

/// Command lines that no tool follows, and the line that says so.
const REFUSED: [Line; 72] = [
    Line("mongodump --nope=1", "unknown option `nope`"),
    Line("mongodump -xyz", "unknown option `xyz`"),
    Line("mongodump --failpoints=x", "unknown option `failpoints`"),
    Line("mongodump --gzip=true", "bool flag `--gzip' cannot have an argument"),
    Line("mongodump --db", "expected argument for flag `-d, --db'"),
    Line("mongodump -d --gzip", "expected argument for flag `-d, --db', but got option `--gzip'"),
    Line("mongodump --uri -x", "expected argument for flag `--uri', but got option `-x'"),
    Line(
        "mongodump -j four",
        "invalid argument for flag `-j, --numParallelCollections' (expected int): strconv.ParseInt: parsing \"four\": \
         invalid syntax",
    ),
    Line(
        "mongorestore --batchSize=99999999999999999999",
        "invalid argument for flag `--batchSize' (expected int): strconv.ParseInt: parsing \"99999999999999999999\": \
         value out of range",
    ),
    Line("mongodump --db=\"x", "invalid argument for flag `-d, --db' (expected string): invalid syntax"),
    Line(
        "mongorestore --nsFrom=\"",
        "invalid argument for flag `--nsFrom' (expected []string): invalid syntax",
    ),
    Line("mongodump --dbpath x", "--dbpath and related flags are not supported in 3.0 tools."),
    Line("mongodump extra", PROVIDE_ONE),
    Line("mongodump --help extra", PROVIDE_ONE),
    Line("mongodump --verbose 3", PROVIDE_ONE),
    Line("mongodump --", PROVIDE_ONE),
    Line("mongodump --archive file", PROVIDE_ONE),
    Line(
        "mongorestore a b",
        "error parsing positional arguments: provide only one polling interval in seconds and only one MongoDB \
         connection string. Connection strings must begin with mongodb:// or mongodb+srv:// schemes",
    ),
    Line(
        "mongorestore --dir a b",
        "error parsing positional arguments: cannot use both --dir and a positional argument to set the target \
         directory",
    ),
    Line("mongorestore --writeConcern={w:-1}", "error parsing write concern: invalid 'w' argument: -1"),
    Line("mongorestore --writeConcern=-1", "error parsing write concern: invalid 'w' argument: -1"),
    Line(
        "mongodump mongodb://h mongodb://i",
        "too many URIs found in positional arguments: only one URI can be set as a positional argument",
    ),
    Line(
        "mongodump mongodb://h --uri mongodb://i",
        "illegal argument combination: cannot specify a URI in a positional argument and --uri",
    ),
    Line(
        "mongodump --config ok.yaml mongodb://i",
        "illegal argument combination: cannot specify a URI in a positional argument and --uri",
    ),
    Line("mongodump --uri h:1", "error parsing uri: scheme must be \"mongodb\" or \"mongodb+srv\""),
    Line("mongodump mongodb://", "error parsing uri: must have at least 1 host"),
    Line("mongodump mongodb://h?w=1", "error parsing uri: must have a / before the query ?"),
    Line("mongodump mongodb://a:b:c@h", "error parsing uri: unescaped colon in password"),
    Line("mongodump mongodb://a:b@c@h", "error parsing uri: unescaped @ sign in user info"),
    Line("mongodump mongodb://h/?tls=yes", "error parsing uri: invalid value for \"tls\": \"yes\""),
    Line("mongodump mongodb://h/?w=-1", "error parsing uri: invalid value for \"w\": \"-1\""),
    Line("mongodump mongodb://h/?connect=x", "error parsing uri: invalid 'connect' value: \"x\""),
    Line("mongodump mongodb://h/?authMechanism=MAGIC", "error parsing uri: invalid auth mechanism"),
    Line(
        "mongodump mongodb://h/?srvMaxHosts=1",
        "error parsing uri: cannot specify srvMaxHosts on non-SRV URI",
    ),
    Line(
        "mongodump mongodb://h/?ssl=true&tls=false",
        "error parsing uri: tls and ssl options, when both specified, must be equivalent",
    ),
    Line(
        "mongodump mongodb://h/?w=0&journal=true",
        "connection string failed validation: a write concern cannot have both w=0 and j=true",
    ),
    Line(
        "mongodump mongodb://h,i/?directConnection=true",
        "connection string failed validation: a direct connection cannot be made if multiple hosts are specified",
    ),
    Line(
        "mongodump mongodb://h,i/?loadBalanced=true",
        "loadBalanced cannot be set to true if multiple hosts are specified",
    ),
    Line(
        "mongodump mongodb://h/?loadBalanced=true&directConnection=true",
        "loadBalanced cannot be set to true if the direct connection option is specified",
    ),
    Line("mongodump --uri mongodb://h:1 --port 2", "Invalid Options: Cannot specify different port in"),
    Line("mongodump --uri mongodb://h:1 --host h", "Invalid Options: Cannot specify different host in"),
    Line(
        "mongodump --uri mongodb://h/?replicaSet=a --host b/h",
        "Invalid Options: Cannot specify different replica set name in",
    ),
    Line(
        "mongodump --uri mongodb://h/a --db b",
        "Invalid Options: Cannot specify different database in connection URI and command-line option `a` was \
         specified in the URI and `b` was specified in the --db option",
    ),
    Line(
        "mongodump --uri mongodb://a@h -u c",
        "Invalid Options: Cannot specify different username in connection URI and command-line option `a` was \
         specified in the URI and `c` was specified in the --username option",
    ),
    Line(
        "mongodump --db x --uri mongodb://a:s3cret@h -p hush",
        "Invalid Options: Cannot specify different password in connection URI and command-line option",
    ),
    Line("mongodump --uri mongodb://h/?authSource=a --authenticationDatabase=b", DIFFERENT_SOURCE),
    Line(
        "mongodump --uri mongodb://h/?ssl=false --ssl",
        "Invalid Options: Cannot specify different ssl in connection URI and command-line option `false` was \
         specified in the URI and `true` was specified in the --ssl option",
    ),
    Line(
        "mongodump --uri mongodb://h/?tlsCAFile=a --sslCAFile b",
        "Invalid Options: Cannot specify different sslCAFile",
    ),
    Line(
        "mongodump --uri mongodb://h/?tlsInsecure=false --tlsInsecure",
        "Invalid Options: Cannot specify different sslInsecure or tlsInsecure in",
    ),
    Line(
        "mongodump --uri mongodb://h/?compressors=zlib --compressors=snappy",
        "Invalid Options: Cannot specify different compressors in",
    ),
    Line(
        "mongodump --uri mongodb://h/?connectTimeoutMS=5 --dialTimeout=4",
        "Invalid Options: Cannot specify different connectTimeout in",
    ),
    Line(
        "mongodump --authenticationMechanism PLAIN",
        "connection string failed validation: username required for PLAIN",
    ),
    Line(
        "mongodump --authenticationMechanism=GSSAPI",
        "connection string failed validation: username required for GSSAPI",
    ),
    Line(
        "mongodump --db x --authenticationMechanism MONGODB-X509 -p x",
        "connection string failed validation: password cannot be specified for MONGO-X509",
    ),
    Line(
        "mongodump --db x --authenticationMechanism=MONGODB-AWS -p x",
        "connection string failed validation: password without username is invalid for MONGODB-AWS",
    ),
    Line(
        "mongodump --authenticationMechanism=MAGIC",
        "connection string failed validation: invalid auth mechanism",
    ),
    Line(
        "mongodump mongodb://@h",
        "connection string failed validation: username required if URI contains user info",
    ),
    Line("mongodump --config none", "error opening file with --config: open none: no such file or directory"),
    Line("mongodump --config unknown.yaml", "error parsing config file unknown.yaml: "),
    Line("mongodump --config list.yaml", "error parsing config file list.yaml: "),
    Line("mongodump --config twice.yaml", "error parsing config file twice.yaml: "),
    Line(
        "mongodump --sslPEMKeyFile none",
        "error determining whether client cert needs password: open none: no such file or directory",
    ),
    Line("mongodump --quiet --nope", "unknown option `nope`"),
    Line("bsondump --nope", "unknown option `nope`"),
    Line("bsondump --db x", "unknown option `db`"),
    Line("bsondump --type", "expected argument for flag `--type'"),
    Line("bsondump --config none", "error opening file with --config: open none: no such file or directory"),
    Line("bsondump a b", "too many positional arguments: [a b]"),
    Line("bsondump --bsonFile a b", "cannot specify both a positional argument and --bsonFile"),
    Line("bsondump --type=xml", "unsupported output type "),
    Line("mongorestore --uri mongodb://h/a -d b", "Invalid Options: Cannot specify different database in"),
    Line("mongorestore --dir", "expected argument for flag `--dir'"),
];

const PROVIDE_ONE: &str = "error parsing positional arguments: provide only one MongoDB connection string. Connection \
                           strings must begin with mongodb:// or mongodb+srv:// schemes";
const DIFFERENT_SOURCE: &str = "Invalid Options: Cannot specify different authSource in connection URI and \
                                command-line option `a` was specified in the URI and `b` was specified in the \
                                --authenticationDatabase option";

#[tokio::test]
async fn what_cannot_be_followed_is_refused_in_the_words_of_the_tools() {
    let tools = Tools::link();
    fs::write(tools.path("ok.yaml"), "uri: mongodb://h\n").unwrap();
    fs::write(tools.path("unknown.yaml"), "host: s3cret\n").unwrap();
    fs::write(tools.path("list.yaml"), "- 1\n").unwrap();
    fs::write(tools.path("twice.yaml"), "password: s3cret\npassword: s3cret\n").unwrap();
    let before = tools.files(".");
    for Line(line, message) in &REFUSED {
        let (tool, arguments) = line.split_once(' ').unwrap();
        let ended = run(&tools, tool, arguments).expect(1);
        let said = messages(&ended);
        // What bsondump finds wrong behind its flags has no beginning of this kind.
        let beginning =
            if tool == "bsondump" && !message.contains("option `") && !message.contains(['-', '/']) {
                ""
            } else {
                "error parsing command line options: "
            };
        let first = said.first().map(String::as_str).unwrap_or_default();
        let first = first.strip_prefix(beginning).unwrap_or(first);
        assert!(first.starts_with(message), "{line}\nsays    {first}\nand not {message}");
        assert_eq!(said.last().unwrap(), &format!("try '{tool} --help' for more information"), "{line}");
        assert!(ended.stdout.is_empty(), "{line}");
        assert!(!ended.stderr.contains("s3cret") && !ended.stderr.contains("hush"), "{}", ended.stderr);
    }
    assert_eq!(tools.files("."), before);
}

#[tokio::test]
async fn a_level_that_is_none_has_an_exit_code_of_its_own() {
    for (tool, line) in [("mongodump", "-vx"), ("mongorestore", "--verbose=much"), ("bsondump", "-vv=x")] {
        let ended = run(&Tools::link(), tool, line).expect(255);
        assert_eq!(messages(&ended), ["Invalid verbosity value given"]);
    }
}

#[tokio::test]
async fn secrets_on_the_command_line_are_warned_of() {
    let tools = Tools::link();
    for (line, warning) in [
        ("-u x -p s3cret", "provided directly using --password may be visible"),
        ("mongodb://x:s3cret@h", "provided directly in a connection string or using --uri may be visible"),
        (
            "--uri mongodb://x:s3cret@h",
            "provided directly in a connection string or using --uri may be visible",
        ),
        ("--sslPEMKeyPassword s3cret", "provided directly using --sslPEMKeyPassword may be visible"),
    ] {
        let ended = run(&tools, "mongodump", &format!("{line} --version")).expect(0).says(warning);
        assert!(ended.stderr.contains("\tWARNING: ") && !ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
    let ended = run(&tools, "mongorestore", "mongodb://h/?foo=1 --version").expect(0);
    assert_eq!(messages(&ended), ["WARNING: ignoring unsupported URI parameter `foo`"]);
    let ended = run(&tools, "mongodump", "--sslAllowInvalidHostnames --version").expect(0);
    ended.says("are deprecated, please use --tlsInsecure instead");
}

/// Flags that exclude each other, and the end of the line that says so. The real tools look at them when they are
/// connected.
const EXCLUDED: [Line; 49] = [
    Line("mongodump -o-", "bad option: can only dump a single collection to stdout"),
    Line("mongodump -c c", "bad option: cannot dump a collection without a specified database"),
    Line("mongodump -q {}", "bad option: cannot dump using a query without a specified collection"),
    Line("mongodump -q {} -d x", "bad option: cannot dump using a query without a specified collection"),
    Line(
        "mongodump --queryFile f",
        "bad option: cannot dump using a queryFile without a specified collection",
    ),
    Line(
        "mongodump -d x -c y --queryFile f -q {}",
        "bad option: either query or queryFile can be specified as a query option, not both",
    ),
    Line(
        "mongodump -d x -c y --forceTableScan -q {}",
        "bad option: cannot use --forceTableScan when specifying --query",
    ),
    Line(
        "mongodump --dumpDbUsersAndRoles",
        "bad option: must specify a database when running with dumpDbUsersAndRoles",
    ),
    Line(
        "mongodump --dumpDbUsersAndRoles -d x -c y",
        "bad option: cannot specify a collection when running with dumpDbUsersAndRoles",
    ),
    Line(
        "mongodump -d x -c system.buckets.y",
        "bad option: cannot specify a system.buckets collection in --collection. Specifying the timeseries collection \
         will dump the system.buckets collection",
    ),
    Line("mongodump --oplog -d x", "bad option: --oplog mode only supported on full dumps"),
    Line(
        "mongodump -d x -c y --excludeCollection z",
        "bad option: --collection is not allowed when --excludeCollection is specified",
    ),
    Line(
        "mongodump -d x -c y --excludeCollectionsWithPrefix z",
        "bad option: --collection is not allowed when --excludeCollectionsWithPrefix is specified",
    ),
    Line(
        "mongodump --excludeCollection z",
        "bad option: --db is required when --excludeCollection is specified",
    ),
    Line(
        "mongodump --excludeCollectionsWithPrefix z",
        "bad option: --db is required when --excludeCollectionsWithPrefix is specified",
    ),
    Line("mongodump -o x --archive", "bad option: --out not allowed when --archive is specified"),
    Line("mongodump -o x --archive=y", "bad option: --out not allowed when --archive is specified"),
    Line(
        "mongodump -d x -c y -o- --gzip",
        "bad option: compression can't be used when dumping a single collection to standard output",
    ),
    Line("mongodump -j 0", "bad option: numParallelCollections must be positive"),
    Line("mongodump --numParallelCollections=-4", "bad option: numParallelCollections must be positive"),
    Line("mongodump --readPreference=maybe", "error parsing --readPreference : "),
    Line("mongodump --readPreference={}", "error parsing --readPreference : no 'mode' specified"),
    Line("mongorestore -c x", "cannot restore a collection without a specified database"),
    Line("mongorestore -d a/b", "invalid db name: illegal character '/' found in db name `a/b`"),
    Line("mongorestore -d a.b", "invalid db name: illegal character '.' found in db name `a.b`"),
    Line("mongorestore -d a -c b$c", "invalid collection name: illegal character '$' found in `b$c`"),
    Line(
        "mongorestore --restoreDbUsersAndRoles",
        "cannot use --restoreDbUsersAndRoles without a specified database",
    ),
    Line(
        "mongorestore --restoreDbUsersAndRoles -d admin",
        "cannot use --restoreDbUsersAndRoles with the admin database",
    ),
    Line("mongorestore --oplogLimit 3", "cannot use --oplogLimit without --oplogReplay enabled"),
    Line(
        "mongorestore --oplogReplay --oplogLimit x",
        "error parsing timestamp argument to --oplogLimit: error parsing timestamp seconds: strconv.Atoi: parsing \
         \"x\": invalid syntax",
    ),
    Line(
        "mongorestore --oplogReplay --oplogLimit 1:2:3",
        "error parsing timestamp argument to --oplogLimit: too many : characters",
    ),
    Line("mongorestore --oplogReplay --oplogLimit=-1", "error parsing timestamp argument to --oplogLimit: "),
    Line("mongorestore --oplogFile x", "cannot use --oplogFile without --oplogReplay enabled"),
    Line(
        "mongorestore --oplogReplay --oplogFile x --archive",
        "cannot use --oplogFile with --archive specified",
    ),
    Line("mongorestore --oplogReplay -d x", "cannot use --oplogReplay with includes specified"),
    Line("mongorestore --oplogReplay --nsInclude x.*", "cannot use --oplogReplay with includes specified"),
    Line("mongorestore --oplogReplay --nsExclude x.*", "cannot use --oplogReplay with excludes specified"),
    Line(
        "mongorestore --oplogReplay --nsFrom a --nsTo b",
        "cannot use --oplogReplay with namespace renames specified",
    ),
    Line(
        "mongorestore -d x -c y --excludeCollection z",
        "--collection is not allowed when --excludeCollection is specified",
    ),
    Line(
        "mongorestore --nsFrom a",
        "--nsFrom and --nsTo arguments must be specified an equal number of times",
    ),
    Line(
        "mongorestore --nsFrom a.* --nsTo b",
        "invalid renames: Different number of asterisks in from: `a.*` and to: `b`",
    ),
    Line(
        "mongorestore --nsFrom a.$x --nsTo b",
        "invalid renames: Odd number of dollar signs in from: `a.$x`",
    ),
    Line("mongorestore --nsFrom a.$x$ --nsTo b.$y$", "invalid renames: "),
    Line("mongorestore --nsInclude a$b$", "invalid includes: '$' is not allowed in include/exclude patterns"),
    Line("mongorestore --nsExclude a$b$", "invalid excludes: '$' is not allowed in include/exclude patterns"),
    Line(
        "mongorestore --numInsertionWorkersPerCollection=-1",
        "cannot specify a negative number of insertion workers per collection",
    ),
    Line("mongorestore --preserveUUID", "cannot specify --preserveUUID without --drop"),
    Line("mongorestore - --archive", "cannot restore from \"-\" when --archive is specified"),
    Line("mongorestore -", "cannot restore from stdin without a specified collection"),
];

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_exclude_each_other_are_refused() {
    let uri = shared::replica_set().await;
    let host = uri.split_once("://").unwrap().1.split(['/', '?']).next().unwrap().to_owned();
    let tools = Tools::link();
    let before = tools.files(".");
    for Line(line, message) in &EXCLUDED {
        let (tool, arguments) = line.split_once(' ').unwrap();
        let ended = run(&tools, tool, &format!("--host {host} {arguments}")).expect(1);
        assert!(ended.stderr.contains(&format!("\tFailed: {message}")), "{line}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("\t0 document(s) restored successfully."), tool == "mongorestore");
        let ended = run(&tools, tool, &format!("--host {host} {arguments} --quiet")).expect(1);
        assert_eq!(ended.stderr, "", "{line}");
    }
    assert_eq!(tools.files("."), before);
}
