package dev.yuzui.cache;

/**
 * What {@link Sequence#adopt} was asked for and found, since the store was opened.
 *
 * @param queriedTokens of all prompts that were looked up
 * @param foundTokens that need not be read again
 * @param evictedPages whose memory went to something else while they could still be found
 */
public record PrefixStats(long queriedTokens, long foundTokens, long evictedPages) {}
