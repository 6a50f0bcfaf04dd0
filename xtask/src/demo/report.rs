//! What the demo prints at its end: a row a namespace, then the times.

use std::time::Duration;

use super::comparison::{Comparison, Row};
use super::show::Carried;

const MEGABYTE: f64 = 1_000_000.0;

pub(super) fn print(comparison: &Comparison, carried: &Carried) {
    let rows = &comparison.rows;
    let width =
        rows.iter().map(|row| row.namespace.chars().count()).max().unwrap_or(0).max("namespace".len());
    println!();
    println!(
        "{:width$}  {:>10}  {:>12}  {:6}  {:7}  options",
        "namespace", "documents", "bytes", "dbHash", "indexes"
    );
    for row in rows {
        line(row, width);
    }
    let bytes: u64 = rows.iter().map(|row| row.bytes).sum();
    println!();
    time("dump, encrypted", carried.dump, bytes);
    time("verify", carried.verify, bytes);
    time("restore", carried.restore, bytes);
    let ratio = bytes as f64 / carried.archive_bytes.max(1) as f64;
    println!(
        "{:<20} {:>8.2} MB {ratio:>7.2} times smaller",
        "archive",
        carried.archive_bytes as f64 / MEGABYTE
    );
    let equal = rows.iter().filter(|row| row.is_equal()).count();
    println!("{equal} of {} namespaces are equal", rows.len());
    for difference in &comparison.differences {
        println!("{difference}");
    }
}

fn line(row: &Row, width: usize) {
    let Row { namespace, documents, bytes, same_hash, same_indexes, same_options } = row;
    let (hash, indexes, options) = (word(*same_hash), word(Some(*same_indexes)), word(Some(*same_options)));
    println!("{namespace:width$}  {documents:>10}  {bytes:>12}  {hash:6}  {indexes:7}  {options}");
}

/// Views have no data, and so no hash.
fn word(same: Option<bool>) -> &'static str {
    match same {
        Some(true) => "equal",
        Some(false) => "DIFFER",
        None => "-",
    }
}

fn time(what: &str, time: Duration, bytes: u64) {
    let seconds = time.as_secs_f64();
    println!("{what:<20} {seconds:>8.2} s {:>8.1} MB/s", bytes as f64 / MEGABYTE / seconds.max(0.001));
}
