"""Folding changes the work of a network and not what it computes."""

import pytest
import torch

from audit.features.folded import folded


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


def test_a_network_that_still_trains_is_put_into_evaluation(block):
    assert not folded(block.train()).training


def test_a_network_without_such_pairs_comes_back_as_it_is():
    network = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert folded(network) is network
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
