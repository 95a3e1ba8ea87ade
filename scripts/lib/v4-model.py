#!/usr/bin/env python3
"""A random DeepSeek-V4 of one of the presets of --synthetic as GGUF, as llama.cpp lays it out; for scripts/bench-peers --model.

    v4-model.py TOOLS OUT.gguf v4-flash-4l IQ2_XXS|MXFP4

IQ2_XXS has experts as antirez's files of two bits do (gate and up IQ2_XXS, down Q2_K), MXFP4 as released; the rest is Q8_0, F16 and
F32. Blocks are random bits under a scale that gives weights their usual size. Wants mkmodel.py in
TOOLS, and numpy.
"""
import json, pathlib, sys
import numpy as np

tools, out, preset, experts = sys.argv[1:5]
sys.path.insert(0, tools)
import mkmodel

ROOT = pathlib.Path(__file__).resolve().parents[2]
C = json.loads((ROOT / "runtime/src/main/resources/dev/yuzui/weights/synthetic.json").read_text())[preset]
OTHERS = {"IQ2_XXS": ((16, 256, 66), {0: 1 / 20}), "Q2_K": ((10, 256, 84), {80: 1 / 12, 82: 1 / 8}), "MXFP4": ((39, 32, 17), {}),
          "I32": ((26, 1, 4), {})}
mkmodel.QT.update({name: size for name, (size, _) in OTHERS.items()})
of_others = mkmodel.blocks


def blocks(rng, name, count, std):
    if name not in OTHERS:
        return of_others(rng, name, count, std)
    (_, weights, size), scales = OTHERS[name]
    if name == "I32":  # each row of a table is of different experts
        used = C["num_experts_per_tok"]
        first = rng.integers(0, C["n_routed_experts"], (count // used, 1))
        return ((first + 37 * np.arange(used)) % C["n_routed_experts"]).astype(np.int32).tobytes()
    raw = rng.integers(0, 256, (count // weights, size), dtype=np.uint8)
    for at, scale in scales.items():
        raw[:, at : at + 2] = np.frombuffer(np.float16(std * scale).tobytes(), np.uint8)
    if name == "MXFP4":
        raw[:, 0] = 127 + int(np.round(np.log2(std / 3)))
    return raw.tobytes()


mkmodel.blocks = blocks
g = mkmodel.Gguf()


def put(kind, **keys):
    for key, value in keys.items():
        g.put("deepseek4." + key.replace("__", "."), kind, value)


def floats(key, values):
    import struct
    g.kv.append(g._str(key) + struct.pack("<IIQ%df" % len(values), 9, 6, len(values), *values))


d, layers, vocab, heads, head = C["hidden_size"], C["num_hidden_layers"], C["vocab_size"], C["num_attention_heads"], C["head_dim"]
n, m, q, r, streams = C["n_routed_experts"], C["moe_intermediate_size"], C["q_lora_rank"], C["o_lora_rank"] * C["o_groups"], C["hc_mult"]
index, index_heads, rope = C["index_head_dim"], C["index_n_heads"], C["rope_scaling"]
g.put("general.architecture", "str", "deepseek4")
g.put("general.name", "str", preset)
put("u32", block_count=layers, context_length=C["max_position_embeddings"], embedding_length=d, feed_forward_length=m,
    embedding_length_out=d * streams, vocab_size=vocab, attention__head_count=heads, attention__head_count_kv=1,
    attention__key_length=head, attention__value_length=head, attention__q_lora_rank=q, attention__sliding_window=C["sliding_window"],
    attention__output_group_count=C["o_groups"], attention__output_lora_rank=C["o_lora_rank"], rope__dimension_count=C["qk_rope_head_dim"],
    attention__indexer__head_count=index_heads, attention__indexer__key_length=index, attention__indexer__top_k=C["index_topk"],
    expert_count=n, expert_used_count=C["num_experts_per_tok"], expert_feed_forward_length=m, expert_shared_count=C["n_shared_experts"],
    expert_gating_func=4, hyper_connection__count=streams, hyper_connection__sinkhorn_iterations=C["hc_sinkhorn_iters"],
    hash_layer_count=C["num_hash_layers"], rope__scaling__original_context_length=rope["original_max_position_embeddings"])
put("f32", rope__freq_base=float(C["rope_theta"]), attention__layer_norm_rms_epsilon=C["rms_norm_eps"],
    expert_weights_scale=C["routed_scaling_factor"], rope__scaling__factor=float(rope["factor"]),
    rope__scaling__yarn_beta_fast=float(rope["beta_fast"]), rope__scaling__yarn_beta_slow=float(rope["beta_slow"]),
    attention__compress_rope_freq_base=float(C["compress_rope_theta"]), hyper_connection__epsilon=C["hc_eps"])
put("bool", expert_weights_norm=C["norm_topk_prob"])
put("str", rope__scaling__type="yarn")
put("ai32", attention__compress_ratios=C["compress_ratios"][:layers])
for which in ("exp", "shexp"):
    floats(f"deepseek4.swiglu_clamp_{which}", [C["swiglu_limit"]] * layers)
words = mkmodel.byte_chars() + ["<|begin|>", "<|end|>"]
words += [f"[PAD{i}]" for i in range(len(words), vocab)]
g.put("tokenizer.ggml.model", "str", "gpt2")
g.put("tokenizer.ggml.pre", "str", "deepseek-v3")
g.put("tokenizer.ggml.tokens", "astr", words)
g.put("tokenizer.ggml.token_type", "ai32", [1] * 256 + [3, 3] + [5] * (vocab - 258))
g.put("tokenizer.ggml.merges", "astr", ["Ġ t"])
g.put("tokenizer.ggml.bos_token_id", "u32", 256)
g.put("tokenizer.ggml.eos_token_id", "u32", 257)


def matrix(name, kind, rows, cols, *stack):
    g.tensor(name, (cols, rows, *stack), kind, 1 / np.sqrt(cols))


def vector(name, count, value=1.0):
    g.tensor(name, (count,), "F32", 0, value)


def mixture(name, rows, scales):
    g.tensor(name + "_fn.weight", (d * streams, rows), "F32", 0.005)
    vector(name + "_base.weight", rows, 0.0)
    vector(name + "_scale.weight", scales)


def compressor(prefix, width, ratio):
    shares = 2 if ratio == 4 else 1
    for part in ("kv", "gate"):
        matrix(f"{prefix}_{part}.weight", "F16", shares * width, d)
    g.tensor(prefix + "_ape.weight", (shares * width, ratio), "F32", 0.1)
    vector(prefix + "_norm.weight", width)


g.tensor("token_embd.weight", (d, vocab), "F16", 1.0)
vector("output_norm.weight", d)
matrix("output.weight", "Q8_0", vocab, d)
mixture("output_hc", streams, 1)
for layer in range(layers):
    b = f"blk.{layer}."
    ratio = C["compress_ratios"][layer]
    for norm, width in (("attn_norm", d), ("ffn_norm", d), ("attn_q_a_norm", q), ("attn_kv_a_norm", head)):
        vector(f"{b}{norm}.weight", width)
    vector(b + "attn_sinks.weight", heads, 0.0)
    matrix(b + "attn_q_a.weight", "Q8_0", q, d)
    matrix(b + "attn_q_b.weight", "Q8_0", heads * head, q)
    matrix(b + "attn_kv.weight", "Q8_0", head, d)
    matrix(b + "attn_output_a.weight", "Q8_0", r, heads * head // C["o_groups"])
    matrix(b + "attn_output_b.weight", "Q8_0", d, r)
    for part in ("attn", "ffn"):
        mixture(f"{b}hc_{part}", (2 + streams) * streams, 3)
    if ratio:
        compressor(b + "attn_compressor", head, ratio)
    if ratio == 4:
        matrix(b + "indexer.attn_q_b.weight", "F16", index_heads * index, q)
        matrix(b + "indexer.proj.weight", "F16", index_heads, d)
        compressor(b + "indexer_compressor", index, ratio)
    matrix(b + "ffn_gate_inp.weight", "F32", n, d)
    if layer < C["num_hash_layers"]:
        matrix(b + "ffn_gate_tid2eid.weight", "I32", vocab, C["num_experts_per_tok"])
    else:
        vector(b + "exp_probs_b.bias", n, 0.0)
    for part, rows, cols, few in (("gate", m, d, "IQ2_XXS"), ("up", m, d, "IQ2_XXS"), ("down", d, m, "Q2_K")):
        matrix(f"{b}ffn_{part}_shexp.weight", "Q8_0", rows, cols)
        matrix(f"{b}ffn_{part}_exps.weight", few if experts == "IQ2_XXS" else "MXFP4", rows, cols, n)
g.write(out, 1)
