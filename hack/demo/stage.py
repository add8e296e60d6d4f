"""What the demo runs on: control plane, simulated node, CRDs, the controller, and watches that tell what happens.

In: a folder and a `Voice`. Out: a `Stage`, built part by part on an exit stack that takes everything down again, in
order, whatever happens. Main thread only. Invariant: what is not up yet is None, so a failure at any point can be told.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from hack.controlplane.cluster import ControlPlane
from hack.demo import timeline
from hack.demo.controller import Controller
from hack.demo.following import Following
from hack.demo.kubectl import Kubectl
from hack.demo.voice import Voice
from hack.demo.world import Change, Stuck, World
from hack.nodesim.simulator import NodeSimulator
from kaspr_controller.kube.kinds import Kind
from kaspr_controller.reconcilers import kinds

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
NAMESPACE = "demo"
# Seconds of ours per second of a real pod: a start takes 2.4 s, slow enough to say a goodbye between two pods.
SCALE = 0.1
PARTITIONS = 4
READY_SECONDS = 20.0
_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
_FOLLOWED = (*kinds.WATCHED, _REVISION)


class Stage:
    """The parts of the demo; each `raise_*` method puts one up."""

    def __init__(self, folder: Path, voice: Voice, stack: ExitStack) -> None:
        self.folder = folder
        self.voice = voice
        self.world = World(tell=self._tell, alive=self.check)
        self.controller: Controller | None = None
        self._stack = stack
        self._plane: ControlPlane | None = None
        self._simulator: NodeSimulator | None = None
        self._kubectl: Kubectl | None = None

    @property
    def plane(self) -> ControlPlane:
        """The control plane."""
        return _there(self._plane)

    @property
    def simulator(self) -> NodeSimulator:
        """The node."""
        return _there(self._simulator)

    @property
    def kubectl(self) -> Kubectl:
        """A kubectl for the control plane."""
        return _there(self._kubectl)

    @property
    def running(self) -> Controller:
        """The controller."""
        return _there(self.controller)

    def raise_cluster(self) -> None:
        """Start the control plane and the node."""
        self._plane = self._stack.enter_context(ControlPlane.start(say=self.voice.block))
        self._simulator = self._stack.enter_context(
            NodeSimulator(self._plane.kubeconfig, scale=SCALE, partitions=PARTITIONS)
        )
        self.voice.block(f"simulated node ready: {self._simulator.control_url}")
        self._kubectl = Kubectl(
            self._plane.kubectl, self._plane.kubeconfig, self.voice, cache=self.folder / "kubectl-cache"
        )

    def raise_controller(self) -> None:
        """Start the controller; returns when its caches are filled."""
        self.controller = Controller(self.plane.kubeconfig, self.folder, scale=SCALE)
        self._stack.callback(self.controller.stop)
        self.voice.command(self.controller.command)
        self.world.wait(self.controller.ready, READY_SECONDS, "the controller's /readyz to answer 200")

    def follow(self) -> None:
        """From now on every change in the namespace is told."""
        self._stack.enter_context(Following(self.plane.kubeconfig, NAMESPACE, _FOLLOWED, self.world))

    def check(self) -> None:
        """Raise when something has ended that the demo needs."""
        if self._plane is not None:
            self._plane.check()
        if self.controller is not None:
            self.controller.check()
        if self._simulator is not None and (failures := self._simulator.failures):
            raise Stuck(f"the simulated node reports faults of its own: {failures}")

    def _tell(self, change: Change) -> None:
        line = timeline.line(change.old, change.new)
        if line:
            self.voice.happened(line)


def _there(part: T | None) -> T:
    if part is None:
        raise Stuck("the demo asked for a part that it has not started")
    return part
