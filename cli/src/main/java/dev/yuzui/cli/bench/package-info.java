/** {@code yuzui bench}: what is measured, its tables, and its page with plots. */
package dev.yuzui.cli.bench;
