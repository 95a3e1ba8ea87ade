/** {@code yuzui generate}: one prompt, one answer or several. */
package dev.yuzui.cli.generate;
