"""The machine that the tests run on, as far as it can be known."""

from dataclasses import fields

from latency_models import host_device


def test_float32_peak_is_the_vectors_times_cores_and_clock() -> None:
    host = host_device()
    assert host.vector_bits is not None
    assert host.cores is not None
    assert host.frequency_hz is not None
    # Two multiply-add units, two FLOPs each, a lane for every 32 bits.
    expected = host.cores * host.frequency_hz * 4 * (host.vector_bits / 32)
    assert abs(host.peak_flops_per_s["float32"] / expected - 1) < 1e-12


def test_every_figure_of_the_host_names_its_source() -> None:
    host = host_device()
    given = {f.name for f in fields(host) if getattr(host, f.name) not in (None, (), {})}
    assert given - {"name", "kind", "sources"} == set(host.sources)


def test_caches_of_the_host_have_bandwidths() -> None:
    assert all((cache.bandwidth_bytes_per_s or 0) > 0 for cache in host_device().caches)
