/**
 * Drives the loop: opens a checkpoint on a backend, turns prompts into steps, samples, streams
 * text. What a Java program embeds.
 */
package dev.yuzui.engine;
