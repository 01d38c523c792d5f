//! YAML as the JSON that it stands for, and what a schema says of it.

use anyhow::{Context, Result, bail, ensure};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// The documents of a text.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    Yaml::load_from_str(text)?.iter().map(json).collect()
}

/// The one document of a text.
pub fn document(text: &str) -> Result<Value> {
    let mut documents = documents(text)?;
    ensure!(documents.len() == 1, "{} documents", documents.len());
    documents.pop().context("a document")
}

fn json(yaml: &Yaml<'_>) -> Result<Value> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        Yaml::Sequence(values) => Value::Array(values.iter().map(json).collect::<Result<_>>()?),
        Yaml::Mapping(members) => {
            let (mut object, mut merged) = (Map::new(), Map::new());
            for (name, value) in members {
                let name = name.as_str().with_context(|| format!("{name:?} is no name"))?;
                match (name, json(value)?) {
                    ("<<", Value::Object(value)) => merged = value,
                    (name, value) => drop(object.insert(name.to_owned(), value)),
                }
            }
            merged.append(&mut object);
            Value::Object(merged)
        }
        other => bail!("{other:?} is no value"),
    })
}

/// The value must be as the schema says; `definition` is the part of the schema that is meant.
pub fn must_fit(value: &Value, schema: &str, definition: Option<&str>) -> Result<()> {
    let mut schema: Value = serde_json::from_str(schema)?;
    if let Some(definition) = definition {
        schema["$ref"] = format!("#/$defs/{definition}").into();
    }
    let schema = jsonschema::validator_for(&schema)?;
    let wrong = schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path));
    let wrong: Vec<_> = wrong.collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
