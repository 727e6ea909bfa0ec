"""The spaces of the project's own data set of latencies, as a reader of the data set finds them."""

import numpy as np
import pytest

from search_spaces.measured import MOBILENET, MeasuredMobileNet, MeasuredNasBench201


def test_a_network_is_written_by_the_option_taken_at_each_decision() -> None:
    genotypes = MOBILENET.sample(3, np.random.default_rng(0))
    texts = ["-".join(map(str, genotype)) for genotype in genotypes.tolist()]
    np.testing.assert_array_equal(MeasuredMobileNet().read(texts), genotypes)


def test_networks_cost_what_their_workloads_say() -> None:
    table = MeasuredMobileNet().cost_table(batch_size=2, dtype="int8")
    genotypes = MOBILENET.sample(3, np.random.default_rng(1))
    expected = [
        MOBILENET.workload(MOBILENET.decode(row), batch_size=2, dtype="int8").macs
        for row in genotypes
    ]
    assert table.macs(genotypes).tolist() == expected


@pytest.mark.parametrize("text", ["0-1", "0-1-2-3-4-5", "0-1-2-3-4-x", "0-1-2-3-4--5", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected 6 options such as 0-2-1, got"):
        MeasuredNasBench201().read([text])
