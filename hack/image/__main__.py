"""`python -m hack.image build|base|size|sbom`: the container image of the controller.

In: words and switches of the command line; `make image` and `make sbom` give them. Out: a local image, lines about it, or
its bill of materials. Exit code 2 when something is missing, with what to do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hack.image import bases, building, sbom
from hack.image.bases import ImageError


def main() -> int:
    """Run one command."""
    arguments = _parser().parse_args()
    try:
        _run(arguments)
    except ImageError as error:
        sys.stderr.write(f"image: {error}\n")
        return 2
    return 0


def _run(arguments: argparse.Namespace) -> None:
    image = arguments.image or building.default_image()
    if arguments.command == "base":
        print(*bases.ensure(_say), sep="\n")
    elif arguments.command == "build":
        choice = building.Choice(image, arguments.base, arguments.build_base, arguments.platforms)
        building.build(choice, _say)
        if not arguments.platforms:
            print(building.describe(image))
    elif arguments.command == "size":
        print(building.describe(image))
    else:
        path = Path(arguments.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sbom.text(image), "utf-8")
        print(f"image: wrote {path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.image", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("build", "base", "size", "sbom"))
    parser.add_argument("--image", default="", help="name of the image; default: kaspr-controller:VERSION")
    parser.add_argument(
        "--base", default="", help="public, local, or an image to run in; default: what answers"
    )
    parser.add_argument("--build-base", default="", help="an image to build in; default: as --base")
    parser.add_argument(
        "--platforms", default="", help="for buildx: linux/amd64,linux/arm64; more than one is pushed"
    )
    parser.add_argument("--output", default="dist/sbom.cdx.json", help="file of the bill of materials")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
