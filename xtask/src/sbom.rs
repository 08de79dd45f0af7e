//! The bill of materials as CycloneDX 1.5 JSON (<https://cyclonedx.org/docs/1.5/json/>), without the serial number and the
//! time of day that would make each one another.

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dependencies::{Crate, Dependencies};
use crate::map_page::Module;

/// For a program made of `crates` and `modules`; `time` in seconds since 1970.
///
/// # Errors
/// When the time is none.
pub fn document(
    dependencies: &Dependencies,
    program: &Crate,
    version: &str,
    modules: &[Module],
    time: u64,
) -> anyhow::Result<String> {
    let crates = dependencies.of(program);
    let parts = crates.iter().filter(|c| c.name != program.name);
    let mut components: Vec<Value> = parts.map(|c| component(dependencies, c)).collect();
    components.extend(modules.iter().map(module));
    let mut links: Vec<Value> = crates.iter().map(|c| link(dependencies, c, program, modules)).collect();
    links.extend(modules.iter().map(|m| json!({ "ref": m.purl(), "dependsOn": [] })));
    let timestamp = Timestamp::from_second(time.try_into()?).context("SOURCE_DATE_EPOCH")?;
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": timestamp.to_string(),
            "component": {
                "type": "application", "bom-ref": program.purl(), "name": program.name, "version": version,
                "licenses": [{ "expression": program.licence() }],
            },
        },
        "components": components,
        "dependencies": links,
    });
    Ok(format!("{document:#}\n"))
}

fn component(dependencies: &Dependencies, of: &Crate) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": of.purl(), "name": of.name, "version": of.version, "purl": of.purl(),
        "scope": "required", "licenses": [{ "expression": of.licence() }],
    });
    if let Some(checksum) = dependencies.checksum(of) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &of.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn module(of: &Module) -> Value {
    json!({
        "type": "library", "bom-ref": of.purl(), "name": of.name, "version": of.version, "purl": of.purl(),
        "scope": "required", "licenses": [{ "expression": of.licence }],
    })
}

fn link(dependencies: &Dependencies, of: &Crate, program: &Crate, modules: &[Module]) -> Value {
    let mut uses: Vec<String> = dependencies.direct(of).into_iter().map(Crate::purl).collect();
    // The page is compiled into the crate that serves it.
    if of.name == "raincell-api" {
        uses.extend(modules.iter().map(Module::purl));
    }
    uses.retain(|purl| *purl != program.purl());
    uses.sort_unstable();
    uses.dedup();
    json!({ "ref": of.purl(), "dependsOn": uses })
}
