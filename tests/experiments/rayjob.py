"""The schema of a RayJob's own fields, as KubeRay's API reference documents them for ray.io/v1.

No package index carries the custom resource's own schema, so it is written down here as far as the
example goes; pod templates in it are Kubernetes' and are checked against Kubernetes' schema.
"""

from typing import Any

POD_TEMPLATE: dict[str, Any] = {"type": "object", "required": ["spec"]}
START_PARAMETERS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}


def record(required: list[str], **properties: Any) -> dict[str, Any]:
    """A mapping of these fields and no others."""
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


HEAD = record(
    ["rayStartParams", "template"], rayStartParams=START_PARAMETERS, template=POD_TEMPLATE
)
WORKERS = record(
    ["groupName", "rayStartParams", "template"],
    groupName={"type": "string"},
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    rayStartParams=START_PARAMETERS,
    template=POD_TEMPLATE,
)
CLUSTER = record(
    ["headGroupSpec"],
    rayVersion={"type": "string"},
    authOptions=record([], mode={"enum": ["disabled", "token"]}),
    headGroupSpec=HEAD,
    workerGroupSpecs={"type": "array", "items": WORKERS},
)
RAYJOB = record(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"type": "object", "required": ["name"]},
    spec=record(
        ["rayClusterSpec"],
        entrypoint={"type": "string"},
        backoffLimit=COUNT,
        activeDeadlineSeconds=COUNT,
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        runtimeEnvYAML={"type": "string"},
        submitterPodTemplate=POD_TEMPLATE,
        rayClusterSpec=CLUSTER,
    ),
)
