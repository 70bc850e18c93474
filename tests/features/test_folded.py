"""Folding changes the work of a network and not what it computes."""

import copy
import pickle

import pytest
import torch

from audit.features.folded import Packed, folded


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8)
        self.downsample = torch.nn.Sequential(torch.nn.Conv2d(8, 4, 1, bias=False), torch.nn.BatchNorm2d(4))

    def forward(self, rows):
        return self.downsample(torch.relu(self.bn1(self.conv1(rows))))


@pytest.fixture
def block():
    torch.manual_seed(0)
    made = Block()
    with torch.no_grad():
        made(torch.randn(16, 3, 12, 12) * 3 + 1)  # running averages away from 0 and 1
    return made.eval()


def test_the_same_function_with_no_normalisation_left(block):
    rows = torch.randn(2, 3, 12, 12)
    with torch.inference_mode():
        wanted = block(rows)
        found = folded(block)(rows)
    assert not [each for each in block.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    assert block.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_packed_weights_serve_every_shape_and_torch_builds_that_cannot_pack(block, monkeypatch):
    shapes = (2, 3, 12, 12), (1, 3, 20, 9), (2, 3, 12, 12)
    rows = [torch.randn(shape) for shape in shapes]
    with torch.inference_mode():
        wanted = [block(each) for each in rows]
        plain = copy.deepcopy(block)
        packed = folded(block)
        assert isinstance(packed.conv1, Packed) == Packed.possible(plain.conv1)
        monkeypatch.setattr(Packed, "possible", lambda convolution: False)
        assert type(folded(plain).conv1) is torch.nn.Conv2d
        for each, known in zip(rows, wanted, strict=True):
            torch.testing.assert_close(packed(each), known, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(plain(each), known, rtol=1e-5, atol=1e-6)


def test_a_network_in_use_can_be_copied_and_pickled(block):
    rows = torch.randn(1, 3, 12, 12)
    with torch.inference_mode():
        wanted = folded(block)(rows)
        assert torch.equal(copy.deepcopy(block)(rows), wanted)
        assert torch.equal(pickle.loads(pickle.dumps(block))(rows), wanted)


def test_a_convolution_that_pads_by_name_or_by_mirrors_is_left_to_torch():
    for how in ({"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}):
        assert not Packed.possible(torch.nn.Conv2d(3, 4, 3, **how))


def test_a_folded_network_still_has_gradients(block):
    rows = torch.randn(1, 3, 12, 12, requires_grad=True)
    folded(block)(rows).sum().backward()
    assert rows.grad.abs().sum() > 0


def test_a_network_that_still_trains_is_put_into_evaluation(block):
    assert not folded(block.train()).training


def test_a_network_without_such_pairs_comes_back_as_it_is():
    network = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert folded(network) is network
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
