"""Reads an answer with the public models of OGC API - EDR and CoverageJSON; fails where it does not hold to them.

Usage: edr.py collections|collection|coverage|coverages FILE
"""
import sys

from covjson_pydantic.coverage import Coverage, CoverageCollection
from edr_pydantic.collections import Collection, Collections

MODELS = {
    "collections": Collections,
    "collection": Collection,
    "coverage": Coverage,
    "coverages": CoverageCollection,
}

kind, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    MODELS[kind].model_validate_json(file.read())
