"""The API server's half of the corpora: it must agree with the parser on every case, and on changes only it can see."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from kaspr_controller.api.parsing import InvalidSpec, parse
from kaspr_controller.kube.kinds import Kind
from tests.corpus.loading import Case, bad, changes, good
from tests.corpus.mutating import mutations

if TYPE_CHECKING:
    from tests.integration.fixtures.oracle import Kube

AT_ADMISSION = 0.95


class Server:
    """Answers whether an object would be accepted; nothing is stored."""

    def __init__(self, kube: Kube, kinds: Sequence[Kind], namespace: str) -> None:
        self._kube = kube
        self._kinds = {kind.kind: kind for kind in kinds}
        self._namespace = namespace

    def refusal(self, obj: dict[str, Any]) -> str:
        """The paths and texts of a strict dry-run create's refusal, "" when it is accepted."""
        collection = self._kinds[obj["kind"]].collection(self._namespace)
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        try:
            self._kube.request("POST", collection, obj, query=query)
        except ApiException as error:
            return refusal_text(error)
        return ""

    def refusal_of_change(self, old: dict[str, Any], new: dict[str, Any]) -> str:
        """Create one object and try to replace it by another."""
        kind = self._kinds[old["kind"]]
        stored = self._kube.create(
            {**old, "metadata": {**old["metadata"], "namespace": self._namespace}}, kind
        )
        name = stored["metadata"]["name"]
        version = {"name": name, "resourceVersion": stored["metadata"]["resourceVersion"]}
        try:
            self._kube.request("PUT", kind.path(self._namespace, name), {**new, "metadata": version})
        except ApiException as error:
            return refusal_text(error)
        finally:
            self._kube.delete(kind, self._namespace, name)
        return ""


def refusal_text(error: ApiException) -> str:
    """The causes of a refusal as `path: text`, or its message (unknown fields come as a bad request)."""
    status = json.loads(error.body)
    causes = status.get("details", {}).get("causes", [])
    lines = [f"{cause.get('field', '')}: {cause['message']}" for cause in causes]
    return "\n".join(lines or [status["message"]])


@pytest.fixture
def server(kube: Kube, crds: Sequence[Kind], namespace: str) -> Server:
    """The API server with our CRDs, in a namespace of its own."""
    return Server(kube, crds, namespace)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Writes a line to the report, although output is captured."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")

    return write


def refusals(server: Server, cases: Sequence[Case]) -> list[str]:
    """The server's answers; several at once, since a case is one round trip."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda case: server.refusal(case.obj), cases))


def test_the_server_accepts_what_the_parser_accepts(server: Server) -> None:
    """No good case is refused; tests/unit/api parses the same cases."""
    answers = zip(good(), refusals(server, good()), strict=True)
    assert [f"{case.name}: {answer}" for case, answer in answers if answer] == []


def test_the_server_refuses_what_the_parser_refuses(server: Server, say: Callable[[str], None]) -> None:
    """Every bad case that is not marked late is refused at apply, and the field that is wrong gets the blame."""
    answers = list(zip(bad(), refusals(server, bad()), strict=True))
    wrong = [f"{case.name}: accepted" for case, answer in answers if not answer and not case.late]
    wrong += [f"{case.name}: refused after all: {answer}" for case, answer in answers if answer and case.late]
    wrong += [
        f"{case.name}: {case.path} not in {answer}"
        for case, answer in answers
        if answer and not blames(answer, case)
    ]
    assert wrong == []
    refused, late = sum(bool(answer) for _, answer in answers), [case for case in bad() if case.late]
    say(f"\ncorpus: {len(good())} good accepted; {refused} of {len(bad())} bad refused at apply; late:")
    for case in late:
        say(f"  {case.name}: {case.late}")
    assert refused / len(bad()) >= AT_ADMISSION


def test_server_and_parser_agree_about_every_field(server: Server, say: Callable[[str], None]) -> None:
    """Each field of the good objects with a value of every JSON type, or without: both accept, or both refuse."""
    cases = [case for case in mutations() if not case.late]
    verdicts = zip(cases, refusals(server, cases), map(parsers_refusal, cases), strict=True)
    wrong = [
        f"{case.name}: server {answer or 'accepts'}, parser {own or 'accepts'}"
        for case, answer, own in verdicts
        if bool(answer) != bool(own)
    ]
    say(f"\nagreement: {len(cases)} changes of single fields")
    assert wrong == []


def parsers_refusal(case: Case) -> str:
    """What the parser says, "" when it accepts."""
    try:
        parse(case.obj)
    except InvalidSpec as error:
        return str(error)
    return ""


def blames(answer: str, case: Case) -> bool:
    """Whether a refusal names the path of a case: as a field, or in the text about an unknown field."""
    return any(line.startswith(f"{case.path}:") for line in answer.splitlines()) or f'"{case.path}"' in answer


def test_changes_a_living_app_cannot_follow_are_refused(server: Server) -> None:
    """Partitions, storage type, class and size, the packages volume: the rules that compare with the old object."""
    wrong = []
    for change in changes():
        answer = server.refusal_of_change(change.old, change.new)
        if bool(answer) != bool(change.path) or not answer.startswith(change.path):
            wrong.append(f"{change.name}: {answer or 'accepted'}")
    assert wrong == []
