"""A world whose rollouts are driven and whose members may be replaced: the world of the decisions about members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers.acting import Acting, Turns
from kaspr_controller.reconcilers.deciding import Deciding
from kaspr_controller.status.observations import Answer
from kaspr_controller.status.policies import Policies
from tests.fakes.ssa import FakeServer
from tests.unit.reconcilers.answering import RUNNING
from tests.unit.reconcilers.resources import NAMESPACE
from tests.unit.reconcilers.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspr_controller.kube.kinds import Kind
    from kaspr_controller.members.targets import Target
    from tests.unit.reconcilers.cluster import Cluster

TIMEOUT = Answer("timeout", "no answer in time")


class Requests:
    """The API server for the three requests; the world's rules for deletes are about children, not pods."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.get = cluster.get
        self.patch_merge = cluster.patch_merge

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        FakeServer.delete(self._cluster, kind, namespace, name, uid=uid)


def pod_key(number: int) -> ObjectKey:
    """The pod of a member."""
    return ObjectKey("Pod", NAMESPACE, f"orders-app-{number}")


class Team(World):
    """See the module.

    Attributes:
        turn: seconds until an app may lose a member on purpose.
    """

    def __init__(self, *, policies: Policies | None = None, **settings: Any) -> None:
        self.turn: Callable[[ObjectKey], float] = lambda _: 0.0
        super().__init__(policies=policies or Policies(), **settings)

    def _deciding(self) -> Deciding:
        return Deciding(
            stores=self.stores,
            poller=self.poller if self._poll else None,
            seatings=None,
            defaults=self._policies,
            clock=self.clock,
            turn=self._turn,
        )

    def _turn(self, key: ObjectKey) -> float:
        return self.turn(key)

    def _acting(self) -> Acting:
        return Acting(
            stores=self.stores,
            requests=Requests(self.cluster),
            signals=self.poller,
            seatings=None,
            events=self,
            turns=Turns(self.clock),
        )

    def live(self, seconds: float) -> None:
        """Let time pass with members being asked every five seconds; `settle` asks only when something else happens.

        As with the poller of the program, an answer that never came is news however often that has been so.
        """
        for _ in range(round(seconds / 5)):
            self.settle(5.0)
            self._wake(
                app
                for app in self.poller.targets
                if any(seen.answer.kind == "timeout" for seen in self.poller.observations(app).values())
            )

    def policies(self, policies: Policies) -> None:
        """Restart with other settings."""
        self._policies = policies
        self.restart()

    def uids(self) -> dict[str, str]:
        """The incarnations by pod name."""
        return {
            key.name: str(obj["metadata"]["uid"])
            for key, obj in self.cluster.objects.items()
            if key.kind == "Pod"
        }

    def freeze(self, number: int) -> None:
        """The process of this incarnation stands still: its kernel accepts, nobody answers."""
        stands = self.uids()[pod_key(number).name]

        def reply(target: Target) -> Answer:
            return TIMEOUT if target.pod_uid == stands else RUNNING

        self.poller.reply = reply
