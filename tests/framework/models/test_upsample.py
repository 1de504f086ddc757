import pytest
import torch

from framework.models.upsample import DoublingConvTranspose2d


@pytest.mark.parametrize("shape", [(2, 9, 7, 7), (1, 3, 14, 14), (3, 27, 2, 2), (2, 4, 5, 3)])
def test_outputs_and_gradients_are_those_of_torch(shape):
    layer = DoublingConvTranspose2d(shape[1], 3).double()
    reference = torch.nn.ConvTranspose2d(shape[1], 3, kernel_size=4, stride=2, padding=1).double()
    reference.load_state_dict(layer.state_dict())
    images = torch.randn(shape, dtype=torch.float64)
    weigh = torch.randn(shape[0], 3, 2 * shape[2], 2 * shape[3], dtype=torch.float64)
    for module in (layer, reference):
        (module(images) * weigh).sum().backward()
    torch.testing.assert_close(layer(images), reference(images))
    torch.testing.assert_close(layer.weight.grad, reference.weight.grad)
    torch.testing.assert_close(layer.bias.grad, reference.bias.grad)


def test_only_weight_and_bias_are_saved():
    assert set(DoublingConvTranspose2d(2, 3).state_dict()) == {"weight", "bias"}
