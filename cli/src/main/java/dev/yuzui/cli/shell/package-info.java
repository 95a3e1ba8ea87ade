/**
 * What every command stands on: streams, exit codes, failures and their words, what is known of the
 * process.
 */
package dev.yuzui.cli.shell;
