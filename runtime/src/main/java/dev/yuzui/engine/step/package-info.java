/**
 * Runs steps of a model: several sequences with several tokens each, recorded once for each shape
 * and replayed, on one device or in legs over several.
 */
package dev.yuzui.engine.step;
