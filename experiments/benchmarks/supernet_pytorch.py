"""A supernet of MobileNetV3 blocks in PyTorch, timed step by step for another process.

Only for the benchmarks beside it, which start it with a Python that has PyTorch and NumPy and
interleave its steps with their own. Every layer holds the largest block's weights and runs on
slices of them: smaller kernels are the centre of the larger one times a learned matrix, as in
Once-for-All (Cai et al., ICLR 2020, section 3.3). Batch norm uses the batch's statistics and keeps
no running ones.

One JSON object a line on standard input asks, one on standard output answers; `ANSWERS` lists them.
"""

import json
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

MOMENTUM = 0.9
LAYOUTS = {"channels_last": torch.channels_last, "default": torch.contiguous_format}
ACTIVATIONS = {
    "relu": lambda x: functional.relu(x, inplace=True),
    "hard_swish": lambda x: functional.hardswish(x, inplace=True),
}


class ConvNorm(nn.Module):
    """Convolution, batch norm, activation; runs with the first channels of its weights."""

    def __init__(self, shape, *, stride=1, depthwise=False, function=""):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(shape) * 0.1)
        self.scale = nn.Parameter(torch.ones(shape[0]))
        self.shift = nn.Parameter(torch.zeros(shape[0]))
        self.stride, self.depthwise, self.function = stride, depthwise, function
        self.transforms = nn.ParameterDict()

    def forward(self, x, channels, kernel):
        weight = self.kernel[:channels, : 1 if self.depthwise else x.shape[1]]
        for large, small in ((7, 5), (5, 3)):
            if weight.shape[-1] == large and kernel < large:
                edge = (large - small) // 2
                centre = weight[:, :, edge : edge + small, edge : edge + small]
                flat = functional.linear(
                    centre.reshape(channels, -1), self.transforms[f"{large}to{small}"]
                )
                weight = flat.reshape(channels, 1, small, small)
        groups = channels if self.depthwise else 1
        y = functional.conv2d(
            x, weight, stride=self.stride, padding=weight.shape[-1] // 2, groups=groups
        )
        scale, shift = self.scale[:channels], self.shift[:channels]
        y = functional.batch_norm(y, None, None, scale, shift, training=True)
        return ACTIVATIONS[self.function](y) if self.function else y


class Linear(nn.Module):
    """Matrix product with the first inputs and outputs of its weights."""

    def __init__(self, inputs, outputs, *, bias=True):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(outputs, inputs) * 0.05)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x, outputs):
        bias = None if self.bias is None else self.bias[:outputs]
        return functional.linear(x, self.kernel[:outputs, : x.shape[1]], bias)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.reduce, self.excite = Linear(channels, squeezed), Linear(squeezed, channels)

    def forward(self, x, squeezed):
        gate = functional.relu(self.reduce(x.mean((2, 3)), squeezed))
        return x * functional.hardsigmoid(self.excite(gate, x.shape[1]))[:, :, None, None]


class Stem(nn.Module):
    def __init__(self, block):
        super().__init__()
        width = block["out_channels"]
        self.conv = ConvNorm(
            (width, block["in_channels"], 3, 3), stride=block["stride"], function="hard_swish"
        )
        self.depthwise = ConvNorm((width, 1, 3, 3), depthwise=True, function="relu")
        self.project = ConvNorm((width, width, 1, 1))

    def forward(self, x, block):
        width = block["out_channels"]
        x = self.conv(x, width, 3)
        return x + self.project(self.depthwise(x, width, 3), width, 1)


class InvertedResidual(nn.Module):
    def __init__(self, block):
        super().__init__()
        width, function = block["expanded_channels"], block["activation"]
        kernel, squeezed = block["kernel"], block["squeeze_channels"]
        self.expand = ConvNorm((width, block["in_channels"], 1, 1), function=function)
        self.depthwise = ConvNorm(
            (width, 1, kernel, kernel), stride=block["stride"], depthwise=True, function=function
        )
        for large, small in ((7, 5), (5, 3)):
            if large <= kernel:
                self.depthwise.transforms[f"{large}to{small}"] = nn.Parameter(torch.eye(small**2))
        if squeezed:
            self.squeeze_excite = SqueezeExcite(width, squeezed)
        self.project = ConvNorm((block["out_channels"], width, 1, 1))

    def forward(self, x, block):
        width, out = block["expanded_channels"], block["out_channels"]
        y = self.depthwise(self.expand(x, width, 1), width, block["kernel"])
        if block["squeeze_channels"]:
            y = self.squeeze_excite(y, block["squeeze_channels"])
        y = self.project(y, out, 1)
        return x + y if block["stride"] == 1 and block["in_channels"] == out else y


class Head(nn.Module):
    def __init__(self, block):
        super().__init__()
        width, features = block["head_channels"], block["features"]
        self.conv = ConvNorm((width, block["in_channels"], 1, 1), function="hard_swish")
        self.features = Linear(width, features, bias=False)
        self.classifier = Linear(features, block["classes"])

    def forward(self, x, block):
        x = self.conv(x, block["head_channels"], 1).mean((2, 3))
        x = functional.hardswish(self.features(x, block["features"]))
        return self.classifier(x, block["classes"])


BLOCKS = {"mobilenet_stem": Stem, "inverted_residual": InvertedResidual, "mobilenet_head": Head}


class Peer:
    """Answers requests about one supernet."""

    def build(self, slots, layout, threads, learning_rate):
        """Makes the supernet; `slots` has the kind and fields of each slot's largest block."""
        torch.manual_seed(0)
        torch.set_num_threads(threads)
        blocks = {name: BLOCKS[block["kind"]](block) for name, block in slots.items()}
        self.slots = nn.ModuleDict(blocks).to(memory_format=LAYOUTS[layout])
        self.layout = LAYOUTS[layout]
        self.optimizer = torch.optim.SGD(
            self.slots.parameters(),
            lr=learning_rate,
            momentum=MOMENTUM,
            nesterov=True,
            fused=True,
        )
        for parameter in self.slots.parameters():
            # The fused update wants a buffer for every parameter, or for none.
            self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return {"torch": torch.__version__, "parameters": self.count()}

    def count(self):
        return sum(parameter.numel() for parameter in self.slots.parameters())

    def load(self, path):
        """Takes the weights from an `.npz` with the names and layouts of `nas.supernet`."""
        with np.load(path) as arrays, torch.no_grad():
            for name, parameter in self.slots.named_parameters():
                value = arrays[name.replace("depthwise.transforms", "kernel_transforms")]
                if value.ndim == 4:
                    value = value.transpose(3, 2, 0, 1)
                elif name.endswith("kernel"):
                    value = value.T
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        return {}

    def gradients(self, path, blocks, images, labels):
        """Loss of one subnet; its gradients are written as `.npz` with PyTorch's names."""
        images, labels = torch.from_numpy(np.load(images)), torch.from_numpy(np.load(labels))
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(blocks, self.placed(images), labels)
        loss.backward()
        found = {
            name: parameter.grad.numpy()
            for name, parameter in self.slots.named_parameters()
            if parameter.grad is not None
        }
        np.savez(path, **found)
        return {"loss": loss.item()}

    def placed(self, images):
        return images.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)

    def loss(self, blocks, images, labels):
        x = images
        for slot, block in blocks.items():
            x = self.slots[slot](x, block)
        return functional.cross_entropy(x, labels)

    def step(self, blocks, batch_size, size):
        """Seconds of one forward pass, backward pass and update on random images."""
        images = self.placed(torch.randn(batch_size, size, size, 3))
        labels = torch.randint(0, 10, (batch_size,))
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(blocks, images, labels).backward()
        self.optimizer.step()
        return {"seconds": time.perf_counter() - started}

    def depthwise(self, size, channels, kernel, stride, batch_size, layout, threads, rounds):
        """Median seconds of a depthwise convolution, forward alone and with both gradients."""
        torch.set_num_threads(threads)
        layout = LAYOUTS[layout]
        x = torch.randn(batch_size, channels, size, size).to(memory_format=layout)
        x.requires_grad_()
        weight = torch.randn(channels, 1, kernel, kernel, requires_grad=True)
        out = -(-size // stride)
        dy = torch.randn(batch_size, channels, out, out).to(memory_format=layout)
        forward_s, both_s = [], []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            y = functional.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=channels)
            forward_s.append(time.perf_counter() - started)
            y.backward(dy)
            both_s.append(time.perf_counter() - started)
            x.grad = weight.grad = None
        return {
            "forward_s": statistics.median(forward_s[1:]),
            "both_s": statistics.median(both_s[1:]),
        }


ANSWERS = ("build", "load", "gradients", "step", "depthwise")


def main() -> None:
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("do")
        if name not in ANSWERS:
            raise ValueError(f"do must be one of {', '.join(ANSWERS)}, got {name!r}")
        print(json.dumps(getattr(peer, name)(**request)), flush=True)


if __name__ == "__main__":
    main()
