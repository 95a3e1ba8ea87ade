/**
 * Proposes tokens to come, which a step then checks: the model's own MTP layers, or n-grams of the
 * text; and what proposing costs.
 */
package dev.yuzui.engine.draft;
