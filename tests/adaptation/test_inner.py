"""The inner loop against steps worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from filmcli.adaptation.inner import adam, adapt, plain

# The support loss is a1 w1² + a2 w2² + a3 w3², the query loss w1 w2 w3, at w = (2, 3, 5).
CURVES = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
RATE = 0.1


def start(*, tracked: bool = False) -> dict[str, Tensor]:
    return {"w": torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64, requires_grad=tracked)}


def support_loss(params: dict[str, Tensor], step: int) -> Tensor:  # noqa: ARG001
    return (CURVES * params["w"] ** 2).sum()


def query_loss(params: dict[str, Tensor]) -> Tensor:
    return params["w"].prod()


def stepped(*args: Any, **how: Any) -> dict[str, Tensor]:
    """Return the last of what `adapt` goes through."""
    *_, last = adapt(*args, **how)
    return last


def test_one_plain_step_by_hand() -> None:
    # gradients 2 a w = (4, 12, 30); w - 0.1 g = (1.6, 1.8, 2)
    adapted = stepped(support_loss, start(), [{"w": RATE}], 1, rule=plain)
    torch.testing.assert_close(adapted["w"], torch.tensor([1.6, 1.8, 2.0], dtype=torch.float64))


def test_two_plain_steps_by_hand() -> None:
    # each step multiplies w by 1 - 0.2 a = (0.8, 0.6, 0.4)
    adapted = stepped(support_loss, start(), [{"w": RATE}], 2, rule=plain)
    torch.testing.assert_close(adapted["w"], torch.tensor([1.28, 1.08, 0.8], dtype=torch.float64))


def test_every_step_is_seen_from_the_start_on() -> None:
    seen = [params["w"] for params in adapt(support_loss, start(), [{"w": RATE}], 2, rule=plain)]
    expected = [[2, 3, 5], [1.6, 1.8, 2], [1.28, 1.08, 0.8]]
    torch.testing.assert_close(torch.stack(seen), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("longest", [1.0, 100.0])
def test_a_step_is_shortened_over_all_parameters_as_one(longest: float) -> None:
    # the step is 0.1 (4, 12, 30); in two halves as in one
    def loss(params: dict[str, Tensor], step: int) -> Tensor:
        return support_loss({"w": torch.cat([params["a"], params["b"]])}, step)

    w, rates = start()["w"], [{"a": RATE, "b": RATE}]
    adapted = stepped(loss, {"a": w[:1], "b": w[1:]}, rates, 1, rule=plain, longest=longest)
    step = torch.tensor([0.4, 1.2, 3.0], dtype=torch.float64)
    expected = w - step * min(1.0, longest / step.norm())
    torch.testing.assert_close(torch.cat([adapted["a"], adapted["b"]]), expected)


def test_each_step_has_its_rate_and_the_last_one_stays() -> None:
    # 0.8 * 0.9 * 0.9 of the first weight: rates 0.1, 0.05, 0.05
    rates = [{"w": 0.1}, {"w": 0.05}]
    adapted = stepped(support_loss, start(), rates, 3, rule=plain)
    assert adapted["w"][0].item() == pytest.approx(2 * 0.8 * 0.9 * 0.9)


def test_a_rate_for_every_weight() -> None:
    rates = [{"w": torch.tensor([0.1, 0.0, 0.01], dtype=torch.float64)}]
    adapted = stepped(support_loss, start(), rates, 1, rule=plain)
    torch.testing.assert_close(adapted["w"], torch.tensor([1.6, 3.0, 4.7], dtype=torch.float64))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_first_step_of_adam_is_the_gradients_sign(scale: float) -> None:
    adapted = stepped(lambda p, i: scale * support_loss(p, i), start(), [{"w": RATE}], 1, rule=adam)
    torch.testing.assert_close(adapted["w"], torch.tensor([1.9, 2.9, 4.9], dtype=torch.float64))


def test_adam_agrees_with_torch() -> None:
    steps = 7
    w = start(tracked=True)["w"]
    optimiser = torch.optim.Adam([w], lr=RATE, betas=(0.9, 0.99), eps=1e-12)
    for _ in range(steps):
        optimiser.zero_grad()
        support_loss({"w": w}, 0).backward()
        optimiser.step()
    adapted = stepped(support_loss, start(), [{"w": RATE}], steps, rule=adam)
    torch.testing.assert_close(adapted["w"], w.detach())


def test_the_pull_goes_a_share_of_the_way_back() -> None:
    # second step: 1.6 * 0.8 - 0.5 * (1.6 - 2) = 1.48
    adapted = stepped(support_loss, start(), [{"w": RATE}], 2, rule=plain, pull=0.5)
    assert adapted["w"][0].item() == pytest.approx(1.48)


def test_second_order_outer_gradient_by_hand() -> None:
    # dq/dw = (1 - 0.2 a) * (product of the other two adapted weights)
    #       = (0.8 * 1.8 * 2, 0.6 * 1.6 * 2, 0.4 * 1.6 * 1.8)
    params = start(tracked=True)
    adapted = stepped(support_loss, params, [{"w": RATE}], 1, rule=plain, create_graph=True)
    (gradient,) = torch.autograd.grad(query_loss(adapted), params["w"])
    expected = torch.tensor([2.88, 1.92, 1.152], dtype=torch.float64)
    torch.testing.assert_close(gradient, expected)


def test_first_order_outer_gradient_by_hand() -> None:
    # the step's own gradient is a constant: the factors 1 - 0.2 a are missing
    params = start(tracked=True)
    adapted = stepped(support_loss, params, [{"w": RATE}], 1, rule=plain)
    (gradient,) = torch.autograd.grad(query_loss(adapted), params["w"])
    torch.testing.assert_close(gradient, torch.tensor([3.6, 3.2, 2.88], dtype=torch.float64))


def test_gradient_of_the_rate_by_hand() -> None:
    # dq/drate = -sum(g * dq/dw') = -(4 * 3.6 + 12 * 3.2 + 30 * 2.88)
    rate = torch.tensor(RATE, dtype=torch.float64, requires_grad=True)
    adapted = stepped(support_loss, start(), [{"w": rate}], 1, rule=plain)
    (gradient,) = torch.autograd.grad(query_loss(adapted), rate)
    assert gradient.item() == pytest.approx(-139.2)


@pytest.mark.parametrize("rule", [plain, adam])
def test_outer_gradient_by_finite_differences(rule: object) -> None:
    def outer(w: Tensor, rate: Tensor) -> Tensor:
        def loss(params: dict[str, Tensor], step: int) -> Tensor:
            return (torch.sin(params["w"]) * CURVES).sum() + params["w"].prod() * (step + 1)

        rates = [{"w": rate}]
        return query_loss(stepped(loss, {"w": w}, rates, 3, rule=rule, pull=0.1, create_graph=True))  # type: ignore[arg-type]

    w = start(tracked=True)["w"]
    rate = torch.tensor(0.01, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outer, (w, rate))


def test_a_zero_gradient_can_be_differentiated_through_adam() -> None:
    params = {"w": torch.zeros(2, dtype=torch.float64, requires_grad=True)}
    adapted = stepped(lambda p, _: (p["w"] ** 2).sum(), params, [{"w": RATE}], 1, create_graph=True)
    (gradient,) = torch.autograd.grad(adapted["w"].sum(), params["w"])
    assert torch.isfinite(gradient).all()


def test_what_goes_in_stays_as_it_is_and_no_graph_comes_out() -> None:
    params = start()
    kept = params["w"].clone()
    with torch.no_grad():  # as a caller at test time may be
        adapted = stepped(support_loss, params, [{"w": RATE}], 3)
    assert torch.equal(params["w"], kept)
    assert not params["w"].requires_grad
    assert not adapted["w"].requires_grad


def test_parameters_out_of_the_losss_reach_stay() -> None:
    params = {**start(), "other": torch.ones(2, dtype=torch.float64)}
    adapted = stepped(support_loss, params, [{"w": RATE, "other": RATE}], 2)
    assert torch.equal(adapted["other"], params["other"])


def test_no_steps_change_nothing_and_need_no_rates() -> None:
    params = start()
    assert torch.equal(stepped(support_loss, params, [], 0)["w"], params["w"])
    with pytest.raises(ValueError, match="rate"):
        stepped(support_loss, params, [], 1)
