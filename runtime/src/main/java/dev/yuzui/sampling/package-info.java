/**
 * From logits to the next token: logit bias, repeat/frequency/presence penalties, DRY, top-k,
 * typical-p, top-p, min-p, temperature, draw; in this order.
 */
package dev.yuzui.sampling;
