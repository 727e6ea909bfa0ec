"""Real devices, every figure with its source.

A source is the address of the page or file that the figure was read in, or the arithmetic that
gives it with the addresses of what goes into it. Those pages are often not the maker's own.
"copy of" marks a document that was read only in somebody's copy: the address is the document's,
not the copy's. What could not be read anywhere, nor follows from what was, is absent.

GPU peaks are dense, half of what is published "with sparsity", at the boost clock; float16 and
bfloat16 ones are those of the matrix units with float32 accumulation, where there are such units,
float32 ones those of the ordinary units. CPU peaks are cores x clock x FLOPs a cycle at the base
clock, a phone's at the highest. Memory sizes are in binary units, "16 GB" being 16 GiB.
"""

from collections.abc import Mapping
from types import MappingProxyType

from latency_models.device_spec import DeviceSpec
from latency_models.devices.accelerators import ACCELERATORS
from latency_models.devices.apple import APPLE
from latency_models.devices.boards import BOARDS
from latency_models.devices.datacentre_gpus import DATACENTRE_GPUS
from latency_models.devices.desktop_gpus import DESKTOP_GPUS
from latency_models.devices.intel_cpus import INTEL_CPUS
from latency_models.devices.jetsons import JETSONS
from latency_models.devices.mcus import MCUS
from latency_models.devices.phones import PHONES
from latency_models.devices.recent_phones import RECENT_PHONES
from latency_models.devices.server_cpus import SERVER_CPUS
from latency_models.devices.tpus import TPUS

DEVICES: Mapping[str, DeviceSpec] = MappingProxyType(
    {
        spec.name: spec
        for family in (
            BOARDS,
            INTEL_CPUS,
            SERVER_CPUS,
            DESKTOP_GPUS,
            DATACENTRE_GPUS,
            JETSONS,
            TPUS,
            PHONES,
            RECENT_PHONES,
            APPLE,
            ACCELERATORS,
            MCUS,
        )
        for spec in family
    }
)
