"""`python -m bench.in_pod FOLDER ARGUMENTS...`: the controller as it runs in a pod.

In: a folder with `token`, `ca.crt` and `namespace`, as a kubelet mounts it, and the address in `KUBERNETES_SERVICE_HOST`
and `_PORT`; arguments of `kaspr-controller`. A kubeconfig would do too, but reading one imports a package that no pod
needs, 10 MiB and half a second, and both are measured here. Run by `subjects.py` as the subject's process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kaspr_controller.__main__ import main
from kaspr_controller.kube.credentials import in_cluster

if __name__ == "__main__":
    assert in_cluster.__kwdefaults__  # noqa: S101  # the folder is a keyword with a default
    in_cluster.__kwdefaults__["folder"] = Path(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
