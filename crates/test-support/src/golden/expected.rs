//! Reading an `expected.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::state::{Namespace, State, Texts};
use super::text::quoted;

/// The state in this file, or what is wrong with it.
pub(super) fn parse(json: &str) -> Result<State, String> {
    let file: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let part = |name: &str| object(file.get(name), name);
    let mut state = State::default();
    for (database, collections) in part("databases")? {
        let mut namespaces = BTreeMap::new();
        for (collection, stored) in object(Some(collections), database)? {
            let namespace = namespace(stored).map_err(|error| format!("{database}.{collection}: {error}"))?;
            namespaces.insert(collection.clone(), namespace);
        }
        state.databases.insert(database.clone(), namespaces);
    }
    state.users = part("users")?.iter().map(account).collect::<Result<_, _>>()?;
    state.roles = part("roles")?.iter().map(account).collect::<Result<_, _>>()?;
    Ok(state)
}

fn namespace(stored: &Value) -> Result<Namespace, String> {
    let optional = |name| stored.get(name).and_then(Value::as_str).map(str::to_owned);
    let string = |name| optional(name).ok_or_else(|| format!("no {name}"));
    let documents = stored.get("documents").map(|documents| object(Some(documents), "documents"));
    // Keys are text already, and so are the values: they are shown without further quotes.
    let digest = |(id, digest): (&String, &Value)| (id.clone(), text(digest));
    Ok(Namespace {
        kind: string("type")?,
        uuid: optional("uuid"),
        options: texts(object(stored.get("options"), "options")?),
        indexes: indexes(stored.get("indexes"))?,
        count: stored.get("count").and_then(Value::as_u64).ok_or("no count")?,
        sha256: string("sha256")?,
        natural_sha256: optional("sha256_natural_order"),
        documents: documents.transpose()?.map(|documents| documents.iter().map(digest).collect()),
    })
}

/// Views have none.
fn indexes(stored: Option<&Value>) -> Result<BTreeMap<String, Texts>, String> {
    let indexes = stored.and_then(Value::as_array).into_iter().flatten();
    let named = indexes.map(|index| {
        let name = index.get("name").and_then(Value::as_str).ok_or("an index without a name")?;
        Ok((name.to_owned(), texts(object(Some(index), name)?)))
    });
    named.collect()
}

fn account((name, stored): (&String, &Value)) -> Result<(String, Texts), String> {
    Ok((name.clone(), texts(object(Some(stored), name)?)))
}

fn object<'a>(value: Option<&'a Value>, name: &str) -> Result<&'a Map<String, Value>, String> {
    value.and_then(Value::as_object).ok_or_else(|| format!("{name} is no object"))
}

fn texts(fields: &Map<String, Value>) -> Texts {
    fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The text of a value as [`super::text`] writes it, in the order of its fields.
fn text(value: &Value) -> String {
    match value {
        Value::String(string) => quoted(string.as_bytes()),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{}:{}", quoted(name.as_bytes()), text(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
