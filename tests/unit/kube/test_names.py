"""Names of objects without the objects: one small list."""

from __future__ import annotations

import pytest

from kaspr_controller.kube import errors
from kaspr_controller.kube.kinds import CONFIG_MAP
from tests.fakes.apiserver import ApiServer, answers
from tests.fakes.clock import FakeClock
from tests.unit.kube.clients import client_for


@pytest.mark.parametrize(("token", "complete"), [("", True), ("more", False)])
def test_names_come_with_whether_they_are_all(token: str, complete: bool) -> None:  # noqa: FBT001
    """A list that was cut must not be taken for everything there is."""
    page = {
        "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": "9", "continue": token},
        "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}],
    }
    with ApiServer() as server, client_for(server, clock=FakeClock()) as client:
        server.always(answers(page))
        found = client.names(CONFIG_MAP, "n", label_selector="x!=y", limit=2)
        assert found == (frozenset("ab"), complete)
        (request,) = server.requests
        assert (request.query["limit"], request.query["labelSelector"]) == ("2", "x!=y")
        assert "PartialObjectMetadataList" in request.headers["accept"]


def test_what_is_no_list_is_not_taken_for_an_empty_one() -> None:
    """Names would look free that are taken."""
    with ApiServer() as server, client_for(server, clock=FakeClock()) as client:
        server.always(answers({"kind": "ConfigMap", "metadata": {"name": "a"}}))
        with pytest.raises(errors.ProtocolError):
            client.names(CONFIG_MAP, "n", label_selector="x!=y", limit=2)
