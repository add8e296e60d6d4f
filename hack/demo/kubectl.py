"""kubectl as a person uses it: each command is shown before it runs, with its output below.

In: words, maybe a manifest for standard input. Out: an `Answer`. Main thread only. The program is the control plane's
own, so none has to be installed; its cache lives in the demo's folder and goes with it.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.demo.voice import Voice
from hack.demo.world import Stuck

ROOT = Path(__file__).parents[2]
_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command; `text` is its output and its complaints."""

    code: int
    text: str


class Kubectl:
    """Runs kubectl in the root of the project, so that paths are short."""

    def __init__(self, program: Path, kubeconfig: Path, voice: Voice, *, cache: Path) -> None:
        self._words = [str(program), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}"]
        self._voice = voice

    def show(self, *words: str, manifest: str = "", discard: bool = False) -> Answer:
        """Run before the audience.

        Args:
            words: the arguments.
            manifest: goes to standard input and is shown as a here-document.
            discard: do not show the output; the command says so.
        """
        behind = " <<EOF" if manifest else " > /dev/null" if discard else ""
        self._voice.command(f"kubectl {shlex.join(words)}{behind}")
        if manifest:
            self._voice.block(f"{manifest.strip()}\nEOF")
        answer = self._run(words, manifest)
        if answer.code or not discard:
            self._voice.block(answer.text, "bad" if answer.code else "")
        return answer

    def must(self, *words: str, manifest: str = "", discard: bool = False) -> None:
        """Like `show`.

        Raises:
            Stuck: kubectl failed.
        """
        answer = self.show(*words, manifest=manifest, discard=discard)
        if answer.code:
            raise Stuck(f"`kubectl {shlex.join(words)}` ended with exit code {answer.code}")

    def _run(self, words: tuple[str, ...], manifest: str) -> Answer:
        try:
            done = subprocess.run(
                [*self._words, *words],
                cwd=ROOT,
                input=manifest,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Stuck(f"`kubectl {shlex.join(words)}` did not end within {_SECONDS:g} s") from None
        return Answer(done.returncode, f"{done.stdout}{done.stderr}".strip())
