"""Healthy: the right way to write what the broken ones get wrong, and what only looks wrong."""

from __future__ import annotations

from typing import Any

import torch

from tests.torch.gallery import draw, healthy, weight


@healthy("where with a safe argument in the untaken branch")
def safe_where() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.relu(draw(16, 8) @ w)
        root = torch.sqrt(torch.where(h > 0, h, 1.0))
        torch.where(h > 0, root, 0.0).mean().backward()

    return None, step


@healthy("the norm with an epsilon under the root")
def safe_norm() -> Any:
    w = weight(8, 4)
    x = draw(16, 8)
    x[3] = 0.0

    def step() -> None:
        h = x @ w
        torch.sqrt((h * h).sum(dim=-1) + 1e-6).mean().backward()

    return None, step


@healthy("standard deviation of something that varies")
def ordinary_std() -> Any:
    w = weight(8, 4)
    return None, lambda: torch.std(draw(16, 8) @ w, dim=0).mean().backward()


@healthy("log_softmax of very sure predictions")
def log_softmax_of_large_logits() -> Any:
    w = weight(8, 5, scale=20.0)
    return None, lambda: (-torch.log_softmax(draw(16, 8) @ w, dim=-1)).mean().backward()


@healthy("a causal mask: -inf in the scores on purpose")
def causal_mask() -> Any:
    w = weight(8, 8)
    mask = torch.ones(6, 6, dtype=torch.bool).tril()

    def step() -> None:
        x = draw(6, 8)
        scores = ((x @ w) @ x.T / 8**0.5).masked_fill(~mask, -torch.inf)
        ((torch.softmax(scores, dim=-1) @ x) ** 2).mean().backward()

    return None, step


@healthy("an additive mask of -inf")
def additive_mask() -> Any:
    w = weight(8, 8)
    mask = torch.full((6, 6), -torch.inf).triu(1)

    def step() -> None:
        x = draw(6, 8)
        scores = (x @ w) @ x.T / 8**0.5 + mask
        ((torch.softmax(scores, dim=-1) @ x) ** 2).mean().backward()

    return None, step


@healthy("softmax by hand with the maximum subtracted: the shift's gradient cancels by design")
def shifted_softmax() -> Any:
    w = weight(8, 5, scale=30.0)

    def step() -> None:
        logits = draw(16, 8) @ w
        shift = torch.amax(logits, dim=-1, keepdim=True)
        e = torch.exp(logits - shift)
        total = torch.log(e.sum(dim=-1, keepdim=True)) + shift
        (total - logits).mean().backward()

    return None, step


@healthy("an average over a selection that has members")
def masked_average() -> Any:
    w = weight(8, 4)
    chosen = torch.arange(16.0)[:, None] % 2

    def step() -> None:
        h = (draw(16, 8) @ w) * chosen
        (h.sum() / chosen.sum()).backward()

    return None, step


@healthy("unit vectors with an epsilon")
def unit_vectors() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = draw(16, 8) @ w
        unit = h / torch.sqrt((h * h).sum(dim=-1, keepdim=True) + 1e-12)
        (unit * draw(16, 4, seed=3)).sum().backward()

    return None, step


@healthy("cross entropy of logits")
def logits_loss() -> Any:
    w = weight(8, 1, scale=40.0)
    y = torch.arange(16.0)[:, None] % 2

    def step() -> None:
        z = draw(16, 8) @ w
        torch.nn.functional.binary_cross_entropy_with_logits(z, y).backward()

    return None, step


@healthy("angles clipped away from the ends")
def clipped_angles() -> Any:
    w = weight(4, 3)

    def step() -> None:
        a = w / torch.sqrt((w * w).sum(dim=-1, keepdim=True))
        cosine = torch.clip((a * draw(4, 3, seed=7)).sum(dim=-1) / 4, -0.99, 0.99)
        torch.acos(cosine).mean().backward()

    return None, step


@healthy("half precision within its range")
def ordinary_half() -> Any:
    w = torch.linspace(0.1, 0.9, 16).half().requires_grad_()
    return None, lambda: (torch.tanh(w) * w + w).sum().backward()


@healthy("a straight-through estimate: rounded forward, identity backward")
def straight_through() -> Any:
    encoder, head = weight(8, 6), weight(6, 3)

    def step() -> None:
        h = draw(16, 8) @ encoder
        hard = h + (torch.round(h) - h).detach()
        ((hard @ head) ** 2).mean().backward()

    return None, step


@healthy("a straight-through choice: softmax backward, one-hot forward")
def straight_through_choice() -> Any:
    encoder, head = weight(8, 6), weight(6, 3)

    def step() -> None:
        soft = torch.softmax(draw(16, 8) @ encoder, dim=-1)
        hard = (torch.argmax(soft, dim=-1)[:, None] == torch.arange(6)).float()
        chosen = soft + (hard - soft).detach()
        ((chosen @ head) ** 2).mean().backward()

    return None, step


@healthy("a target network under no_grad: its parameters are not learned here")
def target_network() -> Any:
    online, target = weight(8, 3), draw(8, 3, seed=1)

    def step() -> None:
        x = draw(16, 8)
        with torch.no_grad():
            value = torch.amax(x @ target, dim=-1)
        q = torch.amax(x @ online, dim=-1)
        ((q - (0.5 + 0.9 * value)) ** 2).mean().backward()

    return None, step


@healthy("bootstrapping from one's own detached prediction")
def detached_bootstrap() -> Any:
    w = weight(8, 1)

    def step() -> None:
        now, later = draw(16, 8) @ w, draw(16, 8, seed=1) @ w
        ((now - 0.9 * later.detach() - 1.0) ** 2).mean().backward()

    return None, step


@healthy("the loss and the accuracy are logged")
def logging() -> Any:
    w = weight(8, 3)

    def step() -> None:
        logits = draw(16, 8) @ w
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(16) % 3)
        loss.detach().item()
        logits.detach().numpy().argmax(-1)
        (torch.argmax(logits, dim=-1) == torch.arange(16) % 3).float().mean().item()
        loss.backward()

    return None, step


@healthy("predictions and targets of one shape")
def column_against_column() -> Any:
    w = weight(8, 1)
    return None, lambda: ((draw(16, 8) @ w - draw(16, 1)) ** 2).mean().backward()


@healthy("a bias, a row mask and a column mask: broadcasting that is meant")
def meant_broadcasts() -> Any:
    w, b = weight(16, 16), weight(16)

    def step() -> None:
        h = draw(16, 16) @ w + b
        h = h * torch.ones(16, 1)
        (h * torch.ones(1, 16)).mean().backward()

    return None, step


@healthy("all pairs, asked for with explicit axes")
def all_pairs() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = draw(16, 8) @ w
        gap = h[:, None, :] - h[None, :, :]
        ((gap**2).sum(dim=-1) + 1.0).mean().backward()

    return None, step


@healthy("an outer product of positions and frequencies")
def positions_and_frequencies() -> Any:
    frequencies = weight(12, scale=1.0)

    def step() -> None:
        angles = torch.arange(20, dtype=torch.float32)[:, None] * frequencies
        torch.sin(angles).mean().backward()

    return None, step


@healthy("in-place changes before anything retained the value")
def early_in_place() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = draw(16, 8) @ w
        h += 1.0
        (torch.tanh(h) ** 2).mean().backward()

    return None, step


@healthy("parameters updated by hand after the backward")
def manual_update() -> Any:
    w = weight(8, 4)

    def step() -> None:
        (torch.tanh(draw(16, 8) @ w) ** 2).mean().backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)

    return None, step


@healthy("a hand-written operation that is right")
def right_backward() -> Any:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 3 * g * ctx.saved_tensors[0] ** 2

    w = weight(8, 4)
    return None, lambda: Cube.apply(draw(16, 8) @ w).mean().backward()


@healthy("a gradient that is scaled down by a detached part of the same value")
def scaled_gradient() -> Any:
    w = weight(6, 6)

    def step() -> None:
        h = torch.tanh(draw(10, 6) @ w)
        h = h * 0.1 + h.detach() * 0.9
        (h**2).mean().backward()

    return None, step


@healthy("a hard choice on the way forward, the soft one on the way back")
def hard_forward_soft_backward() -> Any:
    w = weight(6, 6)

    def step() -> None:
        soft = torch.special.softmax(draw(10, 6) @ w, dim=-1)
        hard = (soft.detach() == torch.amax(soft.detach(), dim=-1, keepdim=True)) * 1.0
        chosen = hard - soft.detach() + soft
        ((chosen - draw(10, 6, seed=2)) ** 2).mean().backward()

    return None, step


@healthy("a tied weight: each use adds its part")
def tied_weight() -> Any:
    w = weight(6, 6)

    def step() -> None:
        h = torch.tanh(draw(10, 6) @ w)
        ((h @ w.T) ** 2).mean().backward()

    return None, step


@healthy("a scaled loss, as mixed precision has it")
def scaled_loss() -> Any:
    w = weight(8, 4)

    def step() -> None:
        loss = (torch.tanh(draw(16, 8) @ w) ** 2).mean()
        (loss * 65536.0).backward()

    return None, step


@healthy("a loss that is added up over a batch of a thousand")
def summed_loss() -> Any:
    w = weight(8, 4)
    return None, lambda: ((draw(1000, 8) @ w - draw(1000, 4, seed=2)) ** 2).sum().backward()


@healthy("two terms of a loss that disagree, as terms do")
def competing_terms() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.tanh(draw(32, 8) @ w)
        (((h - 1.0) ** 2).mean() + 0.8 * ((h + 1.0) ** 2).mean()).backward()

    return None, step


@healthy("second derivatives: a gradient penalty")
def gradient_penalty() -> Any:
    w, v = weight(8, 6), weight(6, 1)

    def step() -> None:
        x = draw(16, 8).requires_grad_()
        score = torch.tanh(x @ w) @ v
        (slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)
        length = torch.sqrt((slope * slope).sum(dim=-1) + 1e-12)
        (score.mean() + ((length - 1.0) ** 2).mean()).backward()

    return None, step
