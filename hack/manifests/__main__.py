"""`python -m hack.manifests [--check]`: write the generated files, or fail when one is stale.

In: the models of kaspr_controller.api, the settings, the permissions, the reasons of conditions. Out: everything below
manifests/, the generated part of the chart (`chart.py`), the locks of hack/image, and the pages docs/configuration.md,
docs/rbac.md, docs/runbooks/README.md and all of docs/reference. `make manifests` writes, `make verify` and CI check.
Invariant: equal models give equal bytes, so a check needs no cluster and no clock.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import sys
from pathlib import Path

from hack.image import locks
from hack.manifests import chart, conditions, configuration, crds, installation, monitoring, reference, rights

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "kaspr-controller"
FOLDERS = (
    ROOT / "manifests",
    CHART / "files" / "crds",
    CHART / "files" / "rbac",
    CHART / "files" / "dashboards",
)
"""Everything in them is generated."""
DIFF_LINES = 40


def files() -> dict[Path, str]:
    """Every generated file with its text."""
    return {
        **locks.files(),
        **{ROOT / "manifests" / "crds" / name: text for name, text in crds.files().items()},
        **{ROOT / "manifests" / name: text for name, text in installation.files().items()},
        **{CHART / name: text for name, text in chart.files().items()},
        ROOT / "docs" / "configuration.md": configuration.text(),
        ROOT / "docs" / "rbac.md": rights.text(),
        ROOT / "docs" / "reference" / "api.md": reference.text(),
        ROOT / "docs" / "reference" / "conditions.md": conditions.text(),
        ROOT / "docs" / "reference" / "metrics.md": monitoring.reference(),
        ROOT / "docs" / "runbooks" / "README.md": monitoring.alerts(),
    }


def write(wanted: dict[Path, str]) -> list[Path]:
    """Write what differs, remove files of kinds that are gone; the paths that changed."""
    changed = stale(wanted)
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return changed


def stale(wanted: dict[Path, str]) -> list[Path]:
    """Generated files that are missing, different or left over."""
    left_over = {path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()} - wanted.keys()
    differing = {
        path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text
    }
    return sorted(differing | left_over)


def main() -> None:
    """Exit with 1 when `--check` finds a stale file."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.manifests", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    wanted = files()
    if not parser.parse_args().check:
        for path in write(wanted):
            print(f"manifests: wrote {path.relative_to(ROOT)}")
        return
    found = stale(wanted)
    for path in found:
        print(f"manifests: {path.relative_to(ROOT)} is stale; run make manifests")
        have = path.read_text("utf-8") if path.exists() else ""
        difference = difflib.unified_diff(
            have.splitlines(), wanted.get(path, "").splitlines(), "have", "want", lineterm=""
        )
        print(*itertools.islice(difference, DIFF_LINES), sep="\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
