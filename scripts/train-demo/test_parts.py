#!/usr/bin/env python3
"""The parts of training that a run's losses do not show (seconds of one core).

  test_parts.py
"""
import unittest

import torch

from bpe import ASSISTANT, BOS, BYTE_TO_CHAR, EOS, PAD, USER, Tokenizer
from chat import MENTION, MENTIONS, Chat
from loops import PROMPT, repeated, unlikelihood
from model import Config, HeadLoss, HeadMatch, Model
from train import divergences

TINY = Config(vocab=320, hidden=32, layers=2, dense_ffn=64, expert_ffn=32, heads=2, nope=8, rope=8, value=8, q_lora=16, kv_lora=16,
              context=256, yarn_original=32)
DOCUMENT = '''THE FOX AND THE CRANE

A Fox lived in a wood, and the fox was hungry. "Good day, Fox," said a Crane who came by. The two foxes who lived there laughed at the crane.

There was an owl in that wood, and the owl was wiser than the fox. The Owl's house was a hollow tree, and the owl slept in it all day long.
'''


def byte_tokenizer():
    return Tokenizer([BOS, EOS, PAD, *BYTE_TO_CHAR.values(), USER, ASSISTANT], [])


class ConversationsTest(unittest.TestCase):
    def setUp(self):
        self.tok = byte_tokenizer()
        self.chat = Chat([DOCUMENT], self.tok)

    def test_the_first_mentions_of_a_subject_weigh_more(self):
        text = 'The Fox saw foxes; a fox is no foxglove, said the fox to a fox.'
        weights = self.chat.weights(self.tok.encode(text), text, ['fox'])
        marked = ''.join(c for c, w in zip(text, weights) if w == MENTION)
        self.assertEqual('Foxfoxesfox', marked)             # MENTIONS of them
        self.assertEqual(3, MENTIONS)
        self.assertEqual({1.0, MENTION}, set(weights))

    def test_another_name_takes_a_subjects_place_in_every_form(self):
        renamed = self.chat.rename('A Fox met an OWL. The foxes ran; an owl\'s nest, a fox.', {'fox': 'elephant', 'owl': 'mouse'})
        self.assertEqual('An Elephant met a MOUSE. The elephants ran; a mouse\'s nest, an elephant.', renamed)

    def test_a_name_that_stands_in_the_story_is_not_given(self):
        import random
        for seed in range(200):
            names = self.chat.renamed(['fox'], ['The fox, the crane and two geese.'], random.Random(seed))
            self.assertNotIn(names['fox'], ('fox', 'crane', 'goose'))

    def test_a_request_names_what_its_answer_is_about(self):
        for k in range(200):
            turns, subjects = self.chat.conversation(k)
            for s in subjects:
                self.assertIn(s.lower(), turns[0][0].lower())

    def test_only_answers_are_learnt(self):
        ids, weights = self.chat.tokens(0)
        answers, inside = [], False
        for i in ids:
            answers.append(inside)
            inside = i == self.tok.ids[ASSISTANT] or inside and i not in (self.tok.eos, self.tok.ids[USER])
        self.assertEqual(answers, [w > 0 for w in weights])


class LossTest(unittest.TestCase):
    def test_weighted_cross_entropy_and_its_gradients(self):
        torch.manual_seed(0)
        h, w = torch.randn(700, 16, dtype=torch.float64, requires_grad=True), torch.randn(40, 16, dtype=torch.float64, requires_grad=True)
        targets, weights = torch.randint(40, (700,)), torch.randint(4, (700,)).double()
        each = torch.nn.functional.cross_entropy(h @ w.t(), targets, reduction='none')
        expected = (each * weights).sum() / weights.sum()
        found = HeadLoss.apply(h, w, targets, weights)
        self.assertAlmostEqual(expected.item(), found.item(), places=6)
        for a, b in zip(torch.autograd.grad(expected, (h, w)), torch.autograd.grad(found, (h, w))):
            self.assertTrue(torch.allclose(a, b.double(), atol=1e-7))


    def test_divergence_of_the_same_model_is_none_and_its_gradients_are_those_of_the_formula(self):
        torch.manual_seed(0)
        h, w, h0, w0 = (torch.randn(n, 16, dtype=torch.float64, requires_grad=True) for n in (700, 40, 700, 40))
        weights = torch.randint(4, (700,)).double()
        p0 = (h0 @ w0.t()).log_softmax(-1).detach()
        expected = ((p0.exp() * (p0 - (h @ w.t()).log_softmax(-1))).sum(-1) * weights).sum() / weights.sum()
        found = HeadMatch.apply(h, w, h0.detach(), w0.detach(), weights)
        self.assertAlmostEqual(expected.item(), found.item(), places=5)
        for a, b in zip(torch.autograd.grad(expected, (h, w)), torch.autograd.grad(found, (h, w))):
            self.assertTrue(torch.allclose(a, b.double(), atol=1e-6))
        self.assertAlmostEqual(0, HeadMatch.apply(h, w, h.detach(), w.detach(), weights).item(), places=6)

    def test_two_models_alike_diverge_nowhere_the_mtp_layer_included(self):
        torch.manual_seed(0)
        model = Model(TINY)
        tokens = torch.randint(3, 300, (4, 66))
        main, mtp = divergences(model, model, tokens, torch.ones(tokens.shape), torch.float32, 0.5)
        self.assertAlmostEqual(0, main.item(), places=6)
        self.assertAlmostEqual(0, mtp.item(), places=6)


class LoopsTest(unittest.TestCase):
    def test_what_ends_a_run_of_four_that_stood_before_is_repeated(self):
        ids = torch.arange(PROMPT + 8).unsqueeze(0)
        ids[0, PROMPT:] = torch.tensor([1, 2, 3, 4, 5, 99, 7, 8])      # 1 2 3 4 and 2 3 4 5 stand in the prompt; then 99 is the end
        again, counted = repeated(ids, 99)
        self.assertEqual([PROMPT + 3, PROMPT + 4], again[0].nonzero().flatten().tolist())
        self.assertEqual(list(range(PROMPT, PROMPT + 6)), counted[0].nonzero().flatten().tolist())

    def test_a_model_that_has_learnt_a_loop_unlearns_it(self):
        torch.manual_seed(1)
        model = Model(TINY)
        tokens = torch.arange(128).remainder(5).add(10).repeat(2, 1)        # 10 11 12 13 14 10 11 ...
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)

        def step(loss):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        for _ in range(40):
            step(model.loss(model.hidden(tokens[:, :-1]), tokens[:, 1:], torch.ones(2, 127)))
        loss, share = unlikelihood(model, tokens, 0, 1, torch.float32)
        self.assertGreater(share.item(), 0.9)
        for _ in range(20):
            after, _ = unlikelihood(model, tokens, 0, 1, torch.float32)
            step(after)
        self.assertLess(after.item(), loss.item() / 10)


if __name__ == '__main__':
    unittest.main()
