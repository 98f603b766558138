"""Lecture 1, the second half: a neuron's gradients by a Value class and by tensors; a network that fits four points."""

import math
import random
import sys

import tinytensor.torch as torch

steps = int(sys.argv[sys.argv.index("--steps") + 1]) if "--steps" in sys.argv else 40


class Value:
    """A number that remembers how it was computed."""

    def __init__(self, data, children=()):
        self.data = data
        self.grad = 0.0
        self.children = children
        self._backward = lambda: None

    def __add__(self, other):
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out

    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,))

        def _backward():
            self.grad += (1 - t**2) * out.grad
        out._backward = _backward
        return out

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v.children:
                    build(child)
                topo.append(v)
        build(self)
        self.grad = 1.0
        for v in reversed(topo):
            v._backward()


# a neuron with two inputs, by Value
x1, x2 = Value(2.0), Value(0.0)
w1, w2 = Value(-3.0), Value(1.0)
b = Value(6.8813735870195432)
o = (x1 * w1 + x2 * w2 + b).tanh()
o.backward()
print("Value  o", o.data)
for name, v in (("x2", x2), ("w2", w2), ("x1", x1), ("w1", w1)):
    print("Value ", name, round(v.grad, 6))

# the same neuron with tensors of one element
x1 = torch.Tensor([2.0]).double()
x1.requires_grad = True
x2 = torch.Tensor([0.0]).double()
x2.requires_grad = True
w1 = torch.Tensor([-3.0]).double()
w1.requires_grad = True
w2 = torch.Tensor([1.0]).double()
w2.requires_grad = True
b = torch.Tensor([6.8813735870195432]).double()
b.requires_grad = True
n = x1 * w1 + x2 * w2 + b
o = torch.tanh(n)
print("tensor o", o.data.item())
o.backward()
print("---")
print("tensor x2", x2.grad.item())
print("tensor w2", w2.grad.item())
print("tensor x1", x1.grad.item())
print("tensor w1", w1.grad.item())
print(n, o)


# a network of such neurons
class Neuron:
    def __init__(self, nin):
        self.w = torch.tensor([random.uniform(-1, 1) for _ in range(nin)], requires_grad=True)
        self.b = torch.tensor(random.uniform(-1, 1), requires_grad=True)

    def __call__(self, x):
        return torch.tanh((self.w * x).sum() + self.b)

    def parameters(self):
        return [self.w, self.b]


class Layer:
    def __init__(self, nin, nout):
        self.neurons = [Neuron(nin) for _ in range(nout)]

    def __call__(self, x):
        return torch.stack([neuron(x) for neuron in self.neurons])

    def parameters(self):
        return [p for neuron in self.neurons for p in neuron.parameters()]


class MLP:
    def __init__(self, nin, nouts):
        sizes = [nin, *nouts]
        self.layers = [Layer(sizes[i], sizes[i + 1]) for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]


random.seed(1337)
model = MLP(3, [4, 4, 1])
print("parameters:", sum(p.nelement() for p in model.parameters()))

xs = torch.tensor([[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]])
ys = [1.0, -1.0, -1.0, 1.0]

for k in range(steps):
    ypred = [model(x) for x in xs]
    loss = sum((yout - ygt)**2 for ygt, yout in zip(ys, ypred))
    for p in model.parameters():
        p.grad = None
    loss.backward()
    for p in model.parameters():
        p.data += -0.05 * p.grad
    if k % 10 == 0 or k == steps - 1:
        print(k, f"{loss.item():.4f}")

print([f"{y.item():.4f}" for y in ypred])
