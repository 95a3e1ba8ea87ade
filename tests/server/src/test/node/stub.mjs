// Plays the server's part for the page's tests: the same paths and headers, and answers that a model would have to be asked for
// by name: the last message says which. What it was sent is kept.

import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };

export const MARKDOWN = `# A heading

Some **bold** text, a [link](https://example.org/) and \`code\`.

\`\`\`java
int a = 1 < 2 ? 3 : 4; // a comment that is longer than a telephone is wide, so that it has to be scrolled to be read
\`\`\`

| a | b |
|---|---|
| 1<br>x | H<sub>2</sub>O |

<script>window.bad = 1</script><img src=x onerror="window.bad = 2"><b style="position:fixed" onclick="window.bad = 3">b</b>
<a href="javascript:window.bad = 4">not a link</a> <form action="https://example.org/"><input name=q></form>
![remote](https://example.org/pixel.png) [no link](javascript:window.bad=5)

- one
- two
`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const pieces = (text) => text.match(/[\s\S]{1,4}/g) ?? [];
const said = (text) => pieces(text).map((content) => ({ content }));

/** What is told for a request: deltas, then why it ended. */
function script(request) {
  const last = request.messages.at(-1);
  const [word, second] = String(last.content ?? "").split(/\s/);
  if (last.role === "tool") {
    const results = request.messages.filter((m) => m.role === "tool").map((m) => m.content);
    return { deltas: said(`The tools said ${results.join(" and ")}.`), finish: "stop" };
  }
  if (request.response_format) return { deltas: said('{"name":"Hans","age":7}'), finish: "stop" };
  if (word === "markdown") return { deltas: said(MARKDOWN), finish: "stop" };
  if (word === "think") {
    return { deltas: [...pieces("First I look at it. Then I know.").map((t) => ({ reasoning_content: t })), ...said("It is so.")], finish: "stop" };
  }
  if (word === "tool") {
    const call = (index, name, json) => [
      { tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: "" } }] },
      ...pieces(json).map((t) => ({ tool_calls: [{ index, function: { arguments: t } }] })),
    ];
    return { deltas: [...call(0, "weather", '{"city":"Berlin"}'), ...call(1, "time", '{"zone":"CET"}')], finish: "tool_calls" };
  }
  if (word === "cut" || word === "hang") {
    const begun = [{ tool_calls: [{ index: 0, id: "call_0", type: "function", function: { name: "weather", arguments: `{"${second}` } }] }];
    return { deltas: [...said("Let me look."), ...begun], finish: word === "cut" ? "length" : "never" };
  }
  if (word === "reference") return { deltas: said("See [a][1] there.\n\nAnd more.\n\n[1]: https://example.org/later\n"), finish: "stop", pause: 30 };
  if (word === "slow") return { deltas: Array.from({ length: 400 }, (_, i) => ({ content: `word${i} ` })), finish: "stop", pause: 25 };
  if (word === "long") return { deltas: said("A line of text.\n\n".repeat(80)), finish: "length" };
  if (word === "break") return { deltas: said("This is cut"), finish: "cut" };
  return { deltas: said(`You said: ${last.content}`), finish: "stop" };
}

export class Stub {
  /** Bodies of the requests. */
  asked = [];
  /** Requests whose client went away. */
  left = 0;
  key = "";
  /** What /health says, where it is not that all is well: a status and the code of an error. */
  ill = null;
  /** Whether the model has a switch for thinking. */
  switches = true;
  #sockets = new Set();

  constructor(files) {
    this.files = files;
  }

  async start(port = 0) {
    this.server = http.createServer((request, response) => this.#serve(request, response).catch(() => response.destroy()));
    this.server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}/`;
    return this;
  }

  /** As a server that was killed. */
  async stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(request, response) {
    const { pathname } = new URL(request.url, this.url);
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    const json = (status, body) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const file = this.files(pathname);
    if (file) {
      response.writeHead(200, { "Content-Type": TYPES[pathname === "/" ? ".html" : path.extname(pathname)] });
      response.end(await readFile(file));
      return;
    }
    if (pathname === "/health" && this.ill) return json(this.ill.status, { error: { message: "later", code: this.ill.code } });
    if (pathname === "/health") return json(200, { status: "ok" });
    if (this.key && request.headers.authorization !== `Bearer ${this.key}`) {
      return json(401, { error: { message: "the key is missing or wrong", type: "invalid_request_error", code: "invalid_api_key" } });
    }
    if (pathname === "/props") {
      return json(200, { default_generation_settings: { n_ctx: 4096 }, model_alias: "stub-model", chat_template: "", build_info: "stub", thinking_switchable: this.switches });
    }
    if (pathname === "/v1/models") return json(200, { object: "list", data: [{ id: "stub-model", object: "model" }] });
    if (pathname !== "/v1/chat/completions") return json(404, { error: { message: "no such path" } });
    let text = "";
    for await (const part of request) text += part;
    const body = JSON.parse(text);
    this.asked.push(body);
    if (String(body.messages.at(-1).content).startsWith("error")) {
      return json(400, { error: { message: "messages: expected something else, found error", type: "invalid_request_error" } });
    }
    await this.#tell(body, response);
  }

  async #tell(body, response) {
    let gone = false;
    response.on("close", () => {
      if (!response.writableEnded) this.left++;
      gone = true;
    });
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const send = (data) => response.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
    const chunk = (delta, finish_reason = null) => ({ id: "chatcmpl-1", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] });
    const { deltas, finish, pause } = script(body);
    send(chunk({ role: "assistant", content: "" }));
    for (const delta of deltas) {
      if (gone) return;
      send(chunk(delta));
      await sleep(pause ?? 2);
    }
    while (finish === "never" && !gone) await sleep(20);
    if (gone) return;
    if (finish === "cut") {
      await sleep(100);
      return response.destroy();
    }
    send(chunk({}, finish));
    const made = deltas.length;
    send({
      choices: [],
      usage: { prompt_tokens: 1000, completion_tokens: made, total_tokens: 1000 + made },
      timings: { prompt_n: 1000, prompt_per_second: 812.5, predicted_n: made, predicted_per_second: 41.25 },
    });
    send("[DONE]");
    response.end();
  }
}
