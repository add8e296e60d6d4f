"""What the reference says beside the fields: how to read it, and where this API differs from kaspr-operator 0.18.

In: nothing. Out: texts and rows for reference.py.
"""

from __future__ import annotations

INTRODUCTION = """\
# API reference

Generated from the models by `make manifests`. Group `kaspr.io`, version `v1alpha1`, all kinds namespaced.

The API server refuses what does not fit: types, bounds, unknown fields (with strict field validation, kubectl's default) and
the rules listed under each type. What it cannot see is found by the controller, which then sets `Ready=False` with the reason
`InvalidSpec` and a message that names the field; the last valid version keeps running. The rules need Kubernetes 1.29.

A component (every kind but KasprApp) belongs to the app named by its label `kaspr.io/app`, in the same namespace. The runtime
knows it by its `metadata.name`.
"""

STRICTER: tuple[tuple[str, str], ...] = (
    (
        "`spec` missing, KasprApp `spec.storage` missing, or `persistent-claim` without `size`",
        "the old operator could not handle such an object at all",
    ),
    (
        "An agent with topic and channel, or with neither",
        "the runtime silently preferred the topic, or crashed",
    ),
    ("`topic.name` together with `topic.pattern`", "the old operator refused it when it rendered"),
    ("A topic with both or none of `name` and `nameSelector`", "the runtime does not start"),
    (
        "An operation with none or several of `map`, `filter`, `topicSend`",
        "the runtime took the first, in an order that differs between agents, tasks and web views",
    ),
    ("An operation without a name, or two with one name", "the pipeline refers to operations by name"),
    ("A pipeline naming an undefined operation", "the agent failed on its first message"),
    (
        "Operations without a pipeline; a task with an empty pipeline",
        "nothing would ever run, which was never reported",
    ),
    (
        "A schedule with cron and interval, or with neither",
        "the runtime does not start, or never runs the task",
    ),
    (
        "Cron expressions out of range, durations that are not a number and a unit",
        "the runtime does not start",
    ),
    (
        "A web view with `statusCode` and `statusCodeSelector`, or `headers` and `headersSelector`",
        "the runtime does not start",
    ),
    (
        "A web view on one of the runtime's own paths, or on a path that is no path",
        "two handlers for one path",
    ),
    ("A join of a table with itself", "its internal topics would collide"),
    (
        "A table window with both or none of `tumbling` and `hopping`; `relativeToSelector` without `custom`",
        "which one was meant could not be told",
    ),
    (
        "`paramName` that is not a usable Python name, or used twice in one operation",
        "the call fails at run time",
    ),
    (
        "scram authentication without username and `passwordSecret`; one of the two alone with `plain`",
        "the old operator crashed, or connected without the credentials that were written down",
    ),
    (
        "`pythonPackages.packages` empty, with blanks or shell text",
        "refused before when rendered, or run by a shell",
    ),
    (
        "`$NAME`, and `${NAME}` not declared in `template.pythonPackagesInitContainer.env`; more than two in one package",
        "it copied the operator's own environment into the pod; declare the variable, from a Secret if need be",
    ),
    ("`cache.type: gcs` without `gcs`", "the old operator crashed"),
    ("`installPolicy.retries: 0`", "it meant that nothing is ever installed"),
    ("Environment variables and volumes without exactly one source", "pods are refused by the API server"),
    ("A volume with the name of one of ours, a mount of a volume that does not exist", "the same"),
    (
        "A change of `storage.type` or `storage.class`; a smaller `storage.size` or `cache.size`",
        "it cannot be done",
    ),
    ("A change of `config.topicPartitions` (3 when absent)", "existing topics keep their number"),
    (
        "Known `config` keys whose value is no number or boolean, not even as text (`webPort: http`, `yes`)",
        "the app never started, without a word",
    ),
    ("`config.webPort` outside 1024 to 65535", "members run as a user that cannot open such a port"),
    (
        "Names of apps over 48 characters, of components over 55 to 58, with dots, or apps starting with a digit",
        "no pod was ever created, or the whole app stopped being updated",
    ),
    (
        "Topic names Kafka does not accept; bootstrap servers that are no host names",
        "the broker refuses them",
    ),
    (
        "Texts, lists and maps beyond generous bounds",
        "rules must have a bounded cost to be checked at admission",
    ),
)

WIDER: tuple[tuple[str, str], ...] = (
    ("KasprApp without `authentication` or `replicas`", "the defaults are no authentication and 1"),
    (
        "`config` of topics, `extraTopicConfigs`, `options`, `headers` keep their content; numbers and booleans too",
        "the old CRDs deleted the content of these maps; `retention.ms: 604800000` means what it says",
    ),
    ("`spec.name` may be left out, and is ignored", "`metadata.name` always was the name"),
    ("`schedule.timezone`", "the runtime has it"),
    ("Declaration fields and `passThrough` on every outgoing topic", "one type in the runtime"),
    (
        "All five volume kinds, `emptyDir: {}`, `sizeLimit` as a quantity",
        "the old renderer knew three of them",
    ),
    ("Whole probes, `resources.claims`, container security contexts", "they are rendered now"),
    ("Window sizes as seconds or durations", "both were documented"),
    ("`maxArchiveSize` as any quantity", "`1G` was refused"),
    ("`resourceFieldRef` in environment variables", "the fourth source of Kubernetes"),
)

LATE: tuple[tuple[str, str], ...] = (
    (
        "A missing label `kaspr.io/app`, an app that does not exist",
        "rules see no labels and no other objects",
    ),
    ("Python that does not compile, an entrypoint that is not defined", "needs a Python compiler"),
    ("References to tables, joins and channels; two web views on one path", "rules see one object"),
    (
        "Passed-through `config` keys that are no variable names, or whose values are lists or objects",
        "unknown keys",
    ),
    (
        "Keys of labels and annotations in `template`",
        "the length of map keys has no bound, so the rule costs too much",
    ),
    ("Requests above limits", "quantities may be numbers or text, which rules cannot compare"),
)
