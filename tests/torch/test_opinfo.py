"""Every function and method that `tinytensor.torch` offers agrees with PyTorch on PyTorch's own samples of it.

On some of the samples of each dtype: `python -m tests.support.torch_opinfo` tries them all.
"""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's own tests need

from tests.support.torch_opinfo import Opinfo, op_db, variants  # noqa: E402

pytestmark = pytest.mark.peer
REAL = [op for op in op_db if not op.dtypes.isdisjoint((torch.float32, torch.int64))]
OFFERED = [op for op in REAL if any(True for _ in variants(op))]
NAMES = [f"{op.name} {op.variant_test_name}".strip() for op in OFFERED]
DTYPES = (torch.float64, torch.float32, torch.int64, torch.bool)


def test_they_are_many():
    assert len(OFFERED) > 450


@pytest.mark.parametrize("op", OFFERED, ids=NAMES)
def test_values_and_gradients(op):
    report = Opinfo(op, few=3, second=True).run(DTYPES)
    assert not report.failed
    assert report.compared


@pytest.mark.parametrize("op", [op for op in OFFERED if op.error_inputs_func], ids=lambda op: op.name)
def test_bad_input_raises_the_same_class_of_error(op):
    assert not Opinfo(op).bad_input().failed
