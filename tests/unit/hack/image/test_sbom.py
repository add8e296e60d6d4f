"""The bill of materials: what is read from the files of an image."""

from __future__ import annotations

from hack.image import sbom


def test_python_packages_are_read_from_their_metadata() -> None:
    """Name in its normal spelling, version, licence; a licence that is a whole text is left out."""
    files = {
        "opt/kaspr-controller/PyYAML-6.0.3.dist-info/METADATA": b"Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0.3\nLicense: MIT\n\nText",
        "opt/kaspr-controller/kafka_python-3.dist-info/METADATA": b"Name: kafka_python\nVersion: 3\nLicense-Expression: Apache-2.0\n",
        "opt/kaspr-controller/yaml/METADATA": b"Name: none\nVersion: 0\n",
    }
    found = {component["purl"]: component for component in sbom._python(files)}
    assert found.keys() == {"pkg:pypi/pyyaml@6.0.3", "pkg:pypi/kafka-python@3"}
    assert found["pkg:pypi/pyyaml@6.0.3"]["licenses"] == [{"license": {"name": "MIT"}}]
    assert found["pkg:pypi/kafka-python@3"]["licenses"] == [{"license": {"name": "Apache-2.0"}}]


def test_system_packages_are_read_in_both_forms_of_records() -> None:
    """One file for all, or one for each as in images without a package manager; removed packages do not count."""
    one = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nDescription: x\n more\n"
    gone = (
        "Package: vim\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\nDescription: x\n"
    )
    single = "Package: zlib1g\nArchitecture: amd64\nVersion: 1:1.2\n"
    files = {
        "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
        "var/lib/dpkg/status": f"{one}\n{gone}".encode(),
        "var/lib/dpkg/status.d/zlib1g": single.encode(),
    }
    assert [component["purl"] for component in sbom._debian(files)] == [
        "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
        "pkg:deb/debian/zlib1g@1:1.2?arch=amd64&distro=debian-12",
    ]
