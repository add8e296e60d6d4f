"""The image of a kind node, built without any container registry.

In: Debian's packages, kind's Go module (its files for a node), the programs of `go/`. Out: the tag of an image that kind
takes as a node, with the images of Kubernetes' own pods inside. Called by `node_source.py`. Half a minute after the
programs and the base are there. Invariant: the tag names everything that goes in, and no other image stays behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from hack.controlplane import assets, building
from hack.kind import debian, pins, programs
from hack.kind.running import KindError, run, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.sources import Say

FILES = Path(__file__).with_name("node")
CONTAINERD_SECONDS = 30.0
# PID 1 of kind's node is systemd, which stops at this signal.
LAST_LAYER = "FROM {loaded}\nSTOPSIGNAL SIGRTMIN+3\n"
# How the names of images tell what is in them; everything else is in `kubenode`.
OWN_CONTENT = {
    "kube-proxy": "node",
    "coredns": "dns",
    "pause": "pause",
    "local-path-helper": "node",
    "local-path-provisioner": programs.PROVISIONER,
}


def tag() -> str:
    """What the image is called, whether there is one or not."""
    digest = hashlib.sha256(repr([pins.KIND, pins.DEBIAN, pins.NODE_PACKAGES]).encode())
    for path in [*sorted(FILES.iterdir()), Path(__file__), Path(debian.__file__)]:
        digest.update(path.read_bytes())
    return f"kaspr/kind-node:{programs.RECIPE.key}-{digest.hexdigest()[:12]}"


def exists() -> bool:
    """Whether the image is in the engine."""
    return succeeds(["docker", "image", "inspect", tag()])


def build(say: Say) -> str:
    """The tag of the image, which is built when there is none.

    Raises:
        KindError: a part of it is not to be had; says which.
    """
    if exists():
        return tag()
    binaries = programs.fetch(say)
    with assets.exclusive(programs.cache_root() / "node-image.lock", say):
        if not exists():
            base = debian.image(pins.DEBIAN, pins.NODE_PACKAGES, say)
            say(f"putting the node image {tag()} together")
            _assemble(base, binaries, say)
    return tag()


def _assemble(base: str, binaries: Path, say: Say) -> None:
    prefix = f"kaspr/part-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="kaspr-node-") as name, _parts() as parts:
        context = Path(name)
        images = _root_files(context / "rootfs", binaries, say)
        shutil.copy(FILES / "Dockerfile", context)
        parts.append(node := f"{prefix}:node")
        run(["docker", "build", "--quiet", f"--build-arg=BASE={base}", f"--tag={node}", context])
        names = _component_images(context, binaries, node, [*images, *_asked_for(context, binaries)], parts)
        archive = context / "images.tar"
        run(["docker", "save", f"--output={archive}", *names])
        parts.append(loaded := f"{prefix}:loaded")
        _preload(node, archive, loaded)
        run(["docker", "build", "--quiet", f"--tag={tag()}", "-"], text=LAST_LAYER.format(loaded=loaded))


@contextlib.contextmanager
def _parts() -> Iterator[list[str]]:
    """A list of images that only serve to build another one; their names are taken away in the end."""
    parts: list[str] = []
    try:
        yield parts
    finally:
        if parts:
            succeeds(["docker", "image", "rm", *reversed(parts)])


def _root_files(root: Path, binaries: Path, say: Say) -> list[str]:
    """Everything that is laid over the packages; gives the images that the storage manifest asks for."""
    module = _kind_module(say)
    source = module / "images" / "base" / "files"
    for path in sorted(source.rglob("*")):
        if path.is_file():
            inside = path.relative_to(source)
            is_program = inside.is_relative_to("usr/local/bin") or inside.is_relative_to("kind/bin")
            _put(path, root / inside, 0o755 if is_program else 0o644)
    _put(FILES / "runc", root / "usr/local/sbin/runc", 0o755)
    _put(FILES / "10-pods.conflist", root / "etc/cni/net.d/10-pods.conflist", 0o644)
    manifest, images = storage((module / "pkg/build/nodeimage/const_storage.go").read_text())
    (root / "kind/manifests").mkdir()
    (root / "kind/manifests/default-storage.yaml").write_text(manifest)
    (root / "etc/kubernetes/manifests").mkdir(parents=True)
    (root / "kind/version").write_text(programs.RECIPE.kubernetes)
    _put(binaries / "kubenode", root / "usr/bin/kubenode", 0o755)
    for name in ("kubelet", "kubeadm", "kubectl"):
        (root / "usr/bin" / name).symlink_to("kubenode")
    # Where kubeadm's DaemonSet expects it. That pod runs in this same root, because it needs iptables.
    (root / "usr/local/bin/kube-proxy").symlink_to("/usr/bin/kubenode")
    return images


def storage(source: str) -> tuple[str, list[str]]:
    """The manifest of kind's default storage class and the images in it, from the Go file that holds them as constants."""
    images = dict(re.findall(r'^const (\w+) = "(\S+)"$', source, re.MULTILINE))
    manifest = re.search(r"^const defaultStorageManifest = `(.+?\n)`$", source, re.MULTILINE | re.DOTALL)
    if manifest is None or not images:
        raise KindError(f"kind {pins.KIND} has its storage manifest in another form than expected")
    return re.sub(r"` \+ (\w+) \+ `", lambda found: images[found[1]], manifest[1]), list(images.values())


def content(name: str) -> str:
    """Which of our images stands behind the name of a component's image."""
    return next((own for word, own in OWN_CONTENT.items() if word in name), "kubenode")


def _put(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _kind_module(say: Say) -> Path:
    go = building.find_go(assets.cache_root(), say)
    words = [str(go), "mod", "download", "-json", f"sigs.k8s.io/kind@{pins.KIND}"]
    answer = json.loads(run(words, cwd=Path("/"), env={**os.environ, "GOWORK": "off"}))
    return Path(answer["Dir"])


def _component_images(
    context: Path, binaries: Path, node: str, names: list[str], parts: list[str]
) -> list[str]:
    """Make the images of Kubernetes' own pods, under the names by which they are asked for."""
    prefix = node.rpartition(":")[0]
    made = {"node": node}
    for name in programs.PACKAGES:
        folder = context / name
        _put(binaries / name, folder / "bin" / name, 0o755)
        lines = ["FROM scratch", "COPY bin/ /usr/local/bin/", "ENV PATH=/usr/local/bin"]
        if name == "kubenode":
            for program in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
                (folder / "bin" / program).symlink_to(name)
        else:
            lines.append(f'ENTRYPOINT ["/usr/local/bin/{name}"]')
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
        made[name] = f"{prefix}:{name}"
        run(["docker", "build", "--quiet", f"--tag={made[name]}", folder])
        parts.append(made[name])
    for name in names:
        run(["docker", "tag", made[content(name)], name])
        parts.append(name)
    return names


def _asked_for(context: Path, binaries: Path) -> list[str]:
    words = [str(binaries / "kubenode"), "kubeadm", "config", "images", "list"]
    listed = run([*words, "--kubernetes-version", programs.RECIPE.kubernetes]).split()
    configuration = (context / "rootfs/etc/containerd/config.toml").read_text()
    sandbox = re.search(r'^\s*sandbox_image = "(.+)"$', configuration, re.MULTILINE)
    if sandbox is None:
        raise KindError(f"kind {pins.KIND} names no sandbox image in its configuration of containerd")
    return sorted({*listed, sandbox[1]})


def _preload(node: str, archive: Path, loaded: str) -> None:
    """Import images into the node's containerd, as kind does when it builds a node image."""
    container = run(["docker", "run", "--detach", "--privileged", "--entrypoint=containerd", node])
    try:
        deadline = time.monotonic() + CONTAINERD_SECONDS
        while not succeeds(["docker", "exec", container, "ctr", "version"]):
            if time.monotonic() > deadline:
                raise KindError(
                    f"containerd does not answer in {node}:\n{run(['docker', 'logs', container])}"
                )
            time.sleep(0.2)
        # Not unpacked: that would be into a file system on top of another of its kind.
        command = ["ctr", "--namespace=k8s.io", "images", "import", "--no-unpack", "-"]
        with archive.open("rb") as file:
            run(["docker", "exec", "--interactive", container, *command], stdin=file)
        run(["docker", "stop", container])
        entry = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        run(["docker", "commit", f"--change={entry}", container, loaded])
    finally:
        succeeds(["docker", "rm", "--force", "--volumes", container])
