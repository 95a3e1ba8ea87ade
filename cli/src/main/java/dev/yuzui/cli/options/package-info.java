/**
 * Flags that several commands have, what they make of them, and what people type out of habit from
 * elsewhere.
 */
package dev.yuzui.cli.options;
