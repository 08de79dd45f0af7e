"""Checks bills of materials against CycloneDX's JSON schema of the version they name: sbom.py FILE…

The schemas come with cyclonedx-python-lib; formats (addresses, times) and SPDX licence ids are checked, too.
"""

import json
import pathlib
import sys

import cyclonedx.schema
import jsonschema_rs

FOLDER = pathlib.Path(cyclonedx.schema.__file__).parent / "_res"


def schema(uri):
    stem = uri.rsplit("/", 1)[-1].removesuffix(".schema.json").removesuffix(".SNAPSHOT")
    return json.loads((FOLDER / f"{stem}.SNAPSHOT.schema.json").read_text())


def problems(bill):
    validator = jsonschema_rs.validator_for(
        schema(f"bom-{bill['specVersion']}.schema.json"), retriever=schema, validate_formats=True
    )
    yield from (f"{error.instance_path}: {error.message[:300]}" for error in validator.iter_errors(bill))
    # What the schema cannot say: each reference is to something in the document.
    known = {component["bom-ref"] for component in [bill["metadata"]["component"], *bill["components"]]}
    for dependency in bill["dependencies"]:
        for reference in (dependency["ref"], *dependency["dependsOn"]):
            if reference not in known:
                yield f"dependencies: {reference} is no component"


found = [f"{file}: {problem}" for file in sys.argv[1:] for problem in problems(json.loads(pathlib.Path(file).read_text()))]
print("\n".join(found[:20]), file=sys.stderr)
sys.exit(1 if found else 0)
