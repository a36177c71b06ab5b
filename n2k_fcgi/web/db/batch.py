"""``POST /db?op=batch`` and ``op=cas``: writes that are described in JSON."""

from n2k_fcgi.errors import BadRequest, BatchRefused, ConditionFailed, N2KError
from n2k_fcgi.model.keyvalue.entry import json_bytes
from n2k_fcgi.model.keyvalue.operations import AssignId, Get, Increment, Operation
from n2k_fcgi.service.keyvalue import items
from n2k_fcgi.service.keyvalue.entry_json import with_value
from n2k_fcgi.service.keyvalue.space import MOST_OPERATIONS
from n2k_fcgi.store.keyvalue import Applied, Result
from n2k_fcgi.web.db import answers, is_json_wanted
from n2k_fcgi.web.db.access import writing
from n2k_fcgi.web.db.cutting import MOST_BYTES, perhaps_empty
from n2k_fcgi.web.db.fields import allow
from n2k_fcgi.web.json_bodies import Body, body_of
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


def batch(request: Request, services: Services) -> Answer:
    """Do all operations in one durable write, or none; the answer has a result for each."""
    writer = writing(request, services)
    allow(request, "max_bytes")
    request.kept_bytes(request.query)  # a bad max_bytes must not be found after the write
    try:
        operations = _operations(body_of(request))
        applied = writer.apply_all(operations)
    except BatchRefused as refused:
        if not is_json_wanted(request):
            raise
        return _refusal(request, refused)
    return _answer(request, operations, applied)


def compare_and_set(request: Request, services: Services) -> Answer:
    """Store a value if the present one is as expected: 412 if it is not."""
    writer = writing(request, services)
    allow(request)
    return answers.written(request, writer.apply(items.compare_and_set(body_of(request))))


def _operations(body: Body) -> list[Operation]:
    """Return the operations of a batch. Raises BadRequest, and BatchRefused with the error of each bad item."""
    listed = body.get("operations")
    if not isinstance(listed, list) or len(body) > 1 or not 1 <= len(listed) <= MOST_OPERATIONS:
        raise BadRequest(why=f'the body must be {{"operations": […]}} with 1 to {MOST_OPERATIONS} objects')
    operations: list[Operation] = []
    failures: list[tuple[int, N2KError]] = []
    for index, item in enumerate(listed):
        try:
            operations.append(items.operation_of(item))
        except N2KError as problem:
            failures.append((index, problem))
    if failures:
        raise BatchRefused(failures=failures)
    return operations


def _answer(request: Request, operations: list[Operation], applied: Applied) -> Answer:
    """Return a result for each operation; ``more``: how many a script would lose."""
    results: list[bytes] = []
    left = MOST_BYTES
    for operation, result in zip(operations, applied.results, strict=True):
        fields = _result(operation, result)
        if isinstance(operation, Get) and result.entry is not None and not applied.repeated:
            left -= len(result.entry.value)
            if left >= 0:
                results.append(with_value(fields, result.entry.value, result.entry.type))
                continue
            fields["size"] = len(result.entry.value)
        results.append(json_bytes(fields))
    free: Body = {"free_bytes": applied.space.free, "free_keys": applied.space.free_keys}
    room = request.kept_bytes(request.query)
    return perhaps_empty("results", results, lambda count: {"more": len(results) - count, **free}, room)


def _result(operation: Operation, result: Result) -> Body:
    """Return what an operation did, without a value that it read: that is not stored for a repeated request."""
    fields: Body = {"version": str(result.version), "created": result.created}
    if isinstance(operation, Increment) and result.entry is not None:
        fields["number"] = result.entry.text
    elif isinstance(operation, AssignId) and result.entry is not None:
        fields["id"] = str(result.entry.id)
    return fields


def _refusal(request: Request, refused: BatchRefused) -> Answer:
    """Return the error with each operation that failed, counted from 0: those that a script would lose are left out."""
    failures = [json_bytes(_failure(index, problem)) for index, problem in refused.failures]
    room = request.kept_bytes(request.query)
    rest = {"error": refused.told}
    return perhaps_empty(
        "failures", failures, lambda count: {**rest, "more": len(failures) - count}, room, status=refused.status
    )


def _failure(index: int, problem: N2KError) -> Body:
    fields: Body = {"index": index, "status": problem.status, "error": problem.told}
    if isinstance(problem, ConditionFailed):
        fields["version"] = str(problem.version)
    return fields
