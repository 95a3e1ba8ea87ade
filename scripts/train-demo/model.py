"""A small DeepSeek-V3: MLA, YaRN, sigmoid-routed experts in groups, one multi-token-prediction (MTP) layer.

Parameters are float32; `dtype` is what the matrix products run in (bfloat16 for training, float32 or float64 for
evaluation). Tensors carry GGUF's names where GGUF has one; attn_kv_b is split into attn_k_b and attn_v_b on export.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab: int = 4096
    hidden: int = 256
    layers: int = 6
    dense_layers: int = 1
    dense_ffn: int = 768
    expert_ffn: int = 128
    experts: int = 16
    experts_used: int = 4
    groups: int = 4
    groups_used: int = 2
    expert_scale: float = 2.0
    heads: int = 8
    nope: int = 32
    rope: int = 32
    value: int = 32
    q_lora: int = 128
    kv_lora: int = 96
    context: int = 2048
    theta: float = 10000.0
    yarn_factor: float = 4.0
    yarn_original: int = 512
    mscale_all_dim: float = 1.0
    eps: float = 1e-6

    @property
    def softmax_scale(self):
        mscale = 0.1 * self.mscale_all_dim * math.log(self.yarn_factor) + 1
        return (self.nope + self.rope) ** -0.5 * mscale ** 2

    def rope_frequencies(self):
        """YaRN with beta 32 / 1: fast pairs keep their frequency, slow ones are divided by the factor."""
        def correction(rotations):
            return self.rope * math.log(self.yarn_original / (rotations * 2 * math.pi)) / (2 * math.log(self.theta))
        low, high = max(math.floor(correction(32)), 0), min(math.ceil(correction(1)), self.rope - 1)
        i = torch.arange(self.rope // 2, dtype=torch.float64)
        ramp = ((i - low) / max(high - low, 0.001)).clamp(0, 1)
        freq = self.theta ** (-2 * i / self.rope)
        return freq * (1 - ramp) + freq / self.yarn_factor * ramp


class fused:
    """A function of many small operations, as one loop (and one for its gradients) once compile_all() was called."""
    compiling = False

    def __init__(self, function, dynamic=False):
        self.function, self.compiled = function, torch.compile(function, dynamic=dynamic)

    def __call__(self, *arguments):
        return (self.compiled if fused.compiling else self.function)(*arguments)


def fused_rows(function):
    """For numbers of rows that differ from call to call."""
    return fused(function, dynamic=True)


def compile_all():
    """Takes a C++ compiler and, where it was not done before, a minute or two."""
    torch._dynamo.config.recompile_limit = 64               # shapes of a function
    fused.compiling = True


@fused
def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rotate(v, cos, sin):
    """[batch, heads, time, rope], pairs (2i, 2i + 1)."""
    even, odd = v[..., 0::2], v[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


@fused
def heads_of(q, k_rope, kv, cos, sin, nope, scale):
    """q [batch, time, heads, nope + rope], k_rope [batch, time, rope], kv [batch, time, heads, nope + value]: queries, scaled,
    keys and values as attention takes them, [batch, heads, time, dim]."""
    low, wide = q.dtype, torch.promote_types(q.dtype, torch.float32)
    q, kv = q.transpose(1, 2), kv.transpose(1, 2)
    k_rope = rotate(k_rope[:, None], cos, sin).to(low).expand(-1, q.shape[1], -1, -1)
    q = torch.cat((q[..., :nope], rotate(q[..., nope:].to(wide), cos, sin).to(low)), -1) * scale
    return q.contiguous(), torch.cat((kv[..., :nope], k_rope), -1).contiguous(), kv[..., nope:].contiguous()


@fused_rows
def gated(a, b, ws):
    h = F.silu(a) * b
    return h, h * ws


@fused_rows
def gated_gradients(dhw, h, a, b, ws):
    """Of a, b and ws."""
    dweight = (dhw * h).float().sum(1)
    dh, a, b = (dhw * ws).float(), a.float(), b.float()
    sig = torch.sigmoid(a)
    return (dh * b * (sig + a * sig * (1 - sig))).to(h.dtype), (dh * a * sig).to(h.dtype), dweight


@fused
def add_kept(x, y, drawn, dropped):
    """x and y where the byte drawn is large enough, scaled up for what is dropped of it."""
    return x + y * (drawn >= dropped) * (256 / (256 - dropped))


@fused
def swiglu_gate(a, b):
    return F.silu(a) * b


class CausalAttention(torch.autograd.Function):
    """softmax(q kᵀ + causal mask) v, one sequence at a time; q, k, v: [batch, heads, time, dim], q already scaled.

    Queries go in runs of RUN, each against the keys up to its end: what the mask would hide is mostly not computed."""
    RUN = 128

    @staticmethod
    def runs(time):
        return [(s, min(s + CausalAttention.RUN, time)) for s in range(0, time, CausalAttention.RUN)]

    @staticmethod
    def forward(ctx, q, k, v):
        mask = torch.full((CausalAttention.RUN, CausalAttention.RUN), float('-inf'), dtype=q.dtype).triu(1)
        out, probs = torch.empty_like(v), []
        for b in range(q.shape[0]):
            for s, e in CausalAttention.runs(q.shape[2]):
                p = torch.bmm(q[b, :, s:e], k[b, :, :e].transpose(1, 2))
                p[:, :, s:] += mask[:e - s, :e - s]
                p = p.softmax(-1)
                out[b, :, s:e] = torch.bmm(p, v[b, :, :e])
                probs.append(p)
        ctx.save_for_backward(q, k, v, *probs)
        return out

    @staticmethod
    def backward(ctx, grad):
        q, k, v, *probs = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        probs = iter(probs)
        for b in range(q.shape[0]):
            for s, e in CausalAttention.runs(q.shape[2]):
                p, g = next(probs), grad[b, :, s:e].contiguous()
                dv[b, :, :e] += torch.bmm(p.transpose(1, 2), g)
                ds = torch._softmax_backward_data(torch.bmm(g, v[b, :, :e].transpose(1, 2)), p, -1, p.dtype)
                dq[b, :, s:e] = torch.bmm(ds, k[b, :, :e])
                dk[b, :, :e] += torch.bmm(ds.transpose(1, 2), q[b, :, s:e])
        return dq, dk, dv


class ExpertSum(torch.autograd.Function):
    """Σ weight · expert(x) over each token's chosen experts; the (token, slot) pairs are sorted by expert so that every
    expert is three matrix products.

    Each expert's rows are filled up to a multiple of ROWS, by rows of weight 0: oneDNN makes code for every shape that
    its cache has not, and so it meets few."""
    ROWS, FEW = 128, 16

    @staticmethod
    def forward(ctx, x, weight, chosen, gate, up, down):
        slots, flat = chosen.shape[1], chosen.flatten()
        rows = ExpertSum.ROWS if len(flat) > ExpertSum.ROWS * len(gate) else ExpertSum.FEW
        order = flat.argsort(stable=True)
        given = flat.bincount(minlength=gate.shape[0])
        held = (given + rows - 1) // rows * rows
        counts = held.tolist()
        # where the pairs lie: behind their expert's start, in their order
        place = torch.arange(len(order)) + ((held - given).cumsum(0) - (held - given)).repeat_interleave(given)
        inverse = torch.empty_like(order)
        inverse[order] = place
        token = torch.zeros(sum(counts), dtype=torch.long)
        token[place] = order // slots
        xs = x.index_select(0, token)
        ws = x.new_zeros(len(token), 1)
        ws[place, 0] = weight.flatten().index_select(0, order).to(x.dtype)
        a, b = xs.new_empty(len(xs), gate.shape[1]), xs.new_empty(len(xs), gate.shape[1])
        at = 0
        for e, n in enumerate(counts):
            torch.mm(xs[at:at + n], gate[e].t(), out=a[at:at + n])
            torch.mm(xs[at:at + n], up[e].t(), out=b[at:at + n])
            at += n
        h, hw = gated(a, b, ws)
        y, at = torch.empty_like(xs), 0
        for e, n in enumerate(counts):
            torch.mm(hw[at:at + n], down[e].t(), out=y[at:at + n])
            at += n
        ctx.counts, ctx.slots = counts, slots
        ctx.save_for_backward(token, inverse, xs, ws, a, b, h, hw, gate, up, down)
        return F.embedding_bag(inverse.view(-1, slots), y, mode='sum')

    @staticmethod
    def backward(ctx, grad):
        token, inverse, xs, ws, a, b, h, hw, gate, up, down = ctx.saved_tensors
        dy = grad.contiguous().index_select(0, token)
        dgate, dup, ddown = torch.zeros_like(gate), torch.zeros_like(up), torch.zeros_like(down)
        dhw, at = torch.empty_like(h), 0
        for e, n in enumerate(ctx.counts):
            if n:
                part = slice(at, at + n)
                torch.mm(dy[part], down[e], out=dhw[part])
                ddown[e] = dy[part].t() @ hw[part]
            at += n
        da, db, dweight = gated_gradients(dhw, h, a, b, ws)
        dweight = dweight.index_select(0, inverse).view(-1, ctx.slots)
        dxs, at = torch.empty_like(xs), 0
        for e, n in enumerate(ctx.counts):
            if n:
                part = slice(at, at + n)
                dxs[part] = torch.addmm(da[part] @ gate[e], db[part], up[e])
                dgate[e] = da[part].t() @ xs[part]
                dup[e] = db[part].t() @ xs[part]
            at += n
        dx = F.embedding_bag(inverse.view(-1, ctx.slots), dxs, mode='sum')
        return dx, dweight, None, dgate, dup, ddown


@fused
def logits_summed(logits):
    """Of a row: the largest, and Σ exp of what the others lie below it."""
    top = logits.amax(-1).float()
    return top, torch.exp(logits.float() - top.unsqueeze(1)).sum(-1)


@fused
def logits_gradient(logits, top, scale):
    return (torch.exp(logits.float() - top.unsqueeze(1)) * scale.unsqueeze(1)).to(logits.dtype)


class HeadLoss(torch.autograd.Function):
    """Mean cross-entropy of targets [n], each with its weight, under the logits h wᵀ; h [n, hidden], w [vocab, hidden].

    Some rows at a time, gradients at once: logits of a whole step are larger than every cache."""
    ROWS = 512

    @staticmethod
    def forward(ctx, h, w, targets, weights):
        loss, weights = 0.0, weights / weights.sum().clamp(min=1)
        dh, dw = torch.empty_like(h), torch.zeros(w.shape)
        for s in range(0, len(h), HeadLoss.ROWS):
            part, rows = h[s:s + HeadLoss.ROWS], torch.arange(min(HeadLoss.ROWS, len(h) - s))
            of, counts = targets[s:s + HeadLoss.ROWS], weights[s:s + HeadLoss.ROWS]
            logits = torch.mm(part, w.t())
            top, total = logits_summed(logits)
            loss = loss + ((top + total.log() - logits[rows, of].float()) * counts).sum()
            p = logits_gradient(logits, top, counts / total)
            p[rows, of] -= counts.to(h.dtype)
            dh[s:s + HeadLoss.ROWS] = p @ w
            dw += p.t() @ part
        ctx.save_for_backward(dh, dw)
        return loss

    @staticmethod
    def backward(ctx, grad):
        dh, dw = ctx.saved_tensors
        return dh * grad.to(dh.dtype), dw * grad, None, None


class HeadMatch(torch.autograd.Function):
    """Mean Kullback-Leibler divergence of the softmax of h wᵀ from that of another model's h' w'ᵀ; weights [n] of the rows."""

    @staticmethod
    def forward(ctx, h, w, other_h, other_w, weights):
        loss, weights = 0.0, weights / weights.sum().clamp(min=1)
        dh, dw = torch.empty_like(h), torch.zeros(w.shape)
        for s in range(0, len(h), HeadLoss.ROWS):
            rows = slice(s, s + HeadLoss.ROWS)
            mine, theirs = (torch.mm(a[rows], b.t()).float().log_softmax(-1) for a, b in ((h, w), (other_h, other_w)))
            p = theirs.exp()
            loss = loss + ((p * (theirs - mine)).sum(-1) * weights[rows]).sum()
            d = ((mine.exp() - p) * weights[rows].unsqueeze(1)).to(h.dtype)
            dh[rows] = d @ w
            dw += d.t() @ h[rows]
        ctx.save_for_backward(dh, dw)
        return loss

    @staticmethod
    def backward(ctx, grad):
        dh, dw = ctx.saved_tensors
        return dh * grad.to(dh.dtype), dw * grad, None, None, None


def matrix(*shape, std=0.02):
    return nn.Parameter(torch.randn(*shape) * std)


class Block(nn.Module):
    def __init__(self, c, dense, mtp=False):
        super().__init__()
        self.c, self.dense, self.mtp, self.dropout = c, dense, mtp, 0.0
        d, out_std = c.hidden, 0.02 / math.sqrt(2 * c.layers)
        self.attn_norm, self.ffn_norm = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
        self.attn_q_a = matrix(c.q_lora, d)
        self.attn_q_a_norm = nn.Parameter(torch.ones(c.q_lora))
        self.attn_q_b = matrix(c.heads * (c.nope + c.rope), c.q_lora)
        self.attn_kv_a_mqa = matrix(c.kv_lora + c.rope, d)
        self.attn_kv_a_norm = nn.Parameter(torch.ones(c.kv_lora))
        self.attn_kv_b = matrix(c.heads * (c.nope + c.value), c.kv_lora)
        self.attn_output = matrix(d, c.heads * c.value, std=out_std)
        if dense:
            self.ffn_gate, self.ffn_up = matrix(c.dense_ffn, d), matrix(c.dense_ffn, d)
            self.ffn_down = matrix(d, c.dense_ffn, std=out_std)
        else:
            m, e = c.expert_ffn, c.experts
            self.ffn_gate_inp = matrix(e, d)
            self.register_buffer('exp_probs_b', torch.zeros(e))
            self.ffn_gate_exps, self.ffn_up_exps = matrix(e, m, d), matrix(e, m, d)
            self.ffn_down_exps = matrix(e, d, m, std=out_std)
            self.ffn_gate_shexp, self.ffn_up_shexp = matrix(m, d), matrix(m, d)
            self.ffn_down_shexp = matrix(d, m, std=out_std)
            self.load = None                                # tokens per expert in the last pass
        if mtp:
            self.eh_proj = matrix(d, 2 * d)
            self.enorm, self.hnorm = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
            self.shared_head_norm = nn.Parameter(torch.ones(d))

    def attention(self, x, rope, dtype, cache):
        c, (batch, time, _) = self.c, x.shape
        def linear(v, w):
            return F.linear(v.to(dtype), w.to(dtype))
        wide = torch.promote_types(dtype, torch.float32)
        q = rms_norm(linear(x, self.attn_q_a).to(wide), self.attn_q_a_norm, c.eps)
        q = linear(q, self.attn_q_b).view(batch, time, c.heads, -1)
        kv = linear(x, self.attn_kv_a_mqa).to(wide)
        latent = rms_norm(kv[..., :c.kv_lora], self.attn_kv_a_norm, c.eps)
        k_rope = kv[..., c.kv_lora:]
        kv = linear(latent, self.attn_kv_b).view(batch, time, c.heads, -1)
        q, k, v = heads_of(q, k_rope, kv, *rope, c.nope, c.softmax_scale)
        if cache is None:
            out = CausalAttention.apply(q, k, v)
        else:                                               # one new token per sequence
            if id(self) in cache:
                k, v = (torch.cat((old, new), 2) for old, new in zip(cache[id(self)], (k, v)))
            cache[id(self)] = k, v
            scores = q @ k.transpose(2, 3)
            if time > 1:
                scores = scores + torch.full((time, time), float('-inf'), dtype=dtype).triu(1)
            out = scores.softmax(-1) @ v
        return linear(out.transpose(1, 2).reshape(batch, time, -1), self.attn_output).to(wide)

    def route(self, x):
        """Chosen experts and their weights. The bias steers the choice and never enters the weights."""
        c = self.c
        scores = torch.sigmoid(x @ self.ffn_gate_inp.t())
        with torch.no_grad():
            choice = (scores + self.exp_probs_b).view(-1, c.groups, c.experts // c.groups)
            group = choice.topk(2, -1).values.sum(-1).topk(c.groups_used, -1).indices
            keep = torch.zeros(len(x), c.groups, dtype=torch.bool).scatter_(1, group, True)
            choice = choice.masked_fill(~keep.unsqueeze(-1), float('-inf')).view(len(x), -1)
            chosen = choice.topk(c.experts_used, -1).indices
            self.load = chosen.flatten().bincount(minlength=c.experts)
        weight = scores.gather(1, chosen)
        return chosen, weight / (weight.sum(-1, keepdim=True) + 1e-20) * c.expert_scale

    def ffn(self, x, dtype):
        def swiglu(v, gate, up, down):
            return F.linear(swiglu_gate(F.linear(v, gate.to(dtype)), F.linear(v, up.to(dtype))), down.to(dtype))
        flat = x.reshape(-1, x.shape[-1])
        low = flat.to(dtype)
        if self.dense:
            y = swiglu(low, self.ffn_gate, self.ffn_up, self.ffn_down)
        else:
            chosen, weight = self.route(flat)
            y = swiglu(low, self.ffn_gate_shexp, self.ffn_up_shexp, self.ffn_down_shexp) + ExpertSum.apply(
                low, weight, chosen, self.ffn_gate_exps.to(dtype), self.ffn_up_exps.to(dtype), self.ffn_down_exps.to(dtype))
        return y.to(x.dtype).view_as(x)

    def forward(self, x, rope, dtype, cache=None):
        x = self.add(x, self.attention(rms_norm(x, self.attn_norm, self.c.eps), rope, dtype, cache))
        return self.add(x, self.ffn(rms_norm(x, self.ffn_norm, self.c.eps), dtype))

    def add(self, x, y):
        if not self.dropout:
            return x + y
        # a byte of randomness for each number: bernoulli_ takes longer
        drawn = torch.empty((y.numel() + 7) // 8, dtype=torch.int64).random_(-2**63, None).view(torch.uint8)
        return add_kept(x, y, drawn[:y.numel()].view(y.shape), round(256 * self.dropout))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.token_embd = matrix(c.vocab, c.hidden, std=1.0)
        self.blocks = nn.ModuleList([Block(c, i < c.dense_layers) for i in range(c.layers)] + [Block(c, False, mtp=True)])
        self.output_norm = nn.Parameter(torch.ones(c.hidden))
        self.output = matrix(c.vocab, c.hidden)
        angle = torch.arange(c.context + 1, dtype=torch.float64)[:, None] * c.rope_frequencies()
        self.cos, self.sin = angle.cos(), angle.sin()

    def set_dropout(self, rate):
        """Of what attention and feed-forward add to the residual stream; 0 (as made) for everything but training."""
        for block in self.blocks:
            block.dropout = rate

    def rope(self, start, time):
        t = self.token_embd.dtype
        return self.cos[start:start + time].to(t), self.sin[start:start + time].to(t)

    def hidden(self, tokens, dtype=torch.float32, start=0, cache=None):
        """Hidden states behind the final norm, [batch, time, hidden]."""
        x = F.embedding(tokens, self.token_embd)
        rope = self.rope(start, tokens.shape[1])
        for block in self.blocks[:self.c.layers]:
            x = block(x, rope, dtype, cache)
        return rms_norm(x, self.output_norm, self.c.eps)

    def mtp_hidden(self, hidden, following, dtype=torch.float32, start=0, cache=None):
        """The MTP layer at positions start, …: hidden[i] and token i + 1 in, what predicts token i + 2 out."""
        b = self.blocks[self.c.layers]
        x = torch.cat((rms_norm(F.embedding(following, self.token_embd), b.enorm, self.c.eps),
                       rms_norm(hidden, b.hnorm, self.c.eps)), -1)
        x = F.linear(x.to(dtype), b.eh_proj.to(dtype)).to(x.dtype)
        x = b(x, self.rope(start + 1, x.shape[1]), dtype, cache)
        return rms_norm(x, b.shared_head_norm, self.c.eps)

    def loss(self, hidden, targets, weights, dtype=torch.float32):
        """Mean cross-entropy of targets, each with its weight, both [batch, time]."""
        return HeadLoss.apply(hidden.to(dtype).flatten(0, 1), self.output.to(dtype), targets.flatten(), weights.flatten())

    def divergence(self, hidden, other, other_hidden, weights, dtype=torch.float32):
        """Mean divergence of its next tokens from those of another model, which has these hidden states for the same tokens."""
        low = [t.to(dtype) for t in (hidden.flatten(0, 1), self.output, other_hidden.flatten(0, 1), other.output)]
        return HeadMatch.apply(*low, weights.flatten())

    def logits(self, hidden, dtype=torch.float32):
        return F.linear(hidden.to(dtype), self.output.to(dtype)).to(torch.promote_types(dtype, torch.float32))
