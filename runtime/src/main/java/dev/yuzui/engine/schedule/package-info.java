/**
 * Drives requests through a model: who is in the next step, who has which pages of the cache, which
 * tokens are sampled and which drafts accepted.
 */
package dev.yuzui.engine.schedule;
