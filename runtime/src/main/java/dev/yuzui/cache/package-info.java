/**
 * The paged KV cache: pages of device memory, and the host's bookkeeping of which sequence owns
 * which. Rollback, fork and reuse of a prefix are bookkeeping; only a page that is shared and about
 * to be written is copied. Full pages are found again by the tokens that lead up to their end, and
 * a sequence can be kept in a file.
 */
package dev.yuzui.cache;
