/**
 * The command line: one class per command, shared flags as mixins, one place that turns a failure
 * into a message and an exit code. Exit codes: 0 done, 1 failed while running, 2 bad input or
 * usage, 130 interrupted.
 */
package dev.yuzui.cli;
