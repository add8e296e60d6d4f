"""The bill of materials of an image, in CycloneDX 1.6 JSON: what is inside, each with version and package URL.

In: an image of the local engine. Out: one JSON text. Read from the image itself, not from what should be in it: the Python
packages by their metadata, the system packages by dpkg's records, in whichever of the two forms the base has them.
Invariant: equal images give equal bytes; there is no time and no random number in it.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import uuid
from email.parser import BytesHeaderParser
from typing import Any

from hack.image.bases import ImageError

_METADATA = re.compile(r"(?:.*/)?[^/]+\.dist-info/METADATA")
_DPKG = re.compile(r"var/lib/dpkg/status(?:\.d/[^/]+)?")
_RELEASE = ("etc/os-release", "usr/lib/os-release")

Component = dict[str, Any]


def text(image: str) -> str:
    """The document.

    Raises:
        ImageError: there is no such image.
    """
    inspected = _docker("image", "inspect", image)
    facts = json.loads(inspected)[0]
    files = _files(image)
    found = _python(files) + _debian(files)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, facts['Id'])}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": facts["Id"],
                "name": image,
                "version": facts["Id"],
                "properties": [
                    {"name": name, "value": value}
                    for name, value in sorted((facts["Config"].get("Labels") or {}).items())
                ],
            }
        },
        "components": sorted(found, key=lambda component: str(component["purl"])),
    }
    return json.dumps(document, indent=2) + "\n"


def _python(files: dict[str, bytes]) -> list[Component]:
    found = []
    for name, content in files.items():
        if _METADATA.fullmatch(name):
            head = BytesHeaderParser().parsebytes(content)
            package = re.sub(r"[-_.]+", "-", str(head["Name"])).lower()
            license_ = head["License-Expression"] or head["License"]
            found.append(
                _component(
                    package,
                    str(head["Version"]),
                    f"pkg:pypi/{package}@{head['Version']}",
                    str(license_ or "").strip(),
                )
            )
    return found


def _debian(files: dict[str, bytes]) -> list[Component]:
    release = next((files[name].decode() for name in _RELEASE if name in files), "")
    distribution = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', release, re.MULTILINE))
    where = f"{distribution.get('ID', 'debian')}-{distribution.get('VERSION_ID', '0')}"
    found = []
    for name, content in files.items():
        if not _DPKG.fullmatch(name):
            continue
        for paragraph in content.decode().split("\n\n"):
            fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", paragraph, re.MULTILINE))
            if "Package" in fields and "installed" in fields.get("Status", "installed").split():
                purl = f"pkg:deb/debian/{fields['Package']}@{fields['Version']}?arch={fields['Architecture']}&distro={where}"
                found.append(_component(fields["Package"], fields["Version"], purl, ""))
    return found


def _component(name: str, version: str, purl: str, license_: str) -> Component:
    # Old metadata holds whole licence texts.
    named = bool(license_) and "\n" not in license_
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        **({"licenses": [{"license": {"name": license_}}]} if named else {}),
    }


def _files(image: str) -> dict[str, bytes]:
    """The files of the image that say what is in it."""
    container = _docker("create", image).decode().strip()
    try:
        found: dict[str, bytes] = {}
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as exported,
            tarfile.open(fileobj=exported.stdout, mode="r|") as archive,
        ):
            for entry in archive:
                known = (
                    _METADATA.fullmatch(entry.name) or _DPKG.fullmatch(entry.name) or entry.name in _RELEASE
                )
                if known and entry.isreg() and (content := archive.extractfile(entry)):
                    found[entry.name] = content.read()
        return found
    finally:
        _docker("rm", container)


def _docker(*arguments: str) -> bytes:
    done = subprocess.run(["docker", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise ImageError(f"docker {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout
