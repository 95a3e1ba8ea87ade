/**
 * {@code yuzui inspect}, {@code devices} and {@code tokenize}: what is there, before anything runs.
 */
package dev.yuzui.cli.inspect;
