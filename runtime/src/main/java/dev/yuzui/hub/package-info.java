/**
 * Models from the Hugging Face hub or ModelScope: {@link dev.yuzui.hub.Hub} lists a repository,
 * chooses the files that make a model, and keeps them in the hub's own cache, which other tools
 * share.
 */
package dev.yuzui.hub;
