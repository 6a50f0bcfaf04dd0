//! Naming what a restored deployment has otherwise than the model, and what no moment may break.

use mongoark_bson_bytes::get;

use super::state::{Aspect, Id, Namespace, State};
use super::writers::{bank, counters, large};
use crate::compare::fields::value_text;

/// Differences named of one namespace; the rest is counted.
const NAMED: usize = 3;

/// A line for each thing that `found` lacks, has beyond `expected`, or has otherwise; none if they agree. UUIDs may
/// differ.
pub fn differences(expected: &State, found: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, namespace) in &expected.namespaces {
        match found.namespaces.get(name) {
            Some(other) => compare(name, namespace, other, &mut lines),
            None => {
                lines.push(format!("{name:?}: missing, with {} documents", namespace.documents().count()));
            }
        }
    }
    for (name, other) in found.namespaces.iter().filter(|(name, _)| !expected.namespaces.contains_key(*name))
    {
        lines.push(format!("{name:?}: unexpected, with {} documents", other.documents().count()));
    }
    lines
}

fn compare(name: &str, expected: &Namespace, found: &Namespace, lines: &mut Vec<String>) {
    if expected.kind != found.kind {
        lines.push(format!("{name:?}: expected a {}, found a {}", expected.kind, found.kind));
    }
    if expected.is_settled(&Aspect::Options) {
        expected.options.differences(&found.options, &format!("{name:?} options"), lines);
    }
    let is_settled = |index: &String| expected.is_settled(&Aspect::Index(index.clone()));
    for (index, fields) in expected.indexes.iter().filter(|(index, _)| is_settled(index)) {
        let of = format!("{name:?} index {index:?}");
        match found.indexes.get(index) {
            Some(others) => fields.differences(others, &of, lines),
            None => lines.push(format!("{of}: missing")),
        }
    }
    let is_extra = |index: &&String| !expected.indexes.contains_key(*index) && is_settled(index);
    let extra = found.indexes.keys().filter(is_extra);
    lines.extend(extra.map(|index| format!("{name:?} index {index:?}: unexpected")));
    compare_documents(name, expected, found, lines);
}

fn compare_documents(name: &str, expected: &Namespace, found: &Namespace, lines: &mut Vec<String>) {
    let mut of_documents = Vec::new();
    let mut line =
        |what: &str, id: &Id| of_documents.push(format!("{name:?} document {}: {what}", shown(id)));
    for (id, bytes) in expected.documents().filter(|(id, _)| expected.is_settled_document(id)) {
        match found.document(id) {
            None => line("missing", id),
            Some(other) if other != bytes => line("differs", id),
            Some(_) => {}
        }
    }
    let is_expected = |id| expected.document(id).is_some() || !expected.is_settled_document(id);
    for (id, _) in found.documents().filter(|(id, _)| !is_expected(id)) {
        line("unexpected", id);
    }
    if of_documents.is_empty() && expected.is_capped() && expected.natural_order() != found.natural_order() {
        let order = |namespace: &Namespace| {
            namespace.natural_order().into_iter().map(shown).collect::<Vec<_>>().join(" ")
        };
        lines.push(format!("{name:?}: the order is {}, expected {}", order(found), order(expected)));
    }
    let more = of_documents.len().saturating_sub(NAMED);
    lines.extend(of_documents.into_iter().take(NAMED));
    if more > 0 {
        lines.push(format!("{name:?}: and {more} more documents"));
    }
}

/// What holds at every moment, whatever the model says: no money comes or goes, no number is left out.
pub fn broken_invariants(found: &State) -> Vec<String> {
    let mut lines = bank::broken(found);
    lines.extend(counters::broken(found));
    lines.extend(large::broken(found));
    lines
}

/// An integer field of a raw document.
pub(super) fn integer(document: &[u8], field: &str) -> i64 {
    let value = get(document, field).expect("a whole document").and_then(|value| value.as_i64_lossless());
    value.unwrap_or_else(|| panic!("a document without a number {field}"))
}

fn shown(id: &Id) -> String {
    value_text(id[0], &id[1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Fields;
    use crate::oracle::state::id_of;
    use bson::rawdoc;

    #[test]
    fn a_document_between_two_changes_of_one_step_is_not_compared() {
        let state = |value: i32, id: i32| {
            let mut namespace = Namespace::new("collection", None, Fields::default());
            let document = rawdoc! { "_id": id, "value": value };
            namespace.put(id_of(document.as_bytes()), document.as_bytes().into());
            State { namespaces: [("d.c".to_owned(), namespace)].into() }
        };
        let mut expected = state(1, 1);
        assert_eq!(differences(&expected, &state(2, 1)).len(), 1);
        assert_eq!(differences(&expected, &state(1, 2)).len(), 2);
        let document = |id: i32| Aspect::Document(id_of(rawdoc! { "_id": id }.as_bytes()));
        expected.namespaces.get_mut("d.c").unwrap().unsettle(document(2));
        assert_eq!(
            differences(&expected, &state(1, 2)).len(),
            1,
            "the first is missing, the second may be there"
        );
        expected.namespaces.get_mut("d.c").unwrap().unsettle(document(1));
        assert!(differences(&expected, &state(2, 1)).is_empty());
    }
}
