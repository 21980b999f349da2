"""The words that `openapi` is written in: JSON schemas, and operations."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}
TIME: Json = {"type": "string", "format": "date-time"}
NOTHING: Json = {"type": "object"}
"""A body that may be there, and then is an empty object."""


def one_of(values: Any) -> Json:
    return {"type": "string", "enum": [str(value) for value in values]}


def object_of(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(of: Json) -> Json:
    return {"type": "array", "items": of}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def content(schema: Json, kind: str = "application/json") -> Json:
    return {kind: {"schema": schema}}


def operation(
    summary: str,
    schema: Json | None,
    *,
    status: int = 200,
    body: Json | None = None,
    takes: str = "application/json",
    query: Json | None = None,
    named: str = "",
    part: str = "",
    kind: str = "application/json",
    fails: tuple[int, ...] = (),
    common: bool = False,
) -> Json:
    """One operation. `named` is what the `{id}` in its path names, `part` a number behind it;
    `fails` are its problems, beside those of all that take a body, and of all but what is
    `common`: the device may be gone.
    """
    good: Json = {"description": summary}
    if schema is not None:
        good["content"] = content(schema, kind)
    answers: Json = {str(status): good}
    of_body = () if body is None else (400, 413, 415, 422)
    for code in (*(() if common else (404,)), *of_body, *fails, 401, 403):
        answers[str(code)] = {"$ref": "#/components/responses/Problem"}
    found: Json = {"summary": summary, "responses": answers}
    parameters: list[Json] = []
    if named:
        name = TEXT if named in ("subscriber", "process") else NUMBER
        parameters.append({"name": "id", "in": "path", "required": True, "schema": name})
    if part:
        parameters.append({"name": part, "in": "path", "required": True, "schema": NUMBER})
    parameters += [{"name": k, "in": "query", "schema": v} for k, v in (query or {}).items()]
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        if takes == "application/json":
            body = {**body, "additionalProperties": False}  # as `answers.body_of` has it
        found["requestBody"] = {
            "required": bool(body.get("required")),
            "content": content(body, takes),
        }
    return found
