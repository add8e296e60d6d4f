"""The door: a simulated node with its members, in a thread of this process.

In: the kubeconfig of an API server. Out: pods that run, members that answer, and handles to misbehave. Called by
tests and the demo from any thread; everything inside happens on one event loop in one thread.
Invariant: after `stop` no port is open, no thread runs and the Node object is gone. Use one simulator a cluster at a
time: the scheduler would spread an app over two, whose groups know nothing of each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from hack.nodesim import behaviour, control
from hack.nodesim.addresses import CONTROL_PORT, Network
from hack.nodesim.group import Group
from hack.nodesim.kubelet import Kubelet
from hack.nodesim.node import Node
from hack.nodesim.pod_worker import PodWorker, Start
from hack.nodesim.provisioner import Provisioner
from hack.nodesim.rest import Api
from hack.nodesim.timings import Timings
from hack.nodesim.views import GroupView, MemberView, group_view, member_view

if TYPE_CHECKING:
    from types import TracebackType

    from hack.nodesim.definitions import Order

T = TypeVar("T")
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class NodeSimulator:
    """A node; use it in a `with` statement or call `start` and `stop`.

    Args:
        kubeconfig: an administrator of the cluster.
        scale: seconds of ours per second of the real parts; 0.02 makes a start 0.4 s and a session timeout 2.4 s.
        partitions: of every topic that nobody declared.
        bind: who places pods: the real `scheduler`, or the simulator `self`.
        order: the raw order of directories, see `definitions`.
        node_name: default: one of its own.
    """

    def __init__(  # all but the first have defaults
        self,
        kubeconfig: Path | str,
        *,
        scale: float = 0.02,
        partitions: int = 4,
        bind: Literal["scheduler", "self"] = "scheduler",
        order: Order = sorted,
        node_name: str | None = None,
    ) -> None:
        self.kubeconfig = Path(kubeconfig)
        self.timings = Timings(scale)
        self.partitions = partitions
        self.bind = bind
        self.order = order
        self.node_name = node_name
        self._changed = threading.Condition()
        self._version = 0
        self._ready = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="nodesim", daemon=True)
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self._node: Node
        self._kubelet: Kubelet

    # Life

    def start(self) -> Self:
        """Start the node; returns when it is registered and sees all pods."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError("the simulated node could not register within a minute")
        if self._fault is not None:
            raise RuntimeError("the simulated node did not start") from self._fault
        return self

    def stop(self) -> None:
        """End every process, remove the node, close everything."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_SECONDS * 2)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        """Run the event loop of the simulator's thread."""
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits in `start`
            self._fault = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        """Set everything up, follow the cluster until asked to stop, and leave nothing behind."""
        self._loop = asyncio.get_running_loop()
        raise_file_limit()
        api = Api(self.kubeconfig)
        network = Network(lambda method, path, body: control.respond(self, method, path, body))
        name = self.node_name or f"sim-node-{network.number}"
        self._node = Node(
            name, api, self._loop, network, self.timings, self.partitions, self.order, self._notify
        )
        self._kubelet = Kubelet(self._node, bind=self.bind == "self")
        provisioner = Provisioner(self._node)
        await self._node.register()
        tasks = [asyncio.create_task(self._watched(part.run())) for part in (provisioner, self._kubelet)]
        await asyncio.gather(provisioner.synced.wait(), self._kubelet.synced.wait())
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # The API server may be gone already: then there is nothing to tidy up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await provisioner.stop()
                    await self._kubelet.stop()
                    await api.delete(f"/api/v1/nodes/{name}")
            for _, listener in self._node.brokers.values():
                listener.close()
            network.control.close()
            await api.close()

    async def _watched(self, part: Awaitable[None]) -> None:
        """Note the fault that ends one of the loops."""
        try:
            await part
        except Exception as error:  # noqa: BLE001  # shown by `wait_for`
            self._node.failed("simulator", error)

    def _notify(self) -> None:
        """Wake whoever waits for a change."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def _call(self, question: Callable[[], T]) -> T:
        """Answer a question on the event loop thread."""

        async def asked() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(STOP_SECONDS)

    # What there is

    @property
    def control_url(self) -> str:
        """Return the address of the control endpoint."""
        return f"http://{self._node.network.host}:{CONTROL_PORT}"

    @property
    def starts(self) -> list[Start]:
        """Return every start of a member so far, in order."""
        return self._call(lambda: list(self._node.starts))

    @property
    def failures(self) -> list[str]:
        """Return faults of the simulator itself; a test should find none."""
        return self._call(lambda: list(self._node.failures))

    @property
    def members(self) -> list[MemberView]:
        """Return all members that run, by namespace and pod."""
        return self._call(self._members)

    def _members(self) -> list[MemberView]:
        views = [member_view(worker) for worker in self._kubelet.workers.values()]
        return sorted((view for view in views if view), key=lambda view: (view.namespace, view.pod))

    def member(self, pod: str, namespace: str | None = None) -> MemberView:
        """Return the member of a pod.

        Raises:
            LookupError: the pod runs no member.
        """
        view = self._call(lambda: member_view(self._worker(namespace, pod)))
        if view is None:
            raise LookupError(f"pod {pod} runs no member")
        return view

    def group(self, app_id: str, namespace: str | None = None) -> GroupView:
        """Return a consumer group.

        Raises:
            LookupError: nobody ever joined it.
        """
        return self._call(lambda: group_view(*self._group(namespace, app_id)))

    def readers(self, app_id: str, topic: str, namespace: str | None = None) -> dict[int, str]:
        """Return which calm member reads each partition of a topic, of the apps of one namespace or of all."""
        return {
            partition: view.pod
            for view in self.members
            if view.app_id == app_id and view.calm and namespace in (None, view.namespace)
            for partition in view.actives.get(topic, ())
        }

    def logs(self, pod: str, namespace: str | None = None) -> list[str]:
        """Return the last words and warnings of a pod's members."""
        return self._call(lambda: list(self._worker(namespace, pod).log))

    def wait_for(self, condition: Callable[[], object], timeout: float = 30.0, what: str = "") -> None:
        """Wait until a condition holds; it is asked again after each change of a member.

        Raises:
            TimeoutError: with what the members do instead.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = self._version
            # Never asked with the lock held: the answer comes from the thread that notifies.
            began = time.monotonic()
            if self._held(condition):
                return
            now = time.monotonic()
            if now > deadline:
                doing = {f"{view.namespace}/{view.pod}": view.phase for view in self.members}
                raise TimeoutError(
                    f"{what or 'condition'} not met: members {doing}, failures {self.failures}"
                )
            # A condition that is dear to ask (a thousand members) must not take the loop for itself alone.
            time.sleep(now - began)
            with self._changed:
                # What changes on the cluster alone wakes nobody: look at least each half second.
                self._changed.wait_for(lambda: self._version != seen, min(0.5, deadline - now))  # noqa: B023

    # What can be done

    def freeze(self, pod: str, namespace: str | None = None) -> None:
        """Make the process stand still (SIGSTOP)."""
        self._call(lambda: self.act(namespace, pod, "freeze"))

    def thaw(self, pod: str, namespace: str | None = None) -> None:
        """Let the process go on."""
        self._call(lambda: self.act(namespace, pod, "thaw"))

    def cut_off(self, pod: str, namespace: str | None = None) -> None:
        """Take the brokers away from a process."""
        self._call(lambda: self.act(namespace, pod, "cut-off"))

    def reconnect(self, pod: str, namespace: str | None = None) -> None:
        """Give the brokers back."""
        self._call(lambda: self.act(namespace, pod, "reconnect"))

    def crash(self, pod: str, namespace: str | None = None) -> None:
        """End the process as SIGKILL does; the kubelet restarts it."""
        self._call(lambda: self.act(namespace, pod, "crash"))

    def behave(self, pod: str, script: str, namespace: str | None = None) -> None:
        """Script a pod (see `behaviour`), also over restarts of its container; empty text is an ordinary member."""
        self._call(lambda: self.act(namespace, pod, "behaviour", script))

    def script(self, pod: str, script: str, namespace: str | None = None) -> None:
        """Keep a script for a name: every pod called so starts with it, also one that does not exist yet."""
        behaviour.parse(script)
        self._call(lambda: self._node.scripts.update({(namespace, pod): script}))

    def topic(self, namespace: str, bootstrap: str, name: str, partitions: int | None) -> None:
        """Give a topic so many partitions before its first use, or None to have it missing."""

        def told() -> None:
            topics = self._node.broker(namespace, bootstrap)
            if partitions is None:
                topics.absent.add(name)
            else:
                topics.absent.discard(name)
                topics.counts[name] = partitions

        self._call(told)

    def kafka(self, namespace: str) -> str:
        """Return bootstrap servers for the apps of a namespace that real Kafka clients can reach too."""
        # Late: it needs the Kafka client library.
        from hack.nodesim import brokers

        def opened() -> str:
            if namespace not in self._node.brokers:
                self._node.brokers[namespace] = brokers.open_broker(self._node, namespace)
            _, listener = self._node.brokers[namespace]
            return f"{listener.host}:{listener.port}"

        return self._call(opened)

    def deny_kafka(self, namespace: str, *, denied: bool = True) -> None:
        """Take every permission from the clients of that broker, or give them back."""
        self.kafka(namespace)
        self._call(lambda: setattr(self._node.brokers[namespace][0], "denied", denied))

    def goodbye(self, app_id: str, instance_id: str, namespace: str | None = None) -> bool:
        """Remove a member from its group (KIP-345); False when the broker knows no such member."""
        return self._call(lambda: self.say_goodbye(namespace, app_id, instance_id))

    # On the event loop thread

    def act(self, namespace: str | None, pod: str, action: str, text: str = "") -> None:
        """Do something to a pod's process; event loop thread only."""
        worker = self._worker(namespace, pod)
        if action == "behaviour":
            behaviour.parse(text)
            worker.script = text
            worker.behave()
            return
        if worker.process is None:
            raise LookupError(f"pod {pod} runs no member")
        process = worker.process
        actions: dict[str, Callable[[], None]] = {
            "freeze": process.member.freeze,
            "thaw": process.member.thaw,
            "cut-off": process.member.lose_brokers,
            "reconnect": process.member.find_brokers,
            "crash": lambda: process.kill("Killed"),
        }
        if action not in actions:
            raise ValueError(f"unknown action {action}: one of {sorted(actions)} or behaviour")
        actions[action]()

    def say_goodbye(self, namespace: str | None, app_id: str, instance_id: str) -> bool:
        """Remove a member from its group; event loop thread only."""
        removed = self._group(namespace, app_id)[1].remove_member(instance_id)
        self._notify()
        return removed

    def snapshot(self, what: str) -> list[dict[str, Any]]:
        """Return `members` or `groups` as JSON; event loop thread only."""
        if what == "members":
            return [view.as_json() for view in self._members()]
        return [group_view(key, group).as_json() for key, group in self._node.groups.items()]

    def _worker(self, namespace: str | None, pod: str) -> PodWorker:
        """Return the newest worker of a pod's name."""
        found = [
            worker
            for worker in self._kubelet.workers.values()
            if worker.name == pod and namespace in {None, worker.namespace}
        ]
        if not found:
            raise LookupError(f"no pod {pod} on the simulated node")
        return found[-1]

    def _group(self, namespace: str | None, app_id: str) -> tuple[tuple[str, str, str], Group]:
        """Return key and group of an app."""
        for key, group in self._node.groups.items():
            if key[2] == app_id and namespace in {None, key[0]}:
                return key, group
        raise LookupError(f"nobody ever joined the group {app_id}")

    @staticmethod
    def _held(condition: Callable[[], object]) -> bool:
        """Ask a condition; a member that is not there yet is a no."""
        try:
            return bool(condition())
        except LookupError:
            return False


def raise_file_limit() -> None:
    """Allow as many open files as may be: each member needs one for its port."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
