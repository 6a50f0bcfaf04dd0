//! The options that a connection string can have, names in small letters, and what their values look like.

const NUMBERS: [&str; 16] = [
    "connecttimeoutms",
    "heartbeatintervalms",
    "heartbeatfrequencyms",
    "localthresholdms",
    "maxidletimems",
    "maxpoolsize",
    "minpoolsize",
    "maxconnecting",
    "maxstaleness",
    "maxstalenessseconds",
    "maxadaptiveretries",
    "serverselectiontimeoutms",
    "sockettimeoutms",
    "srvmaxhosts",
    "timeoutms",
    // Here we know more than the tools, which warn of it and wait without end.
    "wtimeoutms",
];
const SWITCHES: [&str; 10] = [
    "journal",
    "loadbalanced",
    "retrywrites",
    "retryreads",
    "enableoverloadretargeting",
    "ssl",
    "tls",
    "sslinsecure",
    "tlsinsecure",
    "tlsdisableocspendpointcheck",
];
const TEXTS: [&str; 24] = [
    "appname",
    "authmechanism",
    "authmechanismproperties",
    "authsource",
    "compressors",
    "connect",
    "directconnection",
    "readconcernlevel",
    "readpreference",
    "readpreferencetags",
    "replicaset",
    "servermonitoringmode",
    "srvservicename",
    "sslclientcertificatekeyfile",
    "tlscertificatekeyfile",
    "sslclientcertificatekeypassword",
    "tlscertificatekeyfilepassword",
    "tlscertificatefile",
    "tlsprivatekeyfile",
    "sslcertificateauthorityfile",
    "tlscafile",
    "w",
    "zlibcompressionlevel",
    "zstdcompressionlevel",
];

/// Whether the tools know the option.
pub fn is_known(name: &str) -> bool {
    NUMBERS.contains(&name) || SWITCHES.contains(&name) || TEXTS.contains(&name)
}

/// Whether an option can have this value.
pub fn is_value_of(name: &str, value: &str) -> bool {
    if NUMBERS.contains(&name) {
        value.parse::<u64>().is_ok()
    } else if SWITCHES.contains(&name) {
        value == "true" || value == "false"
    } else {
        name != "w" || value.parse::<i64>().is_ok_and(|members| members >= 0) || value.parse::<i64>().is_err()
    }
}
