/** Texts and files as people have them: UTF-8, JSON, files that are whole or as they were. */
package dev.yuzui.io;
