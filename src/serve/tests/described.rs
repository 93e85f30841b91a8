//! The description of the API and the API say the same, in both directions: every address, and every field of every answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Shown, quick, reading};
use crate::serve::routes::routes;

fn description() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn strings(array: &Value) -> BTreeSet<&str> {
    array.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// Holds a value to a schema: types, and the same fields in both.
fn check(api: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = api.pointer(reference.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{place}: {reference}"));
        return check(api, named, value, place);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().for_each(|schema| check(api, schema, value, place));
    }
    if let Some([schema, null]) = schema["oneOf"].as_array().map(Vec::as_slice) {
        assert_eq!(null, &json!({"type": "null"}), "{place}");
        if !value.is_null() {
            check(api, schema, value, place);
        }
        return;
    }
    let one_type = json!([schema["type"]]);
    let types = strings(if schema["type"].is_array() { &schema["type"] } else { &one_type });
    let own: &[&str] = match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_f64() => &["number"],
        Value::Number(_) => &["integer", "number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    };
    assert!(own.iter().any(|own| types.contains(own)), "{place}: {value} is not {types:?}");
    if let Some(known) = schema["enum"].as_array() {
        assert!(known.contains(value), "{place}: {value}");
    }
    if value.is_object() {
        assert_eq!(keys(value), keys(&schema["properties"]), "{place}");
        assert_eq!(keys(value), strings(&schema["required"]), "{place}: what is always there");
        for (name, value) in value.as_object().unwrap() {
            let property = &schema["properties"][name];
            assert!(!property["$ref"].is_null() || property["description"].is_string(), "{place}.{name} says nothing");
            check(api, property, value, &format!("{place}.{name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(api, &schema["items"], item, &format!("{place}[{index}]"));
    }
}

#[test]
fn every_address_is_described_and_there() {
    let api = description();
    let own_files = ["/", "/page.css", "/page.js", "/map.js", "/chart.js", "/words.js", "/icon.svg"];
    let there: BTreeSet<&str> =
        routes().into_iter().map(|(path, _)| path).filter(|path| !own_files.contains(path)).collect();
    assert_eq!(keys(&api["paths"]), there);
    assert_eq!(routes().len(), there.len() + own_files.len());
}

#[test]
fn every_answer_is_as_described() {
    let (api, empty) = (description(), Shown::new(quick(), &[]));
    let readings = [reading("16107", 40), reading("16107", 12), reading("9020", 45), reading("1", 900)];
    let full = Shown::new(quick(), &readings);
    let schema_of = |path: &str, status: &str, kind: &str| {
        let answer = &api["paths"][path]["get"]["responses"][status];
        let answer = answer["$ref"].as_str().map_or(answer, |named| api.pointer(&named[1..]).unwrap());
        let schema = &answer["content"][kind]["schema"];
        assert!(schema.is_object(), "{path} {status} {kind}");
        schema.clone()
    };
    for path in ["/api/network", "/api/stations", "/api/zones"] {
        for shown in [&empty, &full] {
            check(&api, &schema_of(path, "200", "application/json"), &shown.get(path), path);
        }
    }
    let station = "/api/stations/{code}";
    check(&api, &schema_of(station, "200", "application/json"), &full.get("/api/stations/16107"), station);
    assert_eq!(full.get("/api/stations/16107")["windows"].as_array().unwrap().len(), 2);
    for (status, target) in [("404", "/api/stations/2"), ("400", "/api/stations/%ff")] {
        check(&api, &schema_of(station, status, "application/json"), &full.ask("GET", target).json(), target);
    }
    schema_of(station, "503", "application/json");
    for shown in [&empty, &full] {
        let view = shown.events().next().unwrap();
        check(&api, &schema_of("/api/events", "200", "text/event-stream"), &view, "view");
    }
    assert_eq!(full.ask("GET", "/health").body, schema_of("/health", "200", "text/plain")["const"].as_str().unwrap());
    assert_eq!(full.get("/api/openapi.json"), api);
}

#[test]
fn every_schema_is_used() {
    let api = description();
    let text = api.to_string();
    for name in keys(&api["components"]["schemas"]) {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name}");
    }
}
