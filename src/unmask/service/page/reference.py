"""The API's reference, drawn from its OpenAPI description with our own template and files."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI

from unmask.service.http.problems import KINDS

_PROBLEM = "problem document"


@cache
def reference(app: FastAPI) -> dict[str, Any]:
    """Return what the template needs."""
    description = app.openapi()
    return {
        "operations": [
            _operation(method.upper(), path, operation)
            for path, methods in description["paths"].items()
            for method, operation in methods.items()
        ],
        "problems": KINDS,
        "schemas": [
            {
                "name": name,
                "about": schema.get("description", ""),
                "fields": [
                    {"name": field, "kind": _kind(one), "about": one.get("description", "")}
                    for field, one in schema["properties"].items()
                ],
            }
            for name, schema in sorted(description["components"]["schemas"].items())
            if "properties" in schema and not name.startswith(("HTTPValidation", "ValidationError"))
        ],
    }


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    for status, answer in operation["responses"].items():
        if status == "422":
            continue  # FastAPI's own shape, which ours replaces.
        content = answer.get("content", {})
        kind = next(iter(content), "")
        schema = content.get(kind, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        answers.append({"status": status, "kind": kind, "schema": schema})
    answers.append({"status": "4xx, 5xx", "kind": _PROBLEM, "schema": ""})
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": [
            {
                "name": one["name"],
                "kind": _kind(one["schema"]),
                "required": one["required"],
                "about": one.get("description", ""),
            }
            for one in operation.get("parameters", ())
        ]
        + _form(operation),
        "answers": answers,
    }


def _form(operation: dict[str, Any]) -> list[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("multipart/form-data", {}).get("schema", {})
    return [
        {
            "name": name,
            "kind": "file",
            "required": name in schema.get("required", ()),
            "about": field.get("description", ""),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """Say a JSON schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
