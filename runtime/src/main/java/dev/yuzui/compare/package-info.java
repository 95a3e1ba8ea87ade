/**
 * How far two backends are apart, part by part of the model: which of them computes something else,
 * and where.
 */
package dev.yuzui.compare;
