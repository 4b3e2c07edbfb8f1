"""The tests of the heart catch what is planted in it."""

import pytest

from house.faults import FAULTS, QUICK, caught


@pytest.mark.parametrize("number", QUICK)
def test_a_planted_fault_is_caught(number, tmp_path):
    assert caught(FAULTS[number], tmp_path), FAULTS[number]


@pytest.mark.slow
@pytest.mark.parametrize("number", [n for n in range(len(FAULTS)) if n not in QUICK])
def test_every_other_planted_fault_is_caught(number, tmp_path):
    assert caught(FAULTS[number], tmp_path), FAULTS[number]
