/**
 * What a program embeds: an {@link dev.yuzui.engine.Engine} opens a checkpoint on devices and
 * answers requests. What is said to it and heard from it is in {@code api}; below it are the rooms
 * of its work: {@code schedule} ► {@code draft} ► {@code step}, and {@code plan}.
 */
package dev.yuzui.engine;
