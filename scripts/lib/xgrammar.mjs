// XGrammar's masks, asked line by line: what runtime's XGrammarTest compares its own with.
// node xgrammar.mjs FOLDER-WITH-NODE_MODULES; JSON lines in, one JSON line out for each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

// the package says it is an ES module and is a CommonJS one
const file = join(process.argv[2], "node_modules", "@mlc-ai", "web-xgrammar", "lib", "index.js");
const library = { exports: {} };
new Function("module", "exports", "require", "__filename", "__dirname", readFileSync(file, "utf8"))(
  library, library.exports, createRequire(file), file, dirname(file));
const { GrammarCompiler, GrammarMatcher, Testings, TokenizerInfo } = library.exports;
const FORM = [false, -1, [", ", ": "], false]; // one line, nothing but these, other names allowed

// GPT-2's letters for bytes
const letters = [];
for (let b = 0, next = 256; b < 256; b++) {
  const shown = (b > 32 && b < 127) || (b > 160 && b !== 173);
  letters.push(String.fromCharCode(shown ? b : next++));
}

let info;
let compiler;
let compiled;
let matcher;

async function start(next) {
  matcher?.dispose();
  compiled?.dispose();
  matcher = compiled = undefined;
  compiled = next;
  matcher = await GrammarMatcher.createGrammarMatcher(compiled);
  return {};
}

const answers = {
  // tokens: hexadecimal bytes of each
  vocabulary: async ({ tokens, stop }) => {
    const pieces = tokens.map((hex) => Buffer.from(hex, "hex").reduce((text, b) => text + letters[b], ""));
    info = await TokenizerInfo.createTokenizerInfo(pieces, "byte_level", false, pieces.length, [stop]);
    compiler = await GrammarCompiler.createGrammarCompiler(info, false);
    return {};
  },
  schema: async ({ schema }) => start(await compiler.compileJSONSchema(schema, ...FORM)),
  ebnf: async ({ schema }) => ({ ebnf: await Testings._jsonSchemaToEBNF(schema, ...FORM) }),
  grammar: async ({ ebnf }) => start(await compiler.compileGrammar(ebnf)),
  mask: async () => {
    const words = await matcher.getNextTokenBitmask();
    return { mask: Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString("base64") };
  },
  accept: async ({ token }) => ({ ok: matcher.acceptToken(token) }),
  back: async ({ tokens }) => {
    matcher.rollBack(tokens);
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const asked = JSON.parse(line);
    answer = await answers[asked.ask](asked);
  } catch (e) {
    answer = { error: String(e?.message ?? e) };
  }
  process.stdout.write("=" + JSON.stringify(answer) + "\n"); // the library writes there too
}
