"""The divergence of two distributions, against torch's own from probabilities, in float64."""

import pytest
import torch

from tenuto.scores.divergence import divergence


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_it_is_the_kullback_leibler_divergence_of_the_probabilities(temperature):
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 5, 3, 7, dtype=torch.float64, generator=generator) * 4
    powers, others = torch.exp(teacher / temperature), torch.exp(student / temperature)
    wanted, guessed = powers / powers.sum(-1, keepdim=True), others / others.sum(-1, keepdim=True)
    right = torch.nn.functional.kl_div(guessed.log(), wanted, reduction="none").sum(-1)
    torch.testing.assert_close(divergence(teacher, student, temperature), right, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(divergence(teacher.log_softmax(-1), student.log_softmax(-1), temperature), right, rtol=1e-10, atol=1e-12)


def test_what_is_impossible_for_the_teacher_adds_nothing():
    never = float("-inf")
    teacher, student = torch.tensor([0.0, 1.0, never]), torch.tensor([0.0, 1.0, never], requires_grad=True)
    found = divergence(teacher, torch.where(torch.tensor([True, True, False]), student, 0.0))
    assert found.isfinite() and found > 0
    assert divergence(teacher, teacher).item() == 0.0


def test_the_gradient_is_the_difference_of_the_probabilities():
    teacher, student = torch.randn(2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    student.requires_grad_()
    divergence(teacher, student, 3.0).sum().backward()
    torch.testing.assert_close(student.grad, ((student / 3).softmax(-1) - (teacher / 3).softmax(-1)).detach() / 3)
