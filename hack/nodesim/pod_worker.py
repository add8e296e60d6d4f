"""The life of one pod on the simulated node, from its binding to its deletion.

In: pod events from `kubelet`, what its process does. Out: status patches, a member process, a final DELETE. One
worker a pod, all on the simulator's event loop; nothing is repeated but what a kubelet repeats (mounts, container
configs, crash back-off).
Invariant: the status is always made from the whole state, one patch at a time, so patches never cross; a stopped
worker leaves no port open and no process alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hack.nodesim import environment, installer, pod_status, programs, volumes
from hack.nodesim.behaviour import Behaviour
from hack.nodesim.environment import ContainerConfigError, Raw, Sources
from hack.nodesim.pod_status import ContainerState, Exit
from hack.nodesim.process import Listeners, Process
from hack.nodesim.rest import STRATEGIC, ApiError
from hack.nodesim.volumes import FailedMount

if TYPE_CHECKING:
    from hack.nodesim.member import Program
    from hack.nodesim.node import Node

NO_SUCH_IMAGE = "does-not-exist"
GONE_OR_REPLACED = {404, 409}


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a member's container: what it was given. Environment values may be secret; keep it in tests."""

    namespace: str
    pod: str
    uid: str
    revision: str  # label controller-revision-hash
    image: str
    restart: int
    env: Mapping[str, str]
    files: Mapping[str, str]
    crash: str | None
    at: float  # seconds on the simulator's clock

    @property
    def hashes(self) -> dict[str, str]:
        """Return the variables whose names end in `_HASH`."""
        return {name: value for name, value in self.env.items() if name.endswith("_HASH")}


class PodWorker:
    """Runs one pod."""

    def __init__(self, pod: Raw, node: Node) -> None:
        self.pod = pod
        self.node = node
        metadata = pod["metadata"]
        self.namespace, self.name, self.uid = metadata["namespace"], metadata["name"], metadata["uid"]
        self.path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self.state = pod_status.new_state(pod, node.network.host, node.now())
        self.process: Process | None = None
        self.exit: asyncio.Future[tuple[int, str]] = node.loop.create_future()
        self.fetched: Sources | None = None
        self.log: list[str] = []
        self.script: str | None = None  # replaces the annotation until it is None again
        self.written: dict[str, Any] = {}
        self.writing: asyncio.Task[None] | None = None
        self.stale = False
        self.stopping = False
        self.task = self.spawn(self.run())

    # What the API server says

    def changed(self, pod: Raw) -> None:
        """Take the newer pod: a deletion, another script, a readiness gate that opened."""
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            if not self.stopping:
                self.stopping = True
                self.task.cancel()
                self.task = self.spawn(self.terminate())
            return
        self.behave()
        if pod["spec"].get("readinessGates"):
            self.write()

    def gone(self) -> None:
        """End at once: the pod no longer exists, or the simulator stops."""
        self.stopping = True
        self.task.cancel()
        if self.writing is not None:
            self.writing.cancel()
        self.end_process(kill=True)

    def behaviour(self) -> Behaviour:
        """Return the script in force."""
        return self.node.behaviour(self.pod, self.script)

    def behave(self) -> None:
        """Hand a changed script to the running process."""
        if self.process is not None and self.behaviour() != self.process.member.behaviour:
            self.process.member.behave(self.behaviour())

    # The life

    def spawn(self, life: Awaitable[None]) -> asyncio.Task[None]:
        """Run something of this pod's life."""
        return asyncio.create_task(self.guarded(life), name=f"{self.namespace}/{self.name}")

    async def guarded(self, life: Awaitable[None]) -> None:
        """Let no fault pass unseen: a test would only wait for ever."""
        try:
            await life
        except Exception as error:  # noqa: BLE001  # reported by the simulator when it stops
            self.node.failed(f"{self.namespace}/{self.name}", error)

    async def run(self) -> None:
        """Bring the pod up and keep its member running."""
        timings = self.node.timings
        await self.mounted()
        await self.images_there()
        await self.initialize()
        crashes = 0
        while True:
            self.exit = self.node.loop.create_future()
            await self.start_containers()
            began = self.node.loop.time()
            code, words = await self.exit
            ran = self.node.loop.time() - began
            crashes = 1 if ran > timings.scaled(timings.crash_backoff_reset) else crashes + 1
            await self.back_off(crashes, code, words)

    async def mounted(self) -> None:
        """Wait until every volume can be set up."""
        told = False
        while True:
            try:
                await self.node.claims_bound(self.namespace, volumes.claims(self.pod))
                sources = await self.node.sources(self.pod)
                volumes.contents(self.pod, sources)
            except FailedMount as fault:
                if not told:
                    await self.node.event(self.pod, "FailedMount", str(fault))
                    self.write()
                told = True
                await self.sleep(self.node.timings.mount_retry)
            else:
                break
        self.state.pod_ip = next(self.node.network.fresh)
        if not self.state.init:  # the containers start now, with what was just fetched
            self.fetched = sources

    async def images_there(self) -> None:
        """Wait for ever for an image that cannot be pulled."""
        missing = [one for one in self.state.all if NO_SUCH_IMAGE in one.image]
        if not missing:
            return
        for reason in ("ErrImagePull", "ImagePullBackOff"):
            for one in missing:
                one.waiting, one.message = reason, f'failed to pull and unpack image "{one.image}": not found'
            self.write()
            await self.sleep(self.node.timings.crash_backoff)
        await asyncio.Event().wait()

    async def initialize(self) -> None:
        """Run the init containers one after the other."""
        for one, container in zip(self.state.init, self.pod["spec"].get("initContainers") or (), strict=True):
            await self.configured(one, container)
            while (end := await self.run_init(one, container)).code != 0:
                one.last = end
                await self.wait_back_off(one, one.restarts + 1)
                one.restarts += 1
            one.done, one.ready = end, True
        self.state.initialized = True

    async def run_init(self, one: ContainerState, container: Raw) -> Exit:
        """Run an init container once and return how it ended."""
        script = self.behaviour()
        one.running, one.started_at = True, self.node.now()
        self.write()
        seconds = script.init_seconds
        await self.sleep(self.node.timings.init_container if seconds is None else seconds)
        one.running = False
        now = self.node.now()
        code, words = installer.outcome(container, self.behaviour(), hostname=self.name, now=now)
        return Exit(code, words, one.started_at, now)

    async def configured(self, one: ContainerState, container: Raw) -> tuple[dict[str, str], dict[str, str]]:
        """Return environment and files of a container as soon as everything they name exists."""
        while True:
            sources, self.fetched = self.fetched or await self.node.sources(self.pod), None
            status = {"podIP": self.state.pod_ip, "hostIP": self.state.host_ip}
            try:
                inside = volumes.contents(self.pod, sources)
                env = environment.resolve({**self.pod, "status": status}, container, sources)
                return env, volumes.files(container, inside)
            except (ContainerConfigError, FailedMount) as fault:
                one.waiting, one.message = "CreateContainerConfigError", str(fault)
                self.write()
                await self.sleep(self.node.timings.mount_retry)

    async def start_containers(self) -> None:
        """Start every container that does not run; the first Kaspr container is the member."""
        for one, container in zip(self.state.containers, self.pod["spec"]["containers"], strict=True):
            if one.running:
                continue
            env, files = await self.configured(one, container)
            if one.last is None:
                await self.sleep(self.node.timings.container)
            one.running, one.started_at, one.message = True, self.node.now(), ""
            one.ready = not container.get("readinessProbe")
            if self.process is None and programs.is_member(container):
                program = programs.program(env, files, hostname=self.name, order=self.node.order)
                self.record(one, program, env, files)
                self.start_process(one, container, program)
        self.write()

    def start_process(self, one: ContainerState, container: Raw, program: Program) -> None:
        """Start the process of a Kaspr container."""

        def ready(passing: bool) -> None:  # noqa: FBT001  # a callback
            one.ready = passing
            self.write()

        group = self.node.group(self.namespace, program.settings) if program.settings else None
        self.process = Process(
            self.name,
            self.state.pod_ip,
            container,
            program,
            group,
            scheduler=self.node.loop,
            timings=self.node.timings,
            on=Listeners(ready=ready, ended=self.process_ended, changed=self.node.notify),
        )
        self.process.start(self.behaviour())

    def record(
        self, one: ContainerState, program: Program, env: dict[str, str], files: dict[str, str]
    ) -> None:
        """Remember what a start was given."""
        self.log.extend(program.app.warnings)
        start = Start(
            namespace=self.namespace,
            pod=self.name,
            uid=self.uid,
            revision=(self.pod["metadata"].get("labels") or {}).get("controller-revision-hash", ""),
            image=one.image,
            restart=one.restarts,
            env=env,
            files=files,
            crash=program.crash.message if program.crash else None,
            at=self.node.loop.time(),
        )
        self.node.starts.append(start)

    def process_ended(self, code: int, words: str) -> None:
        """Hand the end of the process to `run`."""
        self.process = None
        self.log.append(words)
        if not self.exit.done():
            self.exit.set_result((code, words))

    async def back_off(self, crashes: int, code: int, words: str) -> None:
        """Note the end of the member's process, and wait longer the more often it ended."""
        for one, container in zip(self.state.containers, self.pod["spec"]["containers"], strict=True):
            if not programs.is_member(container):
                continue
            # Without this policy a kubelet takes the message from a file that the runtime never writes.
            shown = container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
            one.last = Exit(code, words if shown else "", one.started_at, self.node.now())
            one.running = one.ready = False
            if crashes > 1:  # the first restart comes at once
                await self.wait_back_off(one, crashes - 1)
            one.restarts += 1

    async def wait_back_off(self, one: ContainerState, failures: int) -> None:
        """Show CrashLoopBackOff and sit through it: 10 s, doubled each time, at most 5 min."""
        timings = self.node.timings
        # 2**5 is beyond the limit already; the cap keeps the number small.
        seconds = min(timings.crash_backoff * 2 ** min(failures - 1, 5), timings.crash_backoff_limit)
        one.waiting = "CrashLoopBackOff"
        one.message = (
            f"back-off {seconds:g}s restarting failed container={one.name} pod={self.name}_{self.namespace}"
        )
        self.write()
        await self.sleep(seconds)

    async def terminate(self) -> None:
        """Stop the member (a frozen one only dies when the grace period is over), then free the name."""
        if self.process is not None:
            grace = self.pod["metadata"].get("deletionGracePeriodSeconds", 30)
            frozen = self.process.member.frozen
            await self.sleep(grace if frozen else min(grace, self.node.timings.stopping))
        self.end_process(kill=False)
        await self.node.api.delete(self.path, gracePeriodSeconds=0, preconditions={"uid": self.uid})

    def end_process(self, *, kill: bool) -> None:
        """Stop the process if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.stop(kill=kill)

    # The status

    def write(self) -> None:
        """Have the status written; several changes in a row make one patch."""
        self.stale = True
        if self.writing is None or self.writing.done():
            self.writing = self.spawn(self.write_all())

    async def write_all(self) -> None:
        """Patch until the API server has what the state says."""
        while self.stale and not self.stopping:
            self.stale = False
            status = pod_status.status(self.pod, self.state, self.node.now())
            if status == self.written:
                continue
            body = {"metadata": {"uid": self.uid}, "status": status}
            try:
                await self.node.api.patch(f"{self.path}/status", body, STRATEGIC)
                self.written = status
            except ApiError as error:
                if error.status not in GONE_OR_REPLACED:  # its DELETED event is on the way
                    raise
        self.node.notify()

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many real seconds, scaled."""
        return asyncio.sleep(self.node.timings.scaled(seconds))
