/** What a server says of itself, its tokenizer and its template; the page. */
package dev.yuzui.server.status;
